/// Records whether any key came twice in a batch. Rows with different keys need no sorting and
/// counting in the server.
///
/// Keys are hashes of 64 bits: two keys with the same hash by chance cost time, but never lose a
/// row.
package struct MergeKeys: Sendable {
    private static let slotsMin = 1_024

    /// False once a key came again.
    package private(set) var areUnique = true
    /// A hash table with open addressing; 0 is an empty slot. It is at most half full.
    private var slots: [UInt64] = []
    private var count = 0

    package init() {}

    /// Notes the key of one more row.
    package mutating func insert(_ key: UInt64) {
        guard areUnique else { return }
        if (count + 1) * 2 > slots.count { grow() }
        // 0 shares the place of 1, which also costs time only.
        areUnique = put(max(key, 1))
        count += 1
    }

    /// Adds a key. Returns false when it is there already.
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
