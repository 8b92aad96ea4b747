internal import MarketModel
internal import Primitives

/// When the next attempt to connect begins.
struct BinanceRetry: Sendable {
    private var random: SeededRandom
    private var backoff: Backoff
    /// When the next attempt may begin.
    private(set) var at = MonotonicTime.distantPast
    /// Attempts and connections that failed in a row.
    private(set) var failures = 0

    init(_ settings: BinanceSettings, seed: UInt64) {
        random = SeededRandom(seed: seed)
        backoff = Backoff(
            first: .nanoseconds(settings.reconnectFirst),
            limit: .nanoseconds(max(settings.reconnectMax, settings.reconnectFirst)))
    }

    mutating func wait(_ now: Moment) {
        at = now.monotonic.advanced(by: backoff.next(using: &random))
    }

    /// Counts a failure. Only a connection that lasted shows that the trouble before is over.
    mutating func failed(wasSteady: Bool) {
        if wasSteady { backoff.reset() }
        failures = wasSteady ? 1 : failures + 1
    }
}
