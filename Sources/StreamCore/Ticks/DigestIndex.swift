/// Finds a remembered digest: a flat table with open addressing, whose slots hold a piece of the
/// digest and where it stands in the ring.
///
/// The slot that a digest wants follows from the piece that the table holds, so that closing a
/// hole touches the table alone.
struct DigestIndex: Sendable {
    /// 0: free. Else the upper half is a piece of the digest, the lower one its place plus one.
    private var slots: [UInt64]
    private let mask: Int
    private var sumOfTouched: UInt64 = 0

    /// Never more than half full: a search for what is not there ends at once in most cases.
    init(capacity: Int) {
        var count = 16
        while count < capacity * 2 { count *= 2 }
        slots = [UInt64](repeating: 0, count: count)
        mask = count - 1
    }

    /// The piece is 32 bits, and a table for `DeduplicateRule.entriesLimit` has 23 bits of slots.
    @inline(__always)
    private static func piece(_ digest: TickDigest) -> UInt32 {
        UInt32(truncatingIfNeeded: digest.low >> 32)
    }

    @inline(__always)
    private func home(_ slot: UInt64) -> Int {
        Int(truncatingIfNeeded: slot >> 32) & mask
    }

    @inline(__always)
    func contains(_ digest: TickDigest, in ring: DigestRing) -> Bool {
        let piece = Self.piece(digest)
        var index = Int(piece) & mask
        while slots[index] != 0 {
            let slot = slots[index]
            if UInt32(truncatingIfNeeded: slot >> 32) == piece,
                ring.digest(at: Int(UInt32(truncatingIfNeeded: slot)) - 1) == digest
            {
                return true
            }
            index = (index + 1) & mask
        }
        return false
    }

    @inline(__always)
    mutating func insert(_ digest: TickDigest, place: Int) {
        let piece = Self.piece(digest)
        var index = Int(piece) & mask
        while slots[index] != 0 { index = (index + 1) & mask }
        slots[index] = UInt64(piece) << 32 | UInt64(UInt32(truncatingIfNeeded: place + 1))
    }

    /// Reads the slots that the oldest digests want, and writes a word that nobody needs,
    /// so that the reading is not left out.
    mutating func touch(oldest count: Int, of ring: DigestRing) {
        var sum: UInt64 = 0
        for number in 0..<count {
            sum &+= slots[Int(Self.piece(ring[number].digest)) & mask]
        }
        sumOfTouched = sum
    }

    mutating func touch(_ digests: [TickDigest]) {
        var sum: UInt64 = 0
        for digest in digests { sum &+= slots[Int(Self.piece(digest)) & mask] }
        sumOfTouched = sum
    }

    /// Removes what stands at a place of the ring, and moves up those that stood behind it only
    /// because their own slots were taken.
    mutating func remove(_ digest: TickDigest, place: Int) {
        let wanted =
            UInt64(Self.piece(digest)) << 32 | UInt64(UInt32(truncatingIfNeeded: place + 1))
        var hole = home(wanted)
        while slots[hole] != wanted {
            if slots[hole] == 0 { return }
            hole = (hole + 1) & mask
        }
        var next = (hole + 1) & mask
        while slots[next] != 0 {
            let distance = (next - home(slots[next])) & mask
            if distance >= (next - hole) & mask {
                slots[hole] = slots[next]
                hole = next
            }
            next = (next + 1) & mask
        }
        slots[hole] = 0
    }
}

/// Remembered digests in order of arrival, each with the tape's time at which it came.
struct DigestRing: Sendable {
    struct Entry: Hashable, Sendable, BitwiseCopyable {
        var digest: TickDigest
        var time: Int64
    }

    private var entries: [Entry]
    private var first = 0
    private(set) var count = 0

    init(capacity: Int) {
        let none = Entry(digest: TickDigest(high: 0, low: 0), time: 0)
        entries = [Entry](repeating: none, count: capacity)
    }

    var capacity: Int { entries.count }
    var isFull: Bool { count == entries.count }

    @inline(__always)
    func digest(at place: Int) -> TickDigest { entries[place].digest }

    /// The oldest, and where it stands; nil when there is none.
    var oldest: (entry: Entry, place: Int)? {
        count == 0 ? nil : (entries[first], first)
    }

    /// The one that arrived as number `index` of those that are there.
    subscript(index: Int) -> Entry { entries[place(first + index)] }

    @inline(__always)
    mutating func removeOldest() {
        first = place(first + 1)
        count -= 1
    }

    /// Where it stands now. There must be room.
    @inline(__always)
    mutating func append(_ entry: Entry) -> Int {
        let place = place(first + count)
        entries[place] = entry
        count += 1
        return place
    }

    @inline(__always)
    private func place(_ sum: Int) -> Int {
        sum >= entries.count ? sum - entries.count : sum
    }
}
