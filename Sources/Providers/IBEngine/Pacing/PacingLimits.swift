/// The limits that keep requests below what the broker's server punishes, and the limits of
/// requests that wait. Each leaves some room for clocks and lines that do not agree with ours.
package struct PacingLimits: Hashable, Sendable {
    /// Messages. The server counts 50 in a second, from the moments at which it reads them: a burst
    /// that it reads late comes nearer to the next one.
    package var messages = Rate(max: 45, window: .milliseconds(1_200))
    /// Requests for history; quotes count twice. The server counts 60 in 600 s.
    package var history = Rate(max: 58, window: .seconds(605))
    /// Requests for the same contract, exchange and kind of data. The server punishes the sixth in
    /// 2 s.
    package var burst = Rate(max: 5, window: .milliseconds(2_500))
    /// How long the same request is not repeated. The server wants 15 s.
    package var identicalWait = Duration.seconds(16)
    /// The most requests for history without an answer.
    package var historyOpenMax = 50
    /// A request that was never answered is treated as open for this time.
    package var openForgottenAfter = Duration.seconds(600)
    /// Bars of a minute or more are not counted in the windows: the vendor reports that it counts
    /// smaller ones only. If a server complains all the same, they are counted until it has not
    /// complained for `violation.memory`.
    package var longBarsAreFree = true
    /// New subscriptions to bars of five seconds in the window of `history`, counted separately.
    package var barSubscriptions = 58
    package var lines = Lines()
    /// How long after a tick-by-tick request no other one leaves for the same contract. The server
    /// wants 15 s.
    package var tickByTickWait = Duration.seconds(16)
    package var violation = Violation()
    /// The most requests that wait: eight for each instrument of a source. Further requests are
    /// refused, and their callers try again.
    package var queueMax = 32_768
    /// The additional places that urgent requests have then. A cancel always has one
    /// (`PacingMachine.ask`).
    package var urgentExtraMax = 4_096
    /// The most waiting requests that the status lists.
    package var planMax = 64

    package init() {}

    /// So many in any window.
    package struct Rate: Hashable, Sendable {
        package var max: Int
        package var window: Duration
    }

    /// The lines of the account.
    package struct Lines: Hashable, Sendable {
        /// For market data and bars of five seconds.
        package var marketData = 100
        package var tickByTick = 5
        package var depth = 3
        /// How long after a refusal for want of lines one more line than the server accepted is
        /// tried. Each line that it accepts halves the wait for the next one, each refusal doubles
        /// it.
        package var retry = GrowingWait(first: .seconds(1), max: .seconds(60))
        package var retryMin = Duration.milliseconds(250)
    }

    /// How long requests of a kind wait when the server complains. The wait is the first one again
    /// when the server has not complained for `memory`.
    package struct Violation: Hashable, Sendable {
        package var wait = GrowingWait(first: .seconds(15), max: .seconds(600))
        package var memory = Duration.seconds(1_200)
    }
}
