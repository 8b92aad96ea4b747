internal import EngineKit
internal import MarketModel

/// A kind of messages that is subscribed to by symbols. The raw value is its prefix in requests and
/// the type of its messages.
enum MassiveChannel: String, CaseIterable, Sendable {
    case trades = "T"
    case quotes = "Q"
    case minutes = "AM"
    case seconds = "A"

    var number: Int {
        switch self {
        case .trades: 0
        case .quotes: 1
        case .minutes: 2
        case .seconds: 3
        }
    }

    /// As the feeds know it.
    func stream(_ feed: MassiveFeedName) -> StreamChannel {
        var stream = StreamChannel(number, kind, revisedAfter: revisedAfter)
        stream.lag = feed.lag
        return stream
    }

    private var kind: DataKind {
        switch self {
        case .trades: .trade
        case .quotes: .quote
        case .minutes, .seconds: .providerBar
        }
    }

    /// How long after the end of a bar another one of the same window may come.
    private var revisedAfter: Int64 {
        switch self {
        case .trades, .quotes: 0
        case .minutes: MassiveLimits.minutesRevisedAfter
        case .seconds: MassiveLimits.barDelay
        }
    }

    /// The channels of an instrument, of which the first speaks for it.
    static func all(of feeds: Instrument.Feeds, _ bars: MassiveBars) -> [MassiveChannel] {
        var channels: [MassiveChannel] = []
        if !feeds.isDisjoint(with: [.level1, .trades, .allTrades]) { channels.append(.trades) }
        if !feeds.isDisjoint(with: [.level1, .quotes]) { channels.append(.quotes) }
        if feeds.contains(.bars) { channels.append(bars == .minute ? .minutes : .seconds) }
        return channels
    }

    /// Returns the channel with this prefix.
    static func named(_ prefix: Substring) -> MassiveChannel? {
        MassiveChannel(rawValue: String(prefix))
    }

    /// The request's word for a feed, as `T.AAPL`.
    static func word(_ feed: StreamFeed) -> String {
        "\(allCases[feed.channel.number].rawValue).\(feed.name)"
    }
}
