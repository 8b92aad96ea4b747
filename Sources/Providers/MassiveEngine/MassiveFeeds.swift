package import EngineKit
internal import MarketModel
internal import Primitives

/// The engine's settings. Spans are nanoseconds.
package struct MassiveSettings: Sendable {
    package var feed: MassiveFeedName
    /// Which bars an instrument with bars gets.
    package var bars = MassiveBars.minute
    /// How long after their report trades are read again. Empty: never.
    package var rereadAges: [Int64] = []
    package var stream: StreamSettings

    package init(_ feed: MassiveFeedName, seed: UInt64) {
        self.feed = feed
        stream = StreamSettings("massive", seed: seed)
    }
}

/// How late the account's plan gets the market.
package enum MassiveFeedName: String, CaseIterable, Sendable {
    case realTime = "real-time"
    /// A quarter of an hour later.
    case delayed

    /// By how much events are reported later than they happen. The service says 15 minutes, and not
    /// how exactly.
    package var lag: ClosedRange<Int64> {
        switch self {
        case .realTime: 0...0
        case .delayed: 840_000_000_000...960_000_000_000
        }
    }

    package var host: String {
        switch self {
        case .realTime: "socket.massive.com"
        case .delayed: "delayed.massive.com"
        }
    }
}

/// The length of the service's bars.
package enum MassiveBars: String, CaseIterable, Sendable {
    case minute, second
}

/// Bounds that are no settings.
package enum MassiveLimits {
    /// The symbols of channels that one request names. It keeps requests below 8 KiB.
    package static let symbolsPerRequest = 250
    /// How long the confirmations of other words may come after a refusal. They were under way when
    /// it came, so this is well above the time of an answer.
    package static let refusalAfter: Int64 = 2_000_000_000
    /// The longest status text that is read: a request with all its words, which has 8 KiB at most,
    /// and what the service says of it.
    package static let statusBytesMax = 16_384
    /// The wait after another session took the place. Each attempt takes the place of that one,
    /// so with a short wait neither would record for long.
    package static let occupiedWait: Int64 = 15_000_000_000
    /// The service says that there are too many connections only after it has confirmed what was
    /// asked for, and not how long after. So long a connection is doubted after that.
    package static let provenAfter: Int64 = 3_000_000_000
    /// How much longer than trades bars may be under way: a bar is sent after its end. The service
    /// does not say how long after: 5 s hold up the watermark little.
    package static let barDelay: Int64 = 5_000_000_000
    /// So long after its end a minute may be sent again: the service's 15 minutes, and 5 s for the
    /// way.
    package static let minutesRevisedAfter: Int64 = 905_000_000_000
    /// A bar that comes so long after its end was sent before. The first one comes within seconds,
    /// and another one no sooner than a late trade.
    package static let barsSentWithin: Int64 = 30_000_000_000
    /// How long a span of trades is that is read again at a time, and how long at most when the
    /// reading is behind. Ten minutes of most symbols are one page, and an hour saves requests.
    package static let rereadSpan: Int64 = 600_000_000_000
    package static let rereadSpanMax: Int64 = 3_600_000_000_000
    /// After a start no trades are read again that were reported earlier than this. A week bounds
    /// how long a gateway that was away reads before it reaches the present.
    package static let rereadBack: Int64 = 7 * 86_400_000_000_000
    /// The most answers of one span: ten million trades in an hour are a fault of the service.
    package static let pagesMax = 1_000
    /// Failures without a further page after which a span is left out. With the waits between them
    /// these are 9 to 18 minutes, which a short outage of the service does not reach.
    package static let spanFailuresMax = 12
    /// The changes that are known when they are read once more. Each age of the
    /// settings finds them, so these have to be those of half a day. The older half is forgotten.
    package static let changesKept = 131_072
    /// The requests in a minute that fill gaps. A load makes 300 by default, so this leaves most to
    /// loads.
    package static let fillsPerMinute = 120
    /// The time between two requests that read again: 20 a second at most, also when the reading is
    /// behind.
    package static let requestsInterval: Int64 = 50_000_000
    /// What is known of how many requests are taken: the service counts by the minute, so a refusal
    /// ends after one.
    package static let requests: RequestLimits = {
        var limits = RequestLimits(
            service: "Massive", failedWait: 1_000_000_000, limitedWait: 60_000_000_000)
        limits.failedWaitMax = 300_000_000_000
        return limits
    }()
}

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
    func stream(_ settings: MassiveSettings) -> StreamChannel {
        var stream = StreamChannel(number, kind, revisedAfter: revisedAfter)
        stream.lag = settings.feed.lag
        stream.isFilled = settings.stream.fills && self == .trades
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
