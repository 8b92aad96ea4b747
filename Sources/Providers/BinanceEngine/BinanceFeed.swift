internal import MarketModel
internal import Primitives

/// The trades of one symbol.
struct BinanceFeed: Sendable {
    var instrument: UInt32
    /// The exchange's symbol, in upper case, and its stream.
    let name: String
    let stream: String
    /// Whether it is requested; a feed that is not keeps what it knows.
    var isWanted = true
    var state = FeedState.State.starting
    var reason = ""
    /// Why the exchange refused its stream; empty: it did not.
    var refusal = ""
    /// Whether the beginning of the subscription is on the tape.
    var isAnnounced = false
    /// Since when it is subscribed without a trade.
    var liveSince = Timestamp.undefined
    /// The gaps that an earlier process left.
    var inherited: [OpenGap] = []
    /// The last trade that was delivered; id 0: none was.
    var last = BinanceTrade()
    /// The beginning of the gap that is open now; `nil`: there is none.
    var gapFrom: Timestamp?
    /// The reason of that gap.
    var gapReason = GapReason.disconnected
    /// Ids in a row that are below the last one although their trades are younger, and the last of
    /// them.
    var lowerIDs = 0
    var lowerID: UInt64 = 0

    init(instrument: UInt32, name: String) {
        self.instrument = instrument
        self.name = name
        stream = "\(name.lowercased())@trade"
    }

    /// The time after which data may be missing when nothing comes any more.
    var end: Timestamp { last.id > 0 ? last.time : liveSince }

    /// Returns a header for a record about the feed.
    func header(at time: Timestamp) -> TickHeader {
        TickHeader(
            symbol: instrument, providerTime: .undefined, receiveTime: time, providerID: 0)
    }

    /// Returns a gap record; it is never empty. Without an end it is open.
    func gap(
        _ span: (from: Timestamp, to: Timestamp), _ reason: GapReason, _ state: GapState,
        at time: Timestamp, detail: String = ""
    ) -> ProviderRecord {
        let (from, to) = span
        let end = to.isDefined ? max(to, from.advanced(byNanoseconds: 1)) : to
        return .tape(
            .gap(
                GapRecord(
                    header: header(at: time), from: from, to: end, kind: .trade, reason: reason,
                    state: state, detail: detail)))
    }
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

    /// Whether the exchange says the same of both.
    func isSame(as other: BinanceTrade) -> Bool {
        price == other.price && size == other.size && time == other.time
    }
}

/// Trades that wait, in the order in which they came.
struct BinanceHeldTrades: Sendable {
    private var trades: [BinanceTrade] = []
    /// The place of the first one that still waits.
    private var start = 0

    var count: Int { trades.count - start }
    var first: BinanceTrade? { start < trades.count ? trades[start] : nil }

    mutating func append(_ trade: BinanceTrade) {
        // The places of those that are gone are used again.
        if start > 1_024, start > trades.count / 2 {
            trades.removeSubrange(..<start)
            start = 0
        }
        trades.append(trade)
    }

    mutating func removeFirst() -> BinanceTrade? {
        guard let first else { return nil }
        start += 1
        if start == trades.count { removeAll() }
        return first
    }

    mutating func removeAll() {
        trades.removeAll(keepingCapacity: true)
        start = 0
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
    var state = State.opening
    /// When it opened, monotonic.
    var openedAt = MonotonicTime.never
    /// When it gets its successor: at its age, or since the server said that it will end it.
    var renewAt = MonotonicTime.never
    /// When something came last.
    var heardAt = MonotonicTime.never
    /// When the next request may leave.
    var sendAt = MonotonicTime.distantPast
    /// What it has been asked for, by feed.
    var isAsked: [Bool] = []
    /// What the exchange has confirmed, by feed.
    var isConfirmed: [Bool] = []
    /// The last id that came on it, by feed; 0: none.
    var lastIDs: [UInt64] = []
    /// Requests without an answer, oldest first.
    var requests: [BinanceRequest] = []
    /// How many streams the next request names at most.
    var streamsMax = BinanceLimits.streamsPerRequest
    /// Whether a request may be missing that it should have been sent.
    var isBehind = true
    var isProbing = false
    /// When the exchange had answered for all that is wanted; `nil`: not yet.
    var readyAt: MonotonicTime?

    init(number: BinanceLegNumber) { self.number = number }

    mutating func grow(to count: Int) {
        while isAsked.count < count {
            isAsked.append(false)
            isConfirmed.append(false)
            lastIDs.append(0)
        }
    }
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
