internal import EngineKit
internal import MarketModel
internal import Primitives

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

/// The feeds by the service's symbols and by channel: looked up by the bytes of a message.
struct AlpacaPlaces: Sendable {
    private var names = NamePlaces()
    /// By symbol and channel; -1: there is none.
    private var feeds: [Int32] = []
    private var count = 0

    /// Returns the number of a symbol; `nil`: it was never asked for.
    func symbol(_ name: RawSpan) -> Int? { names.find(name) }

    /// Returns the feed of a symbol's channel; `nil`: there is none.
    func feed(_ symbol: Int, _ channel: AlpacaChannel) -> Int? {
        let feed = feeds[symbol * AlpacaChannel.allCases.count + channel.rawValue]
        return feed < 0 ? nil : Int(feed)
    }

    func feed(_ name: String, _ channel: AlpacaChannel) -> Int? {
        names.find(name).flatMap { feed($0, channel) }
    }

    mutating func add(_ name: String, _ channel: AlpacaChannel, feed: Int) {
        let symbol: Int
        if let known = names.find(name) {
            symbol = known
        } else {
            symbol = count
            count += 1
            names.add(name, at: symbol)
            feeds += [Int32](repeating: -1, count: AlpacaChannel.allCases.count)
        }
        feeds[symbol * AlpacaChannel.allCases.count + channel.rawValue] = Int32(feed)
    }
}
