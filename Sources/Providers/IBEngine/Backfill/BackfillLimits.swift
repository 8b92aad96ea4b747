internal import MarketModel
internal import Primitives

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
    /// The most requests for one gap.
    package var pagesMax = Pages()
    /// After so many refusals or unanswered requests in a row the rest of the gap is given up.
    package var attemptsMax = 5
    /// The waits after a refusal, or after no answer.
    package var retry = GrowingWait(first: .seconds(20), max: .seconds(600))
    package var lag = Lag()
    /// The longest wait for an answer once the request is sent.
    package var answerWait = Duration.seconds(90)
    /// The longest time that a request may wait in pacing's queue. Then it is treated as lost.
    package var sendWait = Duration.seconds(3_600)
    /// The age of the oldest data that are requested.
    package var ageMax = Duration.seconds(14 * 86_400)
    /// The most gaps that the status lists.
    package var statusMax = 64

    package init() {}

    /// Requests by what they ask for.
    package struct Pages: Hashable, Sendable {
        /// The rest of the ticks is fetched as bars.
        package var trades = 100
        /// Quotes are many, and each request for them counts twice.
        package var quotes = 20
        /// The rest of the bars is abandoned.
        package var bars = 50
    }

    /// History may lag behind the market. When an answer does not prove that history has reached
    /// the gap's end, the request is repeated.
    package struct Lag: Hashable, Sendable {
        /// How often, at most. All waits together are four hours.
        package var triesMax = 9
        package var wait = GrowingWait(first: .seconds(60), max: .seconds(3_600))
        /// So long after the end of trading, history is up to date.
        package var age = Duration.seconds(900)
    }
}

/// A wait that doubles each time, up to a maximum.
package struct GrowingWait: Hashable, Sendable {
    package var first: Duration
    package var max: Duration

    /// Returns the wait that comes after so many others, in nanoseconds.
    func nanoseconds(after others: Int) -> Int64 {
        (0..<others).reduce(first.clampedNanoseconds) { wait, _ in
            Swift.min(wait.doubled, max.clampedNanoseconds)
        }
    }
}
