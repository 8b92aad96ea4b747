internal import MarketModel

/// The limits of filling gaps, and what happens at each of them.
package struct BackfillLimits: Hashable, Sendable {
    /// The most gaps that wait. Beyond it the oldest are abandoned, with a record.
    package var gapsMax = ProviderLimits.gapsMax
    /// The most open requests. Pacing decides how fast they leave, and further ones wait here.
    package var requestsOpenMax = 8
    /// How many seconds before and after an outage its ticks may be stamped: they come that late,
    /// and clocks differ that much. In these seconds history is compared with what arrived.
    package var borderSeconds: Int64 = 2
    /// The most remembered ticks that were added near the end of an instrument's last gap. Beyond
    /// it the next gap leaves out the seconds that both share, and reports that.
    package var borderTicksMax = 4_096
    /// The number of ticks that one request asks for, which is the server's maximum.
    package var pageTicks: Int32 = 1_000
    /// The most ticks of one answer. The last second of a page is complete, so an answer may have
    /// more than `pageTicks`. An answer beyond this maximum counts as a failure.
    package var pageTicksMax = 100_000
    /// The most requests for the ticks of one gap. The rest is fetched as bars.
    package var tradePagesMax = 100
    /// The same for quotes, which are many. Each request for them counts twice.
    package var quotePagesMax = 20
    /// The most requests for the bars of one gap. The rest is abandoned.
    package var barPagesMax = 50
    /// After so many refusals or unanswered requests in a row the rest of the gap is given up.
    package var attemptsMax = 5
    /// The first and the longest wait after a refusal, or after no answer.
    package var retryWait = Duration.seconds(20)
    package var retryWaitMax = Duration.seconds(600)
    /// History may lag behind the market. When an answer does not prove that history has reached
    /// the gap's end, the request is repeated, at most this often. The wait doubles each time, and
    /// all waits together are four hours.
    package var lagTriesMax = 9
    /// The first and the longest of these waits.
    package var lagWait = Duration.seconds(60)
    package var lagWaitMax = Duration.seconds(3_600)
    /// So long after the end of trading, history is up to date.
    package var lagAge = Duration.seconds(900)
    /// The longest wait for an answer once the request is sent.
    package var answerWait = Duration.seconds(90)
    /// The longest time that a request may wait in pacing's queue. Then it is treated as lost.
    package var sendWait = Duration.seconds(3_600)
    /// The age of the oldest data that are requested.
    package var ageMax = Duration.seconds(14 * 86_400)
    /// The most gaps that the status lists.
    package var statusMax = 64

    package init() {}
}
