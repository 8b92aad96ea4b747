/// The limits that keep requests below what the broker's server punishes, and the limits of
/// requests that wait. Each leaves some room for clocks and lines that do not agree with ours.
public struct PacingLimits: Hashable, Sendable {
    /// Messages in any second. The server counts 50.
    public var messagesPerSecond = 45
    /// Requests for history in `historyWindow`; quotes count twice. The server counts 60 in 600 s.
    public var historyUnits = 58
    public var historyWindow = Duration.seconds(605)
    /// Requests for the same contract, exchange and kind of data in `burstWindow`. The server
    /// punishes the sixth in 2 s.
    public var burst = 5
    public var burstWindow = Duration.milliseconds(2_500)
    /// How long the same request is not repeated. The server wants 15 s.
    public var identicalWait = Duration.seconds(16)
    /// The most requests for history without an answer.
    public var historyOpenMax = 50
    /// A request that was never answered is treated as open for this time.
    public var openForgottenAfter = Duration.seconds(600)
    /// Bars of a minute or more are not counted in the windows: the vendor reports that it counts
    /// smaller ones only. If a server complains all the same, they are counted until it has not
    /// complained for `violationMemory`.
    public var longBarsAreFree = true
    /// New subscriptions to bars of five seconds in `historyWindow`, counted separately.
    public var barSubscriptions = 58
    /// The lines for market data and bars of five seconds.
    public var lines = 100
    public var tickByTickLines = 5
    public var depthLines = 3
    /// How long after a tick-by-tick request no other one leaves for the same contract. The server
    /// wants 15 s.
    public var tickByTickWait = Duration.seconds(16)
    /// How long after a refusal for want of lines one more line than the server accepted is tried.
    /// Each line that it accepts halves the wait for the next one, each refusal doubles it.
    public var lineInterval = Duration.seconds(1)
    public var lineIntervalMin = Duration.milliseconds(250)
    public var lineIntervalMax = Duration.seconds(60)
    /// How long requests of a kind wait when the server complains. The wait doubles each time,
    /// until the server has not complained for `violationMemory`.
    public var violationWait = Duration.seconds(15)
    public var violationWaitMax = Duration.seconds(600)
    public var violationMemory = Duration.seconds(1_200)
    /// The most requests that wait: eight for each instrument of a source. Further requests are
    /// refused, and their callers try again.
    public var queueMax = 32_768
    /// The additional places that urgent requests have then.
    public var urgentExtraMax = 4_096
    /// The most waiting requests that the status lists.
    public var planMax = 64

    public init() {}
}
