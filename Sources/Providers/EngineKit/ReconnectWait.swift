package import MarketModel
package import Primitives

/// When the next attempt to connect begins.
package struct ReconnectWait: Sendable {
    private var random: SeededRandom
    private var backoff: Backoff
    /// When the next attempt may begin.
    package private(set) var at = MonotonicTime.distantPast
    /// Attempts and connections that failed in a row.
    package private(set) var failures = 0

    /// The first wait, in nanoseconds, and the longest one, up to which it doubles.
    package init(first: Int64, max longest: Int64, seed: UInt64) {
        random = SeededRandom(seed: seed)
        backoff = Backoff(
            first: .nanoseconds(first), limit: .nanoseconds(Swift.max(first, longest)))
    }

    /// Waits longer after each failure in a row, up to the longest wait.
    package mutating func wait(_ now: Moment) {
        at = now.monotonic.advanced(by: backoff.next(using: &random))
    }

    /// Waits at least so long, in nanoseconds.
    package mutating func wait(atLeast least: Int64, _ now: Moment) {
        wait(now)
        at = Swift.max(at, now.monotonic + least)
    }

    /// Waits exactly so long, in nanoseconds, after what is no failure.
    package mutating func wait(exactly span: Int64, _ now: Moment) { at = now.monotonic + span }

    /// Counts a failure. Only a connection that lasted shows that the trouble before is over.
    package mutating func failed(wasSteady: Bool) {
        if wasSteady { backoff.reset() }
        failures = wasSteady ? 1 : failures + 1
    }
}
