/// A queue of digests in order of arrival, with a table to find them: the memory of `Deduplicator`
/// and `TickSightings`.
///
/// Every entry has a number. Each slot of the table holds the number of its newest entry, and each
/// entry holds the number of the previous entry of its slot. So the numbers along this chain fall,
/// and a number below the oldest remembered one ends it. Forgotten entries are never removed from
/// the chains, and cost nothing.
struct DigestMemory: Sendable {
    struct Entry: Sendable, BitwiseCopyable {
        var digest: TickDigest
        /// The time at which it came, in nanoseconds of the owner's clock.
        var time: Int64
        /// The number of the previous entry in its chain.
        fileprivate var before: UInt32 = 0
    }

    /// The table: by slot, the number of its newest entry.
    private var newest: [UInt32]
    /// The entry with number n is at index n modulo the count, which is a power of two.
    private var entries: [Entry]
    /// The number of the oldest entry. Numbers wrap around at 2^32. After that, a slot that was not
    /// written for a long time may lead into another chain. That is harmless: only falling numbers
    /// are followed, and digests are compared.
    private var first: UInt32 = 1
    private(set) var count = 0
    /// A sum that nobody reads: see `touch`.
    private var sumOfTouched: UInt64 = 0

    /// Slots per entry. With half of them free, a search for an unknown digest mostly ends
    /// immediately.
    private static let slotsEach = 2

    init(capacity: Int) {
        var size = 16
        while size < capacity { size *= 2 }
        let none = Entry(digest: TickDigest(high: 0, low: 0), time: 0)
        entries = [Entry](repeating: none, count: size)
        newest = [UInt32](repeating: 0, count: size * Self.slotsEach)
    }

    /// The number of entries for which there is room.
    var capacity: Int { entries.count }

    /// The time at which the oldest entry came; `nil` when there is none.
    @inline(__always)
    var oldestTime: Int64? { count == 0 ? nil : entries[place(first)].time }

    /// The entry at position `index` in order of arrival.
    subscript(index: Int) -> Entry {
        entries[place(first &+ UInt32(truncatingIfNeeded: index))]
    }

    @inline(__always)
    private func place(_ number: UInt32) -> Int { Int(number) & (entries.count &- 1) }

    @inline(__always)
    private func slot(_ digest: TickDigest) -> Int {
        Int(truncatingIfNeeded: digest.low >> 32) & (newest.count &- 1)
    }

    /// Returns whether an equal digest is remembered.
    @inline(__always)
    func contains(_ digest: TickDigest) -> Bool {
        var last = UInt32(truncatingIfNeeded: count)
        var number = newest[slot(digest)]
        while number &- first < last {
            let entry = entries[place(number)]
            if entry.digest == digest { return true }
            last = number &- first
            number = entry.before
        }
        return false
    }

    /// Returns whether an equal digest came less than `reach` before or after `time`.
    func contains(_ digest: TickDigest, near time: Int64, reach: Int64) -> Bool {
        var last = UInt32(truncatingIfNeeded: count)
        var number = newest[slot(digest)]
        while number &- first < last {
            let entry = entries[place(number)]
            let (distance, overflow) = entry.time.subtractingReportingOverflow(time)
            if entry.digest == digest, !overflow, distance.magnitude < reach.magnitude {
                return true
            }
            last = number &- first
            number = entry.before
        }
        return false
    }

    /// Appends an entry. There must be room.
    @inline(__always)
    mutating func append(_ digest: TickDigest, time: Int64) {
        let number = first &+ UInt32(truncatingIfNeeded: count)
        let slot = slot(digest)
        entries[place(number)] = Entry(digest: digest, time: time, before: newest[slot])
        newest[slot] = number
        count &+= 1
    }

    @inline(__always)
    mutating func removeOldest() {
        first &+= 1
        count &-= 1
    }

    /// Enlarges the memory, and numbers its entries from 1 again.
    mutating func grow(to capacity: Int) {
        var larger = DigestMemory(capacity: capacity)
        for index in 0..<count { larger.append(self[index].digest, time: self[index].time) }
        self = larger
    }

    /// Reads the entries that decide about the first `count` digests in one batch, so that their
    /// memory accesses overlap. It stores a sum that is not used, so that the compiler keeps the
    /// reads.
    mutating func touch(_ digests: [TickDigest], count wanted: Int) {
        var sum: UInt64 = 0
        for index in 0..<wanted {
            let number = newest[slot(digests[index])]
            if number &- first < UInt32(truncatingIfNeeded: count) {
                sum &+= entries[place(number)].digest.low
            }
        }
        sumOfTouched = sum
    }
}
