/// Remembered digests in order of arrival, and where each of them is found.
///
/// Every entry has a number, and knows the number of the one before it that wants the same slot of
/// the table; the slot holds the newest. So the numbers along a chain fall, and one below the
/// oldest that is remembered ends it: what is forgotten is never taken out, and costs nothing.
struct DigestMemory: Sendable {
    struct Entry: Sendable, BitwiseCopyable {
        var digest: TickDigest
        /// The tape's time at which it came.
        var time: Int64
        /// The number of the one before it in its chain.
        fileprivate var before: UInt32 = 0
    }

    private var newest: [UInt32]
    /// Number n stands at place n modulo the count, which is a power of two.
    private var entries: [Entry]
    /// Numbers wrap around. A slot that was not written since then leads into another chain, which
    /// ends like every other one: only falling numbers are followed, and digests are compared.
    private var first: UInt32 = 1
    private(set) var count = 0
    private var sumOfTouched: UInt64 = 0

    /// Slots for each entry: half of them free, a search for what is not there mostly ends at once.
    private static let slotsEach = 2

    init(capacity: Int) {
        var size = 16
        while size < capacity { size *= 2 }
        let none = Entry(digest: TickDigest(high: 0, low: 0), time: 0)
        entries = [Entry](repeating: none, count: size)
        newest = [UInt32](repeating: 0, count: size * Self.slotsEach)
    }

    var capacity: Int { entries.count }

    /// When the oldest came; nil when there is none.
    @inline(__always)
    var oldestTime: Int64? { count == 0 ? nil : entries[place(first)].time }

    /// The one that arrived as number `index` of those that are there.
    subscript(index: Int) -> Entry {
        entries[place(first &+ UInt32(truncatingIfNeeded: index))]
    }

    @inline(__always)
    private func place(_ number: UInt32) -> Int { Int(number) & (entries.count &- 1) }

    @inline(__always)
    private func slot(_ digest: TickDigest) -> Int {
        Int(truncatingIfNeeded: digest.low >> 32) & (newest.count &- 1)
    }

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

    /// True when one like it came less than `reach` before or behind `time`.
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

    /// There must be room.
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

    mutating func grow(to capacity: Int) {
        var larger = DigestMemory(capacity: capacity)
        for index in 0..<count { larger.append(self[index].digest, time: self[index].time) }
        self = larger
    }

    /// Reads what will decide about the first `count` digests, all of it at once, which takes as
    /// long as one of them; and writes a word that nobody needs, so that it is not left out.
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
