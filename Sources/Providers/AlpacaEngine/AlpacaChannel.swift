internal import EngineKit
internal import MarketModel

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
    func stream(_ feed: AlpacaFeedName) -> StreamChannel {
        var stream = StreamChannel(
            rawValue, kind, link: endpoint.rawValue, revisedAfter: revisedAfter)
        stream.isPart = isPart
        if endpoint == .market { stream.lag = feed.delay...feed.delay }
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
