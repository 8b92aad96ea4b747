public import MarketModel
public import Primitives

/// What is kept of a tick that went to the tape, near an outage's borders: history tells of it once
/// more, and then it has to be known again.
///
/// Tens of thousands come a second and are kept for seconds: a digest of what history tells, and
/// the second for itself. That two different ticks of one second are taken for the same happens
/// once in 2^63 comparisons.
public struct ArrivedTick: Hashable, Sendable, BitwiseCopyable {
    /// Since 1970. Of times that no provider's clock shows the lowest bits: history has none.
    let second: UInt32
    // Three times four bytes: an eight would be padded.
    private let low: UInt32
    private let high: UInt32

    /// `isConflated`: it may stand for several of history's.
    init(_ likeness: TickLikeness, isConflated: Bool) {
        self.init(second: likeness.second, digest: likeness.digest | (isConflated ? 1 : 0))
    }

    private init(second: Int64, digest: UInt64) {
        self.second = UInt32(truncatingIfNeeded: second)
        low = UInt32(truncatingIfNeeded: digest)
        high = UInt32(truncatingIfNeeded: digest >> 32)
    }

    public static func trade(_ trade: Trade) -> ArrivedTick {
        ArrivedTick(TickLikeness(trade), isConflated: trade.header.flags.contains(.conflated))
    }

    public static func quote(_ quote: Quote) -> ArrivedTick {
        ArrivedTick(TickLikeness(quote), isConflated: quote.header.flags.contains(.conflated))
    }

    /// Of five seconds, which begin at `open`: that it came is all that is asked.
    public static func bar(open: Timestamp) -> ArrivedTick {
        ArrivedTick(second: WholeSecond.floor(open), digest: 0)
    }

    var digest: UInt64 { UInt64(high) << 32 | UInt64(low & ~1) }
    var isConflated: Bool { low & 1 == 1 }
}
