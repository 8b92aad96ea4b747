/// The limits of the simulated Massive, and what happens beyond them.
package enum MassiveLimits {
    /// Symbols of a market; more are refused at the start.
    package static let symbolsMax = 1_000
    /// Characters of a symbol. A longer one is refused.
    package static let symbolBytesMax = 20
    /// Trades per second over all symbols, and as many quotes. A higher rate is refused.
    package static let rateMax = 50_000
    /// How long a client may take to authenticate. Then it gets `auth_timeout` and is disconnected.
    static let authSeconds: Int64 = 10
    /// Records in one frame. More are sent in the next frame.
    static let recordsPerFrameMax = 500
    /// Subscriptions of one client. More are answered by an error.
    static let subscriptionsMax = 10_000
    /// Trades or quotes in one answer, and bars of aggregates, as Massive has it. A request for
    /// more is refused.
    static let recordsPerAnswerMax = 50_000
    /// What an answer to a request without a limit has.
    static let recordsPerAnswer = 1_000
    static let aggregatesPerAnswer = 5_000
    /// Trades that one answer with bars is made of. Then it ends, with a link to the rest. A
    /// market that has more of them in one bar has no such bars.
    static let tradesPerAnswerMax: Int64 = 2_000_000
    /// A bar takes as long as so many trades, even if there are none.
    static let tradesPerBar: Int64 = 20
    /// Records of the command `lose`. More are refused.
    static let lostRecordsMax = 1_000_000
    /// The longest that a trade is reported after it happened. It may be too late for its bars.
    static let latenessSeconds: Int64 = 1_200
    /// A trade is reported so soon if it is not late.
    static let latencyMicroseconds: Int64 = 1_000
    /// A bar of a second waits for so long after its end, and then is sent once.
    static let secondsWait: Int64 = 2
    /// A trade changes the bar of its minute until so long after the minute's end. A later one
    /// counts from the end of the day on.
    static let revisionSeconds: Int64 = 900
    /// The longest that a trade is cancelled after its report.
    static let bustSeconds: Int64 = 20
    /// Trades of before the start that the first bars are made of. Minutes that need more of them
    /// are not sent.
    static let earlierTradesMax = 20_000
}
