import MarketModel
import Primitives

/// When the newest tick of each instrument was taken, for `/status`. Records of a provider's
/// history do not count, nor do snapshots: they show nothing about the present. `Inflow` owns it.
struct NewestTicks: Sendable {
    /// The flags of ticks that do not count.
    static let notOfNow: TickFlags = [.backfilled, .snapshot]

    /// By number in the source's list. `distantPast`: none was taken in this tenure.
    private(set) var times: [MonotonicTime] = []

    /// Adds the next number of the source's list. At most `ProviderLimits.instrumentsMax` are
    /// given out.
    mutating func addSymbol() { times.append(.distantPast) }

    /// Notes a tick. A number that was not added is left out.
    @inline(__always)
    mutating func note(_ symbol: Int, _ now: MonotonicTime) {
        if symbol < times.count { times[symbol] = now }
    }
}
