package import MarketModel
package import Primitives

/// A compact copy of a tick that went to the tape near an outage's border. History delivers the
/// same tick again, and the backfill recognizes it by this copy.
///
/// Tens of thousands arrive per second and are kept for seconds. So a copy has only a digest of
/// what history reports, and the second separately. Two different ticks of one second are taken for
/// the same one once in 2^63 comparisons.
package struct ArrivedTick: Hashable, Sendable, BitwiseCopyable {
    /// The second since 1970. A time beyond 32 bits, which no provider's clock shows, keeps only
    /// its lowest bits: history has no tick there.
    let second: UInt32
    // Three times four bytes, because a field of eight bytes would be padded.
    private let low: UInt32
    private let high: UInt32

    /// `isConflated`: the tick may stand for several ticks of history.
    init(_ likeness: TickLikeness, isConflated: Bool) {
        self.init(second: likeness.second, digest: likeness.digest | (isConflated ? 1 : 0))
    }

    private init(second: Int64, digest: UInt64) {
        self.second = UInt32(truncatingIfNeeded: second)
        low = UInt32(truncatingIfNeeded: digest)
        high = UInt32(truncatingIfNeeded: digest >> 32)
    }

    package static func trade(_ trade: Trade) -> ArrivedTick {
        ArrivedTick(TickLikeness(trade), isConflated: trade.header.flags.contains(.conflated))
    }

    package static func quote(_ quote: Quote) -> ArrivedTick {
        ArrivedTick(TickLikeness(quote), isConflated: quote.header.flags.contains(.conflated))
    }

    /// Returns the copy of a bar of five seconds that begins at `open`. Only its arrival is
    /// compared.
    package static func bar(open: Timestamp) -> ArrivedTick {
        ArrivedTick(second: WholeSecond.floor(open), digest: 0)
    }

    var digest: UInt64 { UInt64(high) << 32 | UInt64(low & ~1) }
    var isConflated: Bool { low & 1 == 1 }
}
