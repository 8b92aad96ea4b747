/// The keys of a batch's rows of one table, kept only to see whether a key came twice. If none did,
/// the merge need not sort and count rows with the same key (`Sink.Merge`).
///
/// Keys are hashes of 64 bits. If two keys have the same hash by chance, the slower merge is used,
/// and no row is lost.
package struct MergeKeys: Sendable {
    /// The first size of the hash table, a power of two as all its sizes.
    private static let slotsMin = 1_024

    /// False once a key came again.
    package private(set) var areUnique = true
    /// A hash table with open addressing; 0 is an empty slot. It is at most half full.
    private var slots: [UInt64] = []
    private var count = 0

    package init() {}

    /// Adds the key of one more row. After a key that came twice it does nothing.
    package mutating func insert(_ key: UInt64) {
        guard areUnique else { return }
        if (count + 1) * 2 > slots.count { grow() }
        // 0 means an empty slot, so the key 0 counts as 1. If both occur, that costs time only.
        areUnique = put(max(key, 1))
        count += 1
    }

    /// Enters a key into the hash table. Returns false when it is there already.
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
