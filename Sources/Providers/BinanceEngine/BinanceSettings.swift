package import EngineKit
internal import MarketModel
internal import Primitives

/// The engine's settings. Spans are nanoseconds.
package struct BinanceSettings: Sendable {
    /// The provider's name, for records about subscriptions.
    package var provider = "binance"
    /// For the random part of waits.
    package var seed: UInt64
    /// The exchange's limit of streams of one connection; further instruments are refused.
    package var streamsMax = 1_024
    /// The first wait after a failure, which doubles up to the longest one.
    package var reconnectFirst: Int64 = 1_000_000_000
    package var reconnectMax: Int64 = 60_000_000_000
    /// The age at which a connection gets its successor. The exchange ends it after 24 hours.
    package var renewAfter: Int64 = 85_800_000_000_000
    /// Whether two connections deliver the same trades all the time.
    package var isHotHot = false
    /// How long a trade ahead of a missing one waits for another connection to bring that one.
    package var wait: Int64 = 250_000_000
    /// How long both connections deliver, from the successor's subscription on.
    package var overlap: Int64 = 2_000_000_000
    /// A connection on which nothing came for so long is given up; after half of it the engine
    /// asks for an answer.
    package var silentAfter: Int64 = 30_000_000_000
    /// How long a trade may be under way. The watermark stays so much before the present.
    package var delayMax: Int64 = 2_000_000_000
    /// The length of bars that are asked for.
    package var bars = BarLength.minute
    /// Whether trades that did not come are asked for.
    package var fills = false

    package init(seed: UInt64) { self.seed = seed }
}

/// Bounds that are no settings.
package enum BinanceLimits {
    /// The streams that one request names. It keeps requests below 4 KiB.
    package static let streamsPerRequest = 100
    /// The exchange takes five messages a second, its own pings' answers included.
    package static let requestInterval: Int64 = 400_000_000
    /// How long a request may be without an answer; then the connection is given up.
    package static let answerAfter: Int64 = 10_000_000_000
    /// The names of the links of an engine with `isHotHot`.
    package static let links = ["a", "b"]
    package static var linksMax: Int { links.count }
    /// Trades of a symbol, and of all, that wait for a missing one. Beyond it the first does not
    /// wait longer.
    package static let aheadMax = 1_024
    package static let aheadTotalMax = 65_536
    /// The last trades of a symbol with which another one of the same id is compared.
    package static let comparedMax = 256
    /// So many ids in a row that are not above the last one, of younger trades, mean that the
    /// exchange began again to count.
    package static let lowerIDsMax = 64
    /// So many suffice if each is the one after the id before it: a quiet symbol has few trades.
    package static let lowerIDsInRow = 3
    /// The rows of each side of a book. The exchange sends so many.
    package static let bookRows = 20
    /// The longest symbol in bytes.
    package static let symbolBytesMax = 32
    /// The length of a refusal that is shown.
    package static let refusalCharactersMax = 200
    /// Groups of symbols that are asked about. Beyond it nobody asks.
    package static let lookUpsMax = 64
    /// Gaps that wait to be filled. Beyond it a gap stays.
    package static let holesMax = 1_024
    /// The trades that are asked for of one gap, the newest: in three hours, if nothing else is
    /// asked for. Of a gap that lacks more the older end stays.
    package static let holeTradesMax: UInt64 = 20_000_000
    /// How long a gap is asked for without an answer that has trades of it. Then the rest of it
    /// stays.
    package static let holeAgeMax: Int64 = 3_600_000_000_000
    /// Answers in a row that give no trade of a gap. Then the rest of it stays.
    package static let uselessAnswersMax = 8
    /// The time that a point takes. The exchange allows an address 6,000 of them a minute, of which
    /// half are used.
    package static let pointInterval: Int64 = 20_000_000
    /// The points that a request for past trades costs, one for the first trade at a time, and one
    /// for bars.
    package static let fetchPoints: Int64 = 25
    package static let lookUpPoints: Int64 = 4
    package static let barPoints: Int64 = 2
    /// The time between two requests for past trades.
    package static let fetchInterval = fetchPoints * pointInterval
    /// The longest wait between two requests of which the first failed, or was one too many.
    package static let fetchWaitMax: Int64 = 60_000_000_000
    /// The wait after too many requests, when the exchange does not say how long.
    package static let limitedWait: Int64 = 30_000_000_000
    package static let bannedWait: Int64 = 300_000_000_000
    /// The longest wait that the exchange may want. It bans for at most three days, and longer
    /// where that repeats.
    package static let limitedWaitMax: Int64 = 7 * 86_400_000_000_000
    package static let requests: RequestLimits = {
        var limits = RequestLimits(
            service: "the exchange", failedWait: fetchInterval, limitedWait: limitedWait)
        (limits.failedWaitMax, limits.bannedWait) = (fetchWaitMax, bannedWait)
        limits.limitedWaitMax = limitedWaitMax
        (limits.counted, limits.unit, limits.failedCost) = (.weight, pointInterval, fetchInterval)
        return limits
    }()
    /// Parts of one gap that stay and have a record each. Beyond it the last one grows.
    package static let gapPartsMax = 64
}
