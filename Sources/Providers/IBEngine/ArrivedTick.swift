package import MarketModel
package import Primitives

/// An arrival: the short form of a tick that came live. After an outage, history reports the ticks
/// at its borders again, and the backfill recognizes those that it must not add by their arrivals.
///
/// `FeedMachine` makes one of every live trade, quote and bar, and `BorderTicks` keeps it for some
/// seconds. Tens of thousands come per second, so an arrival has 12 bytes: the second, and a digest
/// of all that history reports of the tick. Two different ticks of one second have the same digest
/// once in 2^63 comparisons.
package struct ArrivedTick: Hashable, Sendable, BitwiseCopyable {
    /// The second since 1970 of the event time. Only the lowest 32 bits are kept: they reach to the
    /// year 2106.
    let second: UInt32
    /// The digest in two halves, because a field of eight bytes would be padded to 16 bytes in all.
    /// The lowest bit of `low` is `isConflated`: that bit of a digest is always 0.
    private let low: UInt32
    private let high: UInt32

    /// `isConflated`: the tick may represent several ticks of history.
    init(_ likeness: TickLikeness, isConflated: Bool) {
        self.init(second: likeness.second, digest: likeness.digest | (isConflated ? 1 : 0))
    }

    private init(second: Int64, digest: UInt64) {
        self.second = UInt32(truncatingIfNeeded: second)
        low = UInt32(truncatingIfNeeded: digest)
        high = UInt32(truncatingIfNeeded: digest >> 32)
    }

    /// Returns the arrival of a trade.
    package static func trade(_ trade: Trade) -> ArrivedTick {
        ArrivedTick(TickLikeness(trade), isConflated: trade.header.flags.contains(.conflated))
    }

    /// Returns the arrival of a quote.
    package static func quote(_ quote: Quote) -> ArrivedTick {
        ArrivedTick(TickLikeness(quote), isConflated: quote.header.flags.contains(.conflated))
    }

    /// Returns the arrival of a bar of five seconds that begins at `open`. The second identifies
    /// the bar, so the digest is not used.
    package static func bar(open: Timestamp) -> ArrivedTick {
        ArrivedTick(second: WholeSecond.floor(open), digest: 0)
    }

    /// The digest of `TickLikeness`.
    var digest: UInt64 { UInt64(high) << 32 | UInt64(low & ~1) }
    var isConflated: Bool { low & 1 == 1 }
}
