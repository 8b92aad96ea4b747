import Primitives

/// The trades of a feed that came lately, by their numbers. At the borders of a gap the service's
/// past has them, too.
struct FeedArrivals: Sendable {
    /// Beyond it the earlier half is forgotten.
    private static let countMax = 65_536
    private static let countMin = 64
    /// A stream may write times in milliseconds where the past has nanoseconds.
    private static let exactness: Int64 = 1_000_000

    private var list: [(number: UInt64, time: Timestamp)] = []
    /// With so many, those that no gap needs are forgotten.
    private var pruneAt = Self.countMin
    /// Of those of this time on, all that came are known.
    private(set) var knownFrom = Timestamp(nanoseconds: .min + 1)

    /// Whether it is time to forget.
    var isFull: Bool { list.count >= pruneAt }

    /// What came before a time is not known, or not all of it.
    mutating func areKnown(from time: Timestamp) { knownFrom = max(knownFrom, time) }

    /// Forgets all, of which the last has a time.
    mutating func forget(after last: Timestamp) {
        list = []
        if last.isDefined { areKnown(from: last.advanced(byNanoseconds: 1)) }
    }

    /// Notes a trade that came.
    mutating func note(_ number: UInt64, _ time: Timestamp) { list.append((number, time)) }

    /// Forgets what no gap needs.
    mutating func prune(where isNeeded: (Timestamp) -> Bool) {
        list.removeAll {
            !isNeeded($0.time) && !isNeeded($0.time.advanced(byNanoseconds: Self.exactness))
        }
        if list.count > Self.countMax {
            list.sort { $0.time < $1.time }
            let rest = Array(list.suffix(Self.countMax / 2))
            areKnown(from: rest[0].time.advanced(byNanoseconds: 1))
            list = rest
        }
        pruneAt = max(Self.countMin, 2 * list.count)
    }

    /// Returns the numbers of those of a span.
    func numbers(in span: Range<Timestamp>) -> Set<UInt64> {
        let first = span.lowerBound.advanced(byNanoseconds: -Self.exactness)
        return Set(list.lazy.filter { (first..<span.upperBound).contains($0.time) }.map(\.number))
    }
}
