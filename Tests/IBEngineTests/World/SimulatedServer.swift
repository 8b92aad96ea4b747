import Primitives

/// A server with faults. It answers a client and sends it the market's events.
struct SimulatedServer {
    struct Subscription {
        var kind: Kind
        var instrument: Int
        var made: Int64
        var wantsNews = false
        var wantsData = true
        /// Trades come as `RTVolume`.
        var wantsVolume = false
        /// The server also sends which of them are reported.
        var wantsReports = false
        /// The book was not sent yet.
        var needsBook = false
        /// It delivers nothing, without a notice.
        var isDead = false
        /// Its data come delayed, although other instruments' come live.
        var isDelayed = false
        /// It delivers nothing until then.
        var pausedUntil: Int64 = 0
    }

    /// A part of an answer.
    enum Answer: Hashable {
        case code(Int)
        /// Message 58: 1 live, 2 frozen, 3 delayed, 4 delayed frozen.
        case mode(Int)
        /// The request is kept, and these data come.
        case live, delayed
        /// The request is kept, and nothing comes.
        case mute
        /// The request has ended.
        case end
    }

    enum Kind { case level1, trades, quotes, midpoints, depth, smartDepth, bars }

    struct Flight {
        var due: Int64
        var bytes: [UInt8]
    }

    let words: ServerMessages
    var symbols: [String] = []
    /// Instruments whose data come under another contract.
    var rerouted: Set<Int> = []
    var trades: [WorldTrade] = []
    var bars: [WorldTrade] = []
    var books: [MarketBook] = []
    var bulletins = 0
    var subscriptions: [Int32: Subscription] = [:]
    /// Messages on their way to the client, in order.
    var flights: [Flight] = []
    var isOpen = false
    var reader = RequestFieldReader()
    var isGreeted = false
    var isIntroduced = false
    var wantsBulletins = false
    var wantsDelayed = false
    /// Instruments whose live data the account may not see.
    var withoutLive: Set<Int> = []
    /// It keeps the requests for these live data when it refuses them (10089).
    var keepsRefused = false
    /// What it answers the next requests for level 1, in place of what it would.
    var answers: [[Answer]] = []
    /// When the notice that all subscriptions are lost (1101) arrives; `nil`: none is on its way.
    /// And when the client heard the last one. It repeats what it requested until then.
    var lossDue: Int64?
    var lossHeard = Int64.min
    /// The platform has lost its vendor.
    var isVendorLost = false
    var isFarmDown = false
    /// The number of connections that are refused because their client id is in use; and of those
    /// that get no answer.
    var refusedConnections = 0
    var muteConnections = 0
    var isMute = false
    /// Refusals for the next requests for data: code and text.
    var refusals: [(Int, String)] = []
    /// Refusals for the next requests for history: code and text.
    var historyRefusals: [(Int, String)] = []
    /// The next requests for data that it leaves out, because messages come too fast.
    var leavesOut = 0
    /// The server finds no contract, as during maintenance.
    var isWithoutContracts = false
    /// Requests for the list of news providers that get no answer.
    var unansweredProviders = 0
    /// A price comes under the number of each request for headlines, before their end.
    var hasStrayPrices = false
    /// There are more headlines than an answer holds.
    var hasMoreHeadlines = false
    /// The further values that were requested with level 1, per request.
    var genericTicksSeen: [String] = []
    var latencyMax: Int64 = 120_000_000
    /// Its clock minus that of the world, in nanoseconds.
    var ahead: Int64 = 0
    /// So many of the next tick-by-tick trades are overtaken by everything that comes in the time
    /// `lateness`.
    var lateTrades = 0
    var lateness = 3 * second
    private var late: [Flight] = []
    var random: SeededRandom
    /// The requests so far, each by the number of its kind.
    var requestsSeen: [String] = []
    /// Mistakes of the client.
    var complaints: [String] = []
    var closesAt: Int64?

    init(seed: UInt64, _ words: ServerMessages) {
        random = SeededRandom(seed: seed)
        self.words = words
    }

    mutating func open(_ now: Int64) {
        isOpen = true
        reader = RequestFieldReader()
        subscriptions = [:]
        flights = []
        late = []
        isGreeted = false
        isIntroduced = false
        wantsBulletins = false
        wantsDelayed = false
        closesAt = nil
        isMute = muteConnections > 0
        muteConnections = max(0, muteConnections - 1)
    }

    mutating func close() {
        isOpen = false
        flights = []
        late = []
        subscriptions = [:]
        lossDue = nil
    }

    /// Loses all subscriptions, and reports that.
    mutating func forget(_ now: Int64) {
        subscriptions = [:]
        wantsBulletins = false
        send(words.notice(-1, 1101, "Connectivity has been restored"), now)
        lossDue = flights.last?.due
    }

    mutating func send(_ bytes: [UInt8], _ now: Int64) {
        guard isOpen, !isMute else { return }
        let latency = Int64.random(in: 1_000_000...latencyMax, using: &random)
        let due = max(now + latency, flights.last?.due ?? 0)
        flights.append(Flight(due: due, bytes: bytes))
    }

    // MARK: what happens

    var hasData: Bool { isIntroduced && !isVendorLost && !isFarmDown }

    private func isDelivering(_ subscription: Subscription, _ now: Int64) -> Bool {
        hasData && !subscription.isDead && now >= subscription.pausedUntil
    }

    /// Returns the subscriptions that report an instrument now, in the order of their numbers.
    private func listening(_ instrument: Int, _ now: Int64) -> [(Int32, Subscription)] {
        subscriptions.keys.sorted().compactMap { id in
            guard let subscription = subscriptions[id], subscription.instrument == instrument,
                isDelivering(subscription, now)
            else { return nil }
            return (id, subscription)
        }
    }

    mutating func happened(_ trade: WorldTrade, _ now: Int64) {
        trades.append(trade)
        let row = books[trade.instrument].happened(trade)
        for (id, subscription) in listening(trade.instrument, now) {
            switch subscription.kind {
            case .trades where lateTrades > 0:
                lateTrades -= 1
                late.append(Flight(due: now + lateness, bytes: words.trade(id, trade)))
            case .trades: send(words.trade(id, trade), now)
            case .quotes: send(words.quote(id, trade), now)
            case .midpoints: send(words.midpoint(id, trade), now)
            case .level1: sendLevel1(id, subscription, trade, now)
            case .depth, .smartDepth:
                if subscription.needsBook {
                    sendBook(id, now)
                } else {
                    let isSmart = subscription.kind == .smartDepth
                    send(words.row(id, row, operation: 1, isSmart: isSmart), now)
                }
            case .bars: break
            }
        }
        guard trade.number % 20 == 0 else { return }
        bulletins += 1
        if wantsBulletins, !isVendorLost { send(words.bulletin(bulletins), now) }
    }

    private mutating func sendLevel1(
        _ id: Int32, _ subscription: Subscription, _ trade: WorldTrade, _ now: Int64
    ) {
        if subscription.wantsNews, trade.isNews { send(words.news(id, trade), now) }
        guard subscription.wantsData else { return }
        guard !subscription.isDelayed else { return send(delayed(id, trade, now), now) }
        send(words.bid(id, trade), now)
        if words.isDelayed { return send(words.last(id, trade), now) }
        send(
            subscription.wantsReports
                ? words.volumes(id, trade)
                : subscription.wantsVolume ? words.volume(id, trade) : words.last(id, trade), now)
        send(words.dayVolume(id, trade), now)
        send(words.computation(id, trade), now)
    }

    /// How long delayed data come after their time.
    static let delay = 900 * second

    /// The messages of a delayed trade that happened this long ago.
    func delayed(_ id: Int32, _ trade: WorldTrade, _ now: Int64) -> [UInt8] {
        var words = words
        words.isDelayed = true
        let time = ["46", "6", "\(id)", "88", "\((now - Self.delay) / second)"]
        return words.bid(id, trade) + ServerMessages.frame(time) + words.last(id, trade)
    }

    mutating func barEnded(_ bar: WorldTrade, _ now: Int64) {
        bars.append(bar)
        for (id, subscription) in listening(bar.instrument, now) where subscription.kind == .bars {
            send(words.bar(id, bar), now)
        }
    }

    /// Sends a complete book, row by row.
    mutating func sendBook(_ id: Int32, _ now: Int64) {
        guard let subscription = subscriptions[id] else { return }
        subscriptions[id]?.needsBook = false
        let isSmart = subscription.kind == .smartDepth
        for row in books[subscription.instrument].rows {
            send(words.row(id, row, operation: 0, isSmart: isSmart), now)
        }
    }

    /// Returns the bytes that have arrived by now.
    mutating func arrivals(_ now: Int64) -> [UInt8] {
        var bytes: [UInt8] = []
        if let due = lossDue, due <= now { (lossDue, lossHeard) = (nil, now) }
        for flight in late where flight.due <= now { bytes += flight.bytes }
        late.removeAll { $0.due <= now }
        let count = flights.prefix { $0.due <= now }.count
        for flight in flights.prefix(count) { bytes += flight.bytes }
        flights.removeFirst(count)
        return bytes
    }
}
