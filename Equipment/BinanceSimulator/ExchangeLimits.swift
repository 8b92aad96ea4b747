internal import VenueWeb

/// The limits of the simulated exchange, and what happens beyond them.
package enum ExchangeLimits {
    /// Streams of one connection, as the exchange has it. A request for more is refused.
    package static let streamsMax = 1_024
    /// Frames that a client may send in a second, pings and pongs included, as the exchange has it.
    /// Beyond it the connection is closed with 1008.
    package static let framesPerSecond = 5
    /// Symbols of a market; more are refused at the start.
    package static let symbolsMax = 1_000
    /// Characters of a symbol.
    package static let symbolBytesMax = 20
    /// Trades per second over all symbols. A higher rate is refused.
    package static let rateMax = 200_000
    /// Trades in one answer. A request for more gets this many.
    package static let tradesPerAnswerMax = 1_000
    /// Bars in one answer. A request for more gets this many.
    package static let barsPerAnswerMax = 1_000
    /// Trades that a bar is made of. Of a bar with more, the extremes and the quantity are those of
    /// at most so many, evenly spread.
    package static let tradesPerBarMax: UInt64 = 1_024
    /// Statuses that tell a client to ask another address. Others are refused at the start.
    package static let marketDataStatuses = [404, 403, 451]
    /// Trades of the command `lose`. More are refused.
    package static let lostTradesMax = WebLimits.faultCountMax
}
