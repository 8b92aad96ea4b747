/// What a server of the broker takes without punishment, each with some room for clocks and wires
/// that do not agree with ours, and what bounds those that wait.
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
    /// Requests for history without an answer.
    public var historyOpenMax = 50
    /// One that was never answered does not count as open any more.
    public var openForgottenAfter = Duration.seconds(600)
    /// Bars of a minute or more are outside of the windows: the vendor says that it counts smaller
    /// ones only. When a server complains all the same, they count until it has not complained for
    /// `violationMemory`.
    public var longBarsAreFree = true
    /// New subscriptions to bars of five seconds in `historyWindow`, counted by themselves.
    public var barSubscriptions = 58
    /// Market data and bars of five seconds.
    public var lines = 100
    public var tickByTickLines = 5
    public var depthLines = 3
    /// How long no second request tick by tick leaves for a contract. The server wants 15 s.
    public var tickByTickWait = Duration.seconds(16)
    /// After a refusal for want of lines, how long after it one more than the server took is tried.
    /// Each one that it takes halves the wait for the next, each refusal doubles it.
    public var lineInterval = Duration.seconds(1)
    public var lineIntervalMin = Duration.milliseconds(250)
    public var lineIntervalMax = Duration.seconds(60)
    /// How long requests of a kind wait when the server complains; twice as long each time, until
    /// it has not complained for `violationMemory`.
    public var violationWait = Duration.seconds(15)
    public var violationWaitMax = Duration.seconds(600)
    public var violationMemory = Duration.seconds(1_200)
    /// Requests that wait: eight for each instrument of a source. More are refused, and whoever
    /// asks tries again.
    public var queueMax = 32_768
    /// Cancels and heartbeats have a place even then.
    public var urgentExtraMax = 4_096
    /// Of those that wait, so many are told of.
    public var planMax = 64

    public init() {}
}
