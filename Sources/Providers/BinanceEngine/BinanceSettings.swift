package import EngineKit
internal import MarketModel

/// The engine's settings.
package struct BinanceSettings: Sendable {
    package var stream: StreamSettings
    package var merge = MergeRules(
        streamsMax: 1_024, renewing: (after: 85_800_000_000_000, overlap: 2_000_000_000),
        wait: 250_000_000,
        past: (
            BinanceLimits.requests, interval: BinanceLimits.fetchInterval,
            trades: BinanceLimits.rowsMax
        ))
    /// The length of bars that are asked for.
    package var bars = BarLength.minute

    package init(seed: UInt64) {
        stream = StreamSettings("binance", seed: seed)
        stream.silentAfter = 30_000_000_000
    }
}

/// Bounds that are no settings. Spans are nanoseconds.
package enum BinanceLimits {
    /// The streams that one request names. It keeps requests below 4 KiB.
    package static let streamsPerRequest = 100
    /// The exchange takes five messages a second, its own pings' answers included.
    package static let requestInterval: Int64 = 400_000_000
    /// The names of the legs of an engine with two of them.
    package static let legs = ["a", "b"]
    /// The rows of each side of a book. The exchange sends so many.
    package static let bookRows = 20
    /// The longest symbol in bytes.
    package static let symbolBytesMax = 32
    /// Groups of symbols that are asked about, and the symbols of one. Beyond it nobody asks.
    package static let lookUpsMax = 64
    package static let lookUpSymbolsMax = 100
    /// The trades or bars of one page. The exchange gives no more at a time.
    package static let rowsMax = 1_000
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
    /// What the exchange says of requests. It bans for at most three days, and longer where that
    /// repeats.
    package static let requests: RequestLimits = {
        var limits = RequestLimits(service: "the exchange", failedWait: fetchInterval)
        limits.limitedWaitMax = 7 * 86_400_000_000_000
        (limits.counted, limits.unit, limits.failedCost) = (.weight, pointInterval, fetchInterval)
        return limits
    }()
}

/// The addresses at which the exchange is asked for its past. They have the same data, and not each
/// has every endpoint or answers everybody: the exchange documents `historicalTrades` for its own
/// address alone, and that one does not answer some countries. So a request that an address does
/// not answer goes to the next one. What one address answers is asked there first from then on.
package struct BinanceAddresses: Sendable {
    /// A longer list is refused.
    package static let countMax = 8

    private let all: [String]
    /// By endpoint: the place of the address that is asked first.
    private var first: [String: Int] = [:]

    /// `all`: `https://name[:port]` each, of which there is at least one.
    package init(_ all: [String]) {
        precondition(!all.isEmpty, "an exchange without an address")
        self.all = all
    }

    /// Returns the address of an attempt, from 0 on; `nil`: all were asked.
    package func address(of endpoint: String, attempt: Int) -> String? {
        attempt < all.count ? all[place(endpoint, attempt)] : nil
    }

    /// Takes note that the address of this attempt has the endpoint.
    package mutating func answered(_ endpoint: String, attempt: Int) {
        first[endpoint] = place(endpoint, attempt)
    }

    /// Whether a status says that an address does not have the endpoint, or does not answer this
    /// client. It says nothing of what was asked for.
    package static func isElsewhere(status: Int) -> Bool { [403, 404, 451].contains(status) }

    private func place(_ endpoint: String, _ attempt: Int) -> Int {
        ((first[endpoint] ?? 0) + attempt) % all.count
    }
}
