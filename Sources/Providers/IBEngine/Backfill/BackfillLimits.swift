internal import MarketModel

/// What bounds the filling in of outages, and what happens there.
public struct BackfillLimits: Hashable, Sendable {
    /// Gaps that wait; of more the oldest are abandoned, and said to be.
    public var gapsMax = ProviderLimits.gapsMax
    /// Requests on their way at once: pacing decides how fast they go, the rest waits here.
    public var requestsOpenMax = 8
    /// Seconds before and behind an outage in which ticks of it may lie: they come that late, and
    /// clocks differ that much. There, history is compared with what arrived.
    public var borderSeconds: Int64 = 2
    /// Ticks that were added near the end of an instrument's last gap; of more the next gap leaves
    /// out the seconds that it shares with that one, and says so.
    public var borderTicksMax = 4_096
    /// What history is asked for at once, and what it gives at most.
    public var pageTicks: Int32 = 1_000
    /// The last second of a page is complete, so it may have more; one that never ends is refused.
    public var pageTicksMax = 100_000
    /// Requests for the ticks of one gap; what is left then is fetched as bars.
    public var tradePagesMax = 100
    /// Quotes are many, and each request counts twice.
    public var quotePagesMax = 20
    /// Requests for the bars of one gap; what is left then is abandoned.
    public var barPagesMax = 50
    /// Refusals in a row, and requests without an answer, until the rest is given up.
    public var attemptsMax = 5
    public var retryWait = Duration.seconds(20)
    public var retryWaitMax = Duration.seconds(600)
    /// History may lag behind the market. When it does not prove that it has come as far as a gap's
    /// end, it is asked again so often, after so long and twice as long each time: four hours in
    /// all.
    public var lagTriesMax = 9
    public var lagWait = Duration.seconds(60)
    public var lagWaitMax = Duration.seconds(3_600)
    /// So long after the end of trading history is up to date.
    public var lagAge = Duration.seconds(900)
    /// How long an answer may take once the request is sent.
    public var answerWait = Duration.seconds(90)
    /// How long a request may stand in pacing's queue before it is taken for lost.
    public var sendWait = Duration.seconds(3_600)
    /// What is older is not asked for.
    public var ageMax = Duration.seconds(14 * 86_400)
    /// Of those that wait, so many are told of.
    public var statusMax = 64

    public init() {}
}
