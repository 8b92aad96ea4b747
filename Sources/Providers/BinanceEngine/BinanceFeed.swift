internal import EngineKit
internal import MarketModel
internal import Primitives

/// One stream: the trades of a symbol, or what comes beside them.
struct BinanceFeed: LiveFeed, Sendable {
    var instrument: UInt32
    let stream: BinanceStreamName
    /// Whether it is requested; a feed that is not keeps what it knows.
    var isWanted = true
    var state = FeedState.State.starting
    var reason = ""
    /// Why the exchange refuses it; `nil`: it does not.
    var refusal: BinanceRefusal?
    /// Whether the beginning of the subscription is on the tape.
    var isAnnounced = false
    /// Since when it is subscribed without a trade.
    var liveSince = Timestamp.undefined
    var inherited: [OpenGap] = []
    /// The last trade that was delivered; id 0: none was.
    var last = BinanceTrade()
    var openGap: UnendedGap?
    /// Trades ahead of a missing one, by their ids.
    var ahead: [BinanceAhead] = []
    /// What the last trades were, by the end of their ids.
    private var recent: [BinanceContent]
    var lower = BinanceLowerIDs()
    var side = BinanceSide()

    init(instrument: UInt32, stream: BinanceStreamName) {
        self.instrument = instrument
        self.stream = stream
        let compared = stream.kind == .trade ? BinanceLimits.comparedMax : 0
        recent = [BinanceContent](repeating: BinanceContent(), count: compared)
    }

    /// The exchange's symbol, in upper case.
    var name: String { stream.symbol }

    var kind: DataKind { stream.kind }

    /// Whether its events have times of the exchange. Quotes and books have those of this host.
    var hasTimes: Bool { kind == .trade || kind == .providerBar }

    /// The time after which data may be missing when nothing comes any more.
    var end: Timestamp {
        if last.id > 0 { return last.time }
        guard side.last.isDefined else { return liveSince }
        // Quotes and books are complete since the last gap, too. A bar began before it was over.
        return kind == .providerBar || !liveSince.isDefined ? side.last : max(side.last, liveSince)
    }

    /// Keeps the last trade, and what it was.
    mutating func keep(_ trade: BinanceTrade) {
        last = trade
        recent[Self.place(trade.id)] = BinanceContent(trade)
    }

    private static func place(_ id: UInt64) -> Int {
        Int(truncatingIfNeeded: id % UInt64(BinanceLimits.comparedMax))
    }

    /// Whether the trade with the same id was another one, as far as that is known.
    func differs(_ trade: BinanceTrade) -> Bool {
        let known = recent[Self.place(trade.id)]
        return known.id == trade.id && known != BinanceContent(trade)
    }
}

/// Why an instrument does not come.
struct BinanceRefusal: Sendable {
    var reason: String
    /// Whether the exchange does not have its symbol. It takes the stream nevertheless.
    var isUnknown = false
}

/// Ids in a row that are below the last one although their trades are younger: the last of them,
/// and the connection that brought them.
struct BinanceLowerIDs: Sendable {
    /// Whether a trade with the id 0 is on record.
    var isFirstLeftOut = false
    var count = 0
    /// How many of them, up to the last, follow each other without a hole.
    var inRow = 0
    var id: UInt64 = 0
    var leg: BinanceLegNumber = 0
}

/// What is known of a stream that is not one of trades.
struct BinanceSide: Sendable {
    /// Whether another stream speaks for the instrument.
    var isFollower = false
    /// The last update's number; 0: none came.
    var lastID: UInt64 = 0
    /// The time of the last record.
    var last = Timestamp.undefined
    /// The rows that the tape has.
    var book = BinanceBook()
    /// Whether the tape knows where the book began.
    var hasBook = false
}

/// A trade as it was read.
struct BinanceTrade: Sendable {
    var feed = 0
    var id: UInt64 = 0
    var price = Price.undefined
    var size = Quantity.undefined
    var time = Timestamp.undefined
    var resolution = TimeResolution.millisecond
    var received = Timestamp.undefined
    /// What does not fit; empty: everything does.
    var misfit = ""

    /// Takes price and size from their texts. Returns false when they are no numbers.
    mutating func take(price: String, size: String) -> Bool {
        do throws(FixedPoint.ParseError) {
            self.price = Price(raw: try FixedPoint.parse(price, decimals: Price.decimals))
            self.size = Quantity(raw: try FixedPoint.parse(size, decimals: Quantity.decimals))
        } catch {
            guard error != .notANumber else { return false }
            let most = FixedPoint.textBytesMax
            misfit = "price \(price.prefix(most)), size \(size.prefix(most))"
        }
        return true
    }

    func record(of instrument: UInt32, flags: TickFlags = []) -> ProviderRecord {
        .tape(
            .trade(
                Trade(
                    header: TickHeader(
                        symbol: instrument, flags: flags, resolution: resolution.rawValue,
                        providerTime: time, receiveTime: received, providerID: id),
                    price: price, size: size)))
    }

    /// Whether the exchange says the same of both.
    func isSame(as other: BinanceTrade) -> Bool {
        price == other.price && size == other.size && time == other.time
    }
}

/// What a trade was, to compare it with another one of the same id.
struct BinanceContent: Equatable, Sendable {
    var id: UInt64 = 0
    private var mix: UInt64 = 0

    init() {}

    init(_ trade: BinanceTrade) {
        id = trade.id
        for value in [trade.price.raw, trade.size.raw, trade.time.nanoseconds] {
            mix = (mix ^ UInt64(bitPattern: value)) &* 0x9e37_79b9_7f4a_7c15
            mix ^= mix >> 29
        }
    }
}

/// One connection.
struct BinanceLeg: Sendable {
    enum State: Sendable {
        /// An attempt is under way.
        case opening
        /// Requests can be sent.
        case open
    }

    let number: BinanceLegNumber
    /// The number of its link, and whether it follows the connection that the link has.
    let link: Int
    var isSuccessor: Bool
    var state = State.opening
    /// When it opened, monotonic.
    var openedAt = MonotonicTime.never
    /// The age at which it gets its successor.
    var age: Int64 = 0
    /// When it gets its successor: at that age, or since the server said that it will end it.
    var renewAt = MonotonicTime.never
    var heard = LastHeard()
    /// When the next request may leave.
    var sendAt = MonotonicTime.distantPast
    /// By feed.
    var streams: [BinanceStream] = []
    /// Requests without an answer, oldest first.
    var requests: [BinanceRequest] = []
    /// How many streams the next request names at most.
    var streamsMax = BinanceLimits.streamsPerRequest
    /// Whether a request may be missing that it should have been sent.
    var isBehind = true
    var isProbing = false
    /// When the exchange had answered for all that is wanted; `nil`: not yet.
    var readyAt: MonotonicTime?

    init(number: BinanceLegNumber, link: Int, isSuccessor: Bool, _ pace: StreamPace) {
        self.number = number
        self.link = link
        self.isSuccessor = isSuccessor
        heard.pace = pace
    }

    mutating func grow(to count: Int) {
        while streams.count < count { streams.append(BinanceStream()) }
    }
}

/// A feed on one connection.
struct BinanceStream: Sendable {
    /// Whether the exchange has been asked for it, and whether it has confirmed that.
    var isAsked = false
    var isConfirmed = false
    /// The last id that came; 0: none.
    var lastID: UInt64 = 0
}

/// A request that waits for its answer.
struct BinanceRequest: Sendable {
    enum Kind: Sendable {
        case subscribe, unsubscribe, probe
    }

    var id: UInt64
    var kind: Kind
    var feeds: [Int]
    var due: MonotonicTime
}
