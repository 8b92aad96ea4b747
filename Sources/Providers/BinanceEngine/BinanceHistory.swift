internal import EngineKit
package import MarketModel
package import Primitives

/// Past trades of some symbols between two times, as a machine: the exchange's answers go in, and
/// requests and records come out. It has no clock and no connection.
///
/// The records come in the order of their times, and those of one time in the order of the
/// symbols. So each symbol has a page of trades that wait until the earliest one is known.
package struct BinanceHistory: Sendable {
    package struct Settings: Sendable {
        /// The provider's name, for records about subscriptions.
        package var provider: String
        /// The first time, and the one after the last.
        package var from: Timestamp
        package var to: Timestamp
        /// For the random part of waits.
        package var seed: UInt64

        package init(provider: String, from: Timestamp, to: Timestamp, seed: UInt64) {
            self.provider = provider
            self.from = from
            self.to = to
            self.seed = seed
        }
    }

    /// A symbol to load, and where an earlier process left off.
    package struct Begun: Sendable {
        package var number: UInt32
        package var instrument: Instrument
        /// The last trade on the tape; `nil`: none is known.
        package var last: (id: UInt64, time: Timestamp)?
        /// The watermark of its partition: trades of before are on the tape. Undefined: none.
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
        /// All trades were handed out. The ends of the subscriptions follow.
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
    private var asked: (number: UInt64, place: Int)?
    private var lastNumber: UInt64 = 0
    /// Answers in a row that brought nothing.
    private var useless = 0
    package private(set) var phase = Phase.loading
    /// Why it waits or has failed; `nil`: it goes on.
    package private(set) var problem: String?
    /// Trades that were handed out, and requests that were made, by this process.
    package private(set) var records: UInt64 = 0
    package private(set) var requests: UInt64 = 0
    /// The time of the last trade that was handed out; undefined: none was.
    package private(set) var reached = Timestamp.undefined

    package init(_ settings: Settings) {
        self.settings = settings
        pace = BinanceRequestPace(seed: settings.seed)
    }

    /// The exchange's symbol of an instrument.
    package static func exchangeSymbol(of instrument: Instrument) -> String {
        BinanceEngine.name(of: instrument)
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
            let name = BinanceEngine.name(of: item.instrument)
            var feed = HistoryFeed(instrument: item.number, name: name, from: settings.from)
            if item.mark.isDefined { feed.from = max(feed.from, item.mark) }
            // With its last record a partition promises that all of them came.
            let isDone = feed.from >= settings.to
            if feed.from > settings.to {
                fail(
                    "the source has reached \(feed.from) already: load the range into a source "
                        + "of its own")
            }
            if isDone {
                feed.state = .ended
            } else if let last = item.last {
                feed.last = last
                feed.state = .reading
                feed.next = last.id &+ 1
            }
            feeds.append(feed)
            out.records.append(
                .definition(
                    FeedDefinition(
                        instrument: item.number, provider: settings.provider,
                        since: settings.from)))
            if item.last == nil, !isDone {
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

    /// Hands out what is known to be next, and asks for more if that is due.
    package mutating func timePassed(_ now: Moment, into out: inout Output) {
        guard phase == .loading else { return }
        merge(now, into: &out)
        guard phase == .loading, asked == nil, now.monotonic >= pace.at,
            let place = feeds.firstIndex(where: \.wantsAnswer)
        else { return }
        lastNumber &+= 1
        requests &+= 1
        asked = (lastNumber, place)
        let feed = feeds[place]
        out.request =
            feed.state == .lookingUp
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
        guard phase == .loading, let asked, asked.number == number else { return }
        self.asked = nil
        switch outcome {
        case .page(let bytes):
            if let what = take(bytes, of: asked.place, now) { return unusable(what, now) }
            useless = 0
            problem = nil
            pace.answered(now)
        case .limited(let retryAfter, let isBanned):
            pace.limited(retryAfter, isBanned: isBanned, now)
            problem = isBanned ? "the exchange has banned this address" : "too many requests"
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
        if feeds[place].state == .lookingUp {
            switch BinanceTimeLookUp.read(bytes) {
            case .unreadable: return "the answer is no list of trades"
            case .none: empty(place)
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
            empty(place)
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
        feeds[place].emptyAnswers = 0
        feeds[place].take(fresh, before: settings.to)
        feeds[place].next = last + 1
        return nil
    }

    /// The exchange has nothing more. It is asked once again: only a trade of after the range
    /// proves that nothing is missing.
    private mutating func empty(_ place: Int) {
        feeds[place].emptyAnswers += 1
        if feeds[place].emptyAnswers > 1 { feeds[place].state = .ended }
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

    /// Hands out trades as long as it is known which one is next.
    private mutating func merge(_ now: Moment, into out: inout Output) {
        while true {
            var earliest: Int?
            for place in feeds.indices where feeds[place].state != .ended {
                guard let trade = feeds[place].head else { return }
                if let known = earliest, let other = feeds[known].head, other.time <= trade.time {
                    continue
                }
                earliest = place
            }
            guard let earliest else { break }
            give(earliest, into: &out)
        }
        out.floor = settings.to
        phase = .ending
    }

    private mutating func give(_ place: Int, into out: inout Output) {
        guard let trade = feeds[place].takeHead() else { return }
        let feed = feeds[place]
        if let last = feed.last, trade.id > last.id, trade.id - last.id > 1 {
            out.records.append(
                feed.gap(
                    (from: last.time, to: trade.time), .providerLoss, .abandoned,
                    at: trade.received,
                    detail: BinanceEngine.missing(last.id + 1, trade.id - 1)))
        }
        feeds[place].last = (trade.id, trade.time)
        reached = reached.isDefined ? max(reached, trade.time) : trade.time
        out.floor = max(out.floor, reached)
        // On the tape, the id 0 says that there is none.
        guard trade.id > 0, trade.misfit.isEmpty else {
            var misfit = trade
            if misfit.misfit.isEmpty { misfit.misfit = "its id is 0" }
            out.records.append(
                feed.gap(
                    (from: trade.time, to: trade.time.advanced(byNanoseconds: 1)), .scale,
                    .abandoned, at: trade.received, detail: BinanceEngine.misfit(misfit)))
            return
        }
        records &+= 1
        out.records.append(trade.record(of: feed.instrument))
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
    /// The symbols of one load. Each holds a page of trades.
    package static let symbolsMax = 200
}

/// A symbol whose past is loaded.
private struct HistoryFeed: RecordedFeed, Sendable {
    enum State {
        /// The id of the first trade is not known.
        case lookingUp
        case reading
        case ended
    }

    let instrument: UInt32
    /// The exchange's symbol.
    let name: String
    /// Trades of before are not wanted, or are on the tape.
    var from: Timestamp
    var kind: DataKind { .trade }
    var state = State.lookingUp
    /// The id that is asked for next.
    var next: UInt64 = 0
    /// The last trade that was handed out; `nil`: none was.
    var last: (id: UInt64, time: Timestamp)?
    /// Trades of an answer, and the place of the next one.
    var page: [BinanceTrade] = []
    var position = 0
    /// Whether no trades follow those of `page`.
    var isWhole = false
    /// Answers without a trade in a row.
    var emptyAnswers = 0

    init(instrument: UInt32, name: String, from: Timestamp) {
        self.instrument = instrument
        self.name = name
        self.from = from
    }

    /// The next trade; `nil`: it is not known.
    var head: BinanceTrade? { position < page.count ? page[position] : nil }

    var wantsAnswer: Bool { state != .ended && position >= page.count }

    /// Takes the trades of an answer that are wanted. Those of before are on the tape, whether the
    /// last one is known or not.
    mutating func take(_ trades: ArraySlice<BinanceTrade>, before end: Timestamp) {
        page = []
        position = 0
        for trade in trades {
            guard trade.time < end else {
                isWhole = true
                break
            }
            if trade.time >= from {
                page.append(trade)
            } else if page.isEmpty {
                last = (trade.id, trade.time)
            }
        }
        if page.isEmpty, isWhole { state = .ended }
    }

    mutating func takeHead() -> BinanceTrade? {
        guard let trade = head else { return nil }
        position += 1
        if position == page.count, isWhole { state = .ended }
        return trade
    }
}
