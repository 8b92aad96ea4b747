/// Whether any key came twice in a batch: rows that are known to differ need no sorting and
/// counting in the server.
///
/// Keys are hashes of 64 bits: two that are the same by chance cost time, never a row.
public struct MergeKeys: Sendable {
    private static let slotsMin = 1_024

    /// False once a key was met again.
    public private(set) var areUnique = true
    /// Open addressing; 0 is an empty slot. At most half full.
    private var slots: [UInt64] = []
    private var count = 0

    public init() {}

    public mutating func insert(_ key: UInt64) {
        guard areUnique else { return }
        if (count + 1) * 2 > slots.count { grow() }
        // 0 shares the place of 1, which may cost time as well.
        areUnique = put(max(key, 1))
        count += 1
    }

    /// False: it is there.
    private mutating func put(_ key: UInt64) -> Bool {
        let mask = slots.count - 1
        var slot = Int(truncatingIfNeeded: key) & mask
        while slots[slot] != 0 {
            if slots[slot] == key { return false }
            slot = (slot + 1) & mask
        }
        slots[slot] = key
        return true
    }

    private mutating func grow() {
        let keys = slots
        slots = [UInt64](repeating: 0, count: max(Self.slotsMin, keys.count * 2))
        for key in keys where key != 0 { _ = put(key) }
    }
}
