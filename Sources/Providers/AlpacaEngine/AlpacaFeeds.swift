package import EngineKit
internal import MarketModel
internal import Primitives

/// The engine's settings.
package struct AlpacaSettings: Sendable {
    package var feed: AlpacaFeedName
    package var stream: StreamSettings

    package init(_ feed: AlpacaFeedName, seed: UInt64) {
        self.feed = feed
        stream = StreamSettings("alpaca", seed: seed)
    }
}

/// What the account reads: a market, and from whom.
package enum AlpacaFeedName: String, CaseIterable, Sendable {
    /// US stocks, the exchange IEX alone, which is free.
    case iex
    /// US stocks, all exchanges.
    case sip
    /// The same, 15 minutes later.
    case delayedSip = "delayed_sip"
    /// The made-up symbol FAKEPACA, at any time of day.
    case test
    /// Coins.
    case crypto

    package var isCrypto: Bool { self == .crypto }

    /// How much later than it happened the market's stream reports what is not late.
    package var delay: Int64 { self == .delayedSip ? 900_000_000_000 : 0 }

    var hours: MarketHours {
        switch self {
        case .iex: .iex
        case .sip, .delayedSip: .stocks
        case .test, .crypto: .always
        }
    }

    var path: String {
        switch self {
        case .iex: "/v2/iex"
        case .sip: "/v2/sip"
        case .delayedSip: "/v2/delayed_sip"
        case .test: "/v2/test"
        case .crypto: "/v1beta3/crypto/us"
        }
    }
}

/// A stream of the service, which has a connection of its own.
package enum AlpacaEndpoint: Int, CaseIterable, Sendable {
    /// Trades, quotes, bars and statuses.
    case market
    case news

    /// The path of its address.
    package func path(_ feed: AlpacaFeedName) -> String {
        switch self {
        case .market: feed.path
        case .news: "/v1beta1/news"
        }
    }
}

/// Bounds that are no settings.
package enum AlpacaLimits {
    /// The symbols that one request names. It keeps requests of usual symbols below 8 KiB.
    package static let symbolsPerRequest = 400
    /// The wait while another session is there. The service holds one that was cut for a minute
    /// and a half.
    package static let occupiedWait: Int64 = 5_000_000_000
    /// The corrected trades whose later changes are found by their new ids. Beyond it all are
    /// forgotten.
    package static let renamedMax = 65_536
    /// The time between two requests to compute a symbol's session again.
    package static let repairInterval: Int64 = 60_000_000_000
    /// A bar comes again so long after its end, if a trade of it was reported meanwhile.
    package static let barsRevisedAfter: Int64 = 30_000_000_000
    /// The symbols of one article that are read.
    package static let symbolsPerArticle = 1_024
}

/// A kind of messages that is subscribed to by symbols.
enum AlpacaChannel: Int, CaseIterable, Sendable {
    case trades
    case quotes
    case bars
    /// Bars of before, made again because a trade was reported late. They belong to those of
    /// `bars`, which alone has records about its subscription and its gaps.
    case updatedBars
    case statuses
    case news

    /// Its name in requests and answers.
    var name: String { "\(self)" }

    var kind: DataKind {
        switch self {
        case .trades: .trade
        case .quotes: .quote
        case .bars, .updatedBars: .providerBar
        case .statuses: .indicator
        case .news: .news
        }
    }

    /// How long after its record one of the same time may come, which replaces it.
    var revisedAfter: Int64 { self == .bars ? AlpacaLimits.barsRevisedAfter : 0 }

    /// The channel's name of a symbol: news name coins without the slash.
    func name(of symbol: String) -> String {
        self == .news ? String(symbol.filter { $0 != "/" }) : symbol
    }

    /// Whether another channel's records say what is subscribed to and what is missing.
    var isPart: Bool { self == .updatedBars }

    var endpoint: AlpacaEndpoint { self == .news ? .news : .market }

    /// As the feeds know it. News are not delayed.
    func stream(_ settings: AlpacaSettings) -> StreamChannel {
        var stream = StreamChannel(
            rawValue, kind, link: endpoint.rawValue, revisedAfter: revisedAfter)
        stream.isPart = isPart
        stream.isFilled = settings.stream.fills && self == .trades
        let delay = settings.feed.delay
        if endpoint == .market { stream.lag = delay...delay }
        return stream
    }

    /// The channels of an instrument, of which the first speaks for it.
    static func all(of feeds: Instrument.Feeds, isCrypto: Bool) -> [AlpacaChannel] {
        var channels: [AlpacaChannel] = []
        if !feeds.isDisjoint(with: [.level1, .trades, .allTrades]) { channels.append(.trades) }
        if !feeds.isDisjoint(with: [.level1, .quotes]) { channels.append(.quotes) }
        if feeds.contains(.bars) { channels += [.bars, .updatedBars] }
        if feeds.contains(.level1), !isCrypto { channels.append(.statuses) }
        if feeds.contains(.news) { channels.append(.news) }
        return channels
    }
}

extension StreamFeed {
    /// The channel, by its number.
    var ofAlpaca: AlpacaChannel { AlpacaChannel.allCases[channel.number] }
}
