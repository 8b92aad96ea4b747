/// The limits of the simulated Alpaca, and what happens beyond them.
package enum AlpacaLimits {
    /// Symbols of a market; more are refused at the start.
    package static let symbolsMax = 1_000
    /// Characters of a symbol. A longer one is refused.
    package static let symbolBytesMax = 20
    /// Trades per second over all symbols, and as many quotes. A higher rate is refused.
    package static let rateMax = 50_000
    /// How long a client may take to authenticate. Then it gets error 404 and is disconnected.
    static let authSeconds: Int64 = 10
    /// Records in one frame. More are sent in the next frame.
    static let recordsPerFrameMax = 500
    /// Records in one answer, as Alpaca has it. A request for more is refused.
    static let recordsPerAnswerMax = 10_000
    /// Records in an answer to a request without a limit.
    static let recordsPerAnswer = 1_000
    /// Trades that one answer with bars is made of. Then it ends, with a token for the rest.
    static let tradesPerAnswerMax = 300_000
    /// Symbols of one request. A request for more is refused.
    static let symbolsPerRequestMax = 100
    /// Records of the command `lose`. More are refused.
    static let lostRecordsMax = 1_000_000
    /// How deep a client's message may be nested. A deeper one is no message.
    static let messageDepthMax = 8
    /// The longest that a trade is published after it happened, and that a change comes after that.
    static let latenessSeconds: Int64 = 25
    static let changeSeconds: Int64 = 20
    /// How much later the delayed feed reports, and what only accounts with the right may ask for.
    static let delay: Int64 = 15 * 60 * 1_000_000_000
}
