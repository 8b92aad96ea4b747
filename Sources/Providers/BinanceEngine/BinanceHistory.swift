internal import EngineKit
package import MarketModel
package import Primitives

/// Past trades or bars of some symbols between two times, as a machine: the exchange's answers go
/// in, and requests and records come out. It has no clock and no connection.
///
/// The records come in the order of their event times, and those of one time in the order of the
/// symbols. So each symbol has a page of trades or bars that wait until the earliest is known. A
/// bar's event time is its close. Only bars that begin and end within the range are loaded.
package struct BinanceHistory: Sendable {
    package struct Settings: Sendable {
        /// The provider's name, for records about subscriptions.
        package var provider: String
        /// The first time, and the one after the last.
        package var from: Timestamp
        package var to: Timestamp
        /// The length of bars, for instruments with them.
        package var bars: BinanceBarLength
        /// For the random part of waits.
        package var seed: UInt64

        package init(
            provider: String, from: Timestamp, to: Timestamp, bars: BinanceBarLength = .minute,
            seed: UInt64
        ) {
            self.provider = provider
            self.from = from
            self.to = to
            self.bars = bars
            self.seed = seed
        }
    }

    /// A symbol to load, and where an earlier process left off.
    package struct Begun: Sendable {
        package var number: UInt32
        package var instrument: Instrument
        /// The last trade or bar on the tape, by its event time; `nil`: none is known.
        package var last: (id: UInt64, time: Timestamp)?
        /// The watermark of its partition: what is older is on the tape. Undefined: none.
        package var mark: Timestamp

        package init(
            number: UInt32, instrument: Instrument, last: (id: UInt64, time: Timestamp)?,
            mark: Timestamp
        ) {
            self.number = number
            self.instrument = instrument
            self.last = last
            self.mark = mark
        }
    }

    package enum Phase: String, Sendable {
        case loading
        /// Everything was handed out. The ends of the subscriptions follow.
        case ending
        case finished
        /// It can never continue.
        case failed
    }

    /// What the machine leaves for its shell to do.
    package struct Output: Sendable {
        package var records: [ProviderRecord] = []
        /// No later record has an earlier event time.
        package var floor = Timestamp.undefined
        /// `nil`: nothing is to be asked.
        package var request: BinanceHistoryRequest?

        package init() {}
    }

    private let settings: Settings
    private var feeds: [HistoryFeed] = []
    private var pace: BinanceRequestPace
    /// The request that is under way, and its feed; `nil`: there is none.
    private var asked: (request: BinanceHistoryRequest, place: Int)?
    private var lastNumber: UInt64 = 0
    /// Answers in a row that brought nothing.
    private var useless = 0
    package private(set) var phase = Phase.loading
    /// Why it waits or has failed; `nil`: it goes on.
    package private(set) var problem: String?
    /// Trades or bars that were handed out, and requests that were made, by this process.
    package private(set) var records: UInt64 = 0
    package private(set) var requests: UInt64 = 0
    /// The event time of the last one that was handed out; undefined: none was.
    package private(set) var reached = Timestamp.undefined

    package init(_ settings: Settings) {
        self.settings = settings
        pace = BinanceRequestPace(seed: settings.seed)
    }

    /// The exchange's symbol of an instrument.
    package static func exchangeSymbol(of instrument: Instrument) -> String {
        BinanceEngine.name(of: instrument)
    }

    /// The feeds that have trades.
    private static let tradeFeeds: Instrument.Feeds = [.level1, .trades, .allTrades]

    /// Whether bars of an instrument are loaded, and not trades.
    package static func isOfBars(_ instrument: Instrument) -> Bool {
        instrument.feeds.contains(.bars)
    }

    /// Returns the ids of the trades in an answer; `nil`: it is no list of trades.
    package static func ids(onPage bytes: [UInt8]) -> [UInt64]? {
        BinancePage.read(bytes, place: 0, received: .undefined)?.map(\.id)
    }

    // MARK: the shell's calls

    /// Begins. `promised` is the watermark of an earlier process; undefined: there was none.
    package mutating func begin(
        _ begun: [Begun], promised: Timestamp, _ now: Moment, into out: inout Output
    ) {
        for item in begun {
            let feed = feed(item)
            feeds.append(feed)
            out.records.append(
                .definition(
                    FeedDefinition(
                        instrument: item.number, provider: settings.provider,
                        since: settings.from)))
            if feed.state == .lookingUp {
                out.records.append(subscription(feed, .start, at: settings.from, now))
            }
        }
        out.floor = promised.isDefined ? max(settings.from, promised) : settings.from
        if settings.to > now.wall.advanced(byNanoseconds: -BinanceHistoryLimits.leastAge) {
            fail("the end of the range is not a minute in the past yet")
        }
        if feeds.count > BinanceHistoryLimits.symbolsMax {
            fail("at most \(BinanceHistoryLimits.symbolsMax) symbols are loaded at a time")
        }
    }

    private mutating func feed(_ item: Begun) -> HistoryFeed {
        let name = BinanceEngine.name(of: item.instrument)
        var feed = HistoryFeed(
            instrument: item.number, name: name, from: settings.from,
            bars: Self.isOfBars(item.instrument) ? settings.bars : nil)
        if item.mark.isDefined { feed.from = max(feed.from, item.mark) }
        if feed.bars != nil, !item.instrument.feeds.isDisjoint(with: Self.tradeFeeds) {
            fail("\(name): a source of the past has trades or bars, and not both")
        }
        if feed.from > settings.to {
            fail(
                "the source has reached \(feed.from) already: load the range into a source "
                    + "of its own")
        }
        // With its last record a partition promises that all of them came.
        if feed.from >= settings.to {
            feed.state = .ended
        } else if let last = item.last {
            feed.last = last
            feed.state = .reading
            feed.next = last.id &+ 1
        }
        return feed
    }

    /// Hands out what is known to be next, and asks for more if that is due.
    package mutating func timePassed(_ now: Moment, into out: inout Output) {
        guard phase == .loading else { return }
        merge(now, into: &out)
        guard phase == .loading, asked == nil, now.monotonic >= pace.at,
            let place = feeds.firstIndex(where: \.wantsAnswer)
        else { return }
        lastNumber &+= 1
        requests &+= 1
        let request = request(of: feeds[place])
        asked = (request, place)
        out.request = request
    }

    private func request(of feed: HistoryFeed) -> BinanceHistoryRequest {
        if let bars = feed.bars {
            // The one before the range shows whether the first ones of it are missing.
            let isLookUp = feed.state == .lookingUp
            return .bars(
                BinanceBarFetch(
                    number: lastNumber, symbol: feed.name, bars,
                    isLookUp ? .before(settings.from) : .from(feed.last?.time ?? settings.from),
                    count: isLookUp ? 1 : BinanceFetch.countMax))
        }
        return feed.state == .lookingUp
            ? .lookUp(BinanceTimeLookUp(number: lastNumber, symbol: feed.name, at: feed.from))
            : .fetch(
                BinanceFetch(
                    number: lastNumber, symbol: feed.name, from: feed.next,
                    count: BinanceFetch.countMax))
    }

    /// An answer came.
    package mutating func answered(
        _ number: UInt64, _ outcome: BinanceFetchOutcome, _ now: Moment
    ) {
        guard phase == .loading, let asked, asked.request.number == number else { return }
        self.asked = nil
        switch outcome {
        case .page(let bytes):
            if let what = take(bytes, of: asked.place, now) { return unusable(what, now) }
            useless = 0
            problem = nil
            pace.answered(now, interval: asked.request.interval)
        case .limited(let retryAfter, let isBanned):
            pace.limited(retryAfter, isBanned: isBanned, now)
            problem = BinanceFetchOutcome.words(isBanned: isBanned)
        case .unknownSymbol: fail("the exchange has no symbol \(feeds[asked.place].name)")
        case .refused(let reason): fail("\(feeds[asked.place].name): \(reason)")
        case .failed(let reason):
            pace.failed(now)
            problem = reason
        }
    }

    /// Ends the subscriptions: everything before is on its way.
    package mutating func end(_ now: Moment, into out: inout Output) {
        guard phase == .ending else { return }
        for feed in feeds {
            out.records.append(subscription(feed, .stop, at: settings.to, now))
        }
        out.floor = settings.to
        phase = .finished
    }

    /// The next moment at which `timePassed` has something to do.
    package var nextDue: MonotonicTime {
        phase == .loading && asked == nil && feeds.contains(where: \.wantsAnswer)
            ? pace.at : .never
    }

    // MARK: answers

    /// Takes an answer. Returns what is wrong with it; `nil`: nothing.
    private mutating func take(_ bytes: [UInt8], of place: Int, _ now: Moment) -> String? {
        if feeds[place].bars != nil { return takeBars(bytes, of: place, now) }
        if feeds[place].state == .lookingUp {
            switch BinanceTimeLookUp.read(bytes) {
            case .unreadable: return "the answer is no list of trades"
            case .none: feeds[place].gotNothing()
            case .first(let id):
                feeds[place].next = id
                feeds[place].emptyAnswers = 0
                feeds[place].state = .reading
                // What the first page lacks is missing, too.
                if id > 0 { feeds[place].last = (id - 1, feeds[place].from) }
            }
            return nil
        }
        guard let trades = BinancePage.read(bytes, place: place, received: now.wall) else {
            return "the answer is no list of trades"
        }
        guard !trades.isEmpty else {
            feeds[place].gotNothing()
            return nil
        }
        let next = feeds[place].next
        let fresh = trades.drop { $0.id < next }
        guard let last = fresh.last?.id, last < UInt64.max else {
            return "the exchange does not have trade id \(next)"
        }
        guard zip(fresh, fresh.dropFirst()).allSatisfy({ $0.id < $1.id }) else {
            return "the trades of the answer are in no order"
        }
        feeds[place].take(fresh.map { .trade($0) }, before: settings.to)
        feeds[place].next = last + 1
        return nil
    }

    private mutating func takeBars(
        _ bytes: [UInt8], of place: Int, _ now: Moment
    ) -> String? {
        guard let bars = BinanceBar.list(bytes, feed: place) else {
            return "the answer is no list of bars"
        }
        guard feeds[place].state != .lookingUp else {
            guard bars.allSatisfy({ $0.open < settings.from }) else {
                return "the answer has bars of another time"
            }
            feeds[place].state = .reading
            // Before the first bar that a symbol ever had, none is missing.
            feeds[place].last = bars.last.map { (0, max($0.close, settings.from)) }
            return nil
        }
        guard !bars.isEmpty else {
            feeds[place].gotNothing()
            return nil
        }
        let next = feeds[place].last?.time ?? settings.from
        guard bars.allSatisfy({ $0.open >= next }),
            zip(bars, bars.dropFirst()).allSatisfy({ $0.close <= $1.open })
        else { return "the bars of the answer are in no order" }
        feeds[place].take(bars.map { .bar($0) }, before: settings.to)
        return nil
    }

    private mutating func unusable(_ what: String, _ now: Moment) {
        useless += 1
        problem = what
        guard useless < BinanceLimits.uselessAnswersMax else {
            return fail("\(what), \(useless) times in a row")
        }
        pace.failed(now)
    }

    private mutating func fail(_ why: String) {
        phase = .failed
        problem = why
    }

    // MARK: records

    /// Hands out trades and bars as long as it is known which one is next.
    private mutating func merge(_ now: Moment, into out: inout Output) {
        while true {
            var earliest: Int?
            for place in feeds.indices where feeds[place].state != .ended {
                guard let head = feeds[place].head else { return }
                if let known = earliest, let other = feeds[known].head, other.time <= head.time {
                    continue
                }
                earliest = place
            }
            guard let earliest else { break }
            give(earliest, now, into: &out)
        }
        for place in feeds.indices { giveEnd(place, now, into: &out) }
        out.floor = settings.to
        phase = .ending
    }

    private mutating func give(_ place: Int, _ now: Moment, into out: inout Output) {
        guard let item = feeds[place].takeHead() else { return }
        let feed = feeds[place]
        feeds[place].last = (item.id(feed.bars), item.time)
        reached = reached.isDefined ? max(reached, item.time) : item.time
        if let missing = item.missing(after: feed.last) {
            out.records.append(
                feed.gap(
                    (from: missing.from, to: item.start), .providerLoss, .abandoned, at: now.wall,
                    detail: missing.detail))
        }
        // A window ends when the watermark reaches its end, which is the time of its last bar. So
        // the floor stays before bars of that time that follow.
        out.floor = max(out.floor, reached.advanced(byNanoseconds: feed.bars == nil ? 0 : -1))
        if let misfit = item.misfit {
            out.records.append(
                feed.gap(
                    (from: item.start, to: max(item.time, item.start.advanced(byNanoseconds: 1))),
                    .scale, .abandoned, at: now.wall, detail: misfit))
            return
        }
        records &+= 1
        out.records.append(item.record(of: feed, received: now.wall))
    }

    /// Bars of after the range show that its last ones are missing.
    private mutating func giveEnd(_ place: Int, _ now: Moment, into out: inout Output) {
        guard let next = feeds[place].takeNext(), let last = feeds[place].last?.time,
            last < min(next, settings.to)
        else { return }
        out.records.append(
            feeds[place].gap(
                (from: last, to: min(next, settings.to)), .providerLoss, .abandoned, at: now.wall,
                detail: BinanceBar.missing))
    }

    private func subscription(
        _ feed: HistoryFeed, _ action: SubscriptionAction, at time: Timestamp, _ now: Moment
    ) -> ProviderRecord {
        var header = feed.header(at: now.wall)
        header.providerTime = time
        return .tape(
            .subscription(
                SubscriptionRecord(
                    header: header, action: action, kind: feed.kind, mode: .historical,
                    provider: settings.provider)))
    }
}

/// Bounds that are no settings.
package enum BinanceHistoryLimits {
    /// How long the end of a range has to be over: trades of before may be reported until then.
    package static let leastAge: Int64 = 60_000_000_000
    /// The symbols of one load. Each holds a page of trades or bars.
    package static let symbolsMax = 200
    /// How often a question of a plan is asked. Then it has no answer.
    package static let questionTriesMax = 5
    /// The longest wait that the exchange may want of a plan, in seconds. Beyond it there is none.
    package static let questionWaitMax: Int64 = 600
}
