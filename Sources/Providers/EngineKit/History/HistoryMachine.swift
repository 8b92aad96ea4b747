package import MarketModel
package import Primitives

/// The past of some symbols between two times, as a machine: a service's answers go in, and
/// requests and records come out. It has no clock and no connection.
///
/// The records come in the order of their event times, and those of one time in the order of the
/// symbols. So each symbol has a page of trades or bars that wait until the earliest is known. A
/// bar's event time is its close. Only bars that begin and end within the range are loaded.
package struct HistoryMachine<Service: HistoryService>: Sendable {
    /// What is loaded: the range, and the random part of waits.
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

    /// What the machine leaves for its shell to do.
    package struct Output: Sendable {
        package var records: [ProviderRecord] = []
        /// No later record has an earlier event time.
        package var floor = Timestamp.undefined
        /// `nil`: nothing is to be asked.
        package var request: Service.Request?

        package init() {}
    }

    package typealias Begun = HistoryBegun

    private let service: Service
    private let settings: Settings
    private var feeds: [Service.Feed] = []
    private var pace: RequestPace
    /// The request that is under way, and its feed; `nil`: there is none.
    private var asked: (request: Service.Request, place: Int)?
    private var lastNumber: UInt64 = 0
    /// Answers in a row that cannot be used.
    private var useless = 0
    package private(set) var progress = HistoryProgress()

    package init(_ service: Service, _ settings: Settings) {
        self.service = service
        self.settings = settings
        pace = RequestPace(service.limits, seed: settings.seed)
    }

    package var phase: HistoryPhase { progress.phase }
    package var problem: String? { progress.problem }
    package var records: UInt64 { progress.records }

    // MARK: the shell's calls

    /// Begins. `promised` is the watermark of an earlier process; undefined: there was none.
    package mutating func begin(
        _ begun: [HistoryBegun], promised: Timestamp, _ now: Moment, into out: inout Output
    ) {
        for item in begun { begin(item, of: begun.count, now, into: &out) }
        out.floor = promised.isDefined ? max(settings.from, promised) : settings.from
        if settings.to > now.wall.advanced(byNanoseconds: -service.leastAge) {
            let minutes = service.leastAge / 60_000_000_000
            fail(
                "the end of the range is not \(minutes == 1 ? "a minute" : "\(minutes) minutes") "
                    + "in the past yet")
        }
        if feeds.count > HistoryLimits.symbolsMax {
            fail("at most \(HistoryLimits.symbolsMax) symbols are loaded at a time")
        }
    }

    private mutating func begin(
        _ item: HistoryBegun, of count: Int, _ now: Moment, into out: inout Output
    ) {
        let name = service.name(of: item.instrument)
        var feed = Service.Feed(
            item, name: name, range: settings.from..<settings.to, symbols: count,
            place: service.place(of: item.instrument, after: item.last))
        if item.instrument.hasTradesAndBars {
            fail("\(name): a source of the past has trades or bars, and not both")
        }
        if let problem = service.problem(of: item.instrument) { fail("\(name): \(problem)") }
        if feed.from > settings.to {
            fail(
                "the source has reached \(feed.from) already: load the range into a source "
                    + "of its own")
        }
        // With its last record a partition promises that all of them came.
        if feed.from >= settings.to { feed.end() }
        feeds.append(feed)
        out.records.append(
            .definition(
                FeedDefinition(
                    instrument: item.number, provider: settings.provider, since: settings.from)))
        if !feed.hasEnded, item.last == nil {
            out.records.append(subscription(feed, .start, at: settings.from, now))
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
        progress.requests &+= 1
        let request = service.request(lastNumber, for: feeds[place])
        asked = (request, place)
        out.request = request
    }

    /// An answer came.
    package mutating func answered(
        _ number: UInt64, _ outcome: FetchOutcome<Service.Answer>, _ now: Moment
    ) {
        guard phase == .loading, let asked, asked.request.number == number else { return }
        self.asked = nil
        switch outcome {
        case .page(let answer):
            if let what = service.take(answer, into: &feeds[asked.place], now) {
                return unusable(what, now)
            }
            useless = 0
            progress.problem = nil
            pace.answered(now, interval: asked.request.interval)
        case .limited(let retryAfter, let isBanned):
            pace.limited(retryAfter, isBanned: isBanned, now)
            progress.problem = service.limits.words(isBanned: isBanned)
        case .unknownSymbol:
            fail(service.limits.noSymbol(feeds[asked.place].name))
        case .refused(let reason):
            guard !service.asksOtherwise(for: &feeds[asked.place]) else {
                return pace.answered(now, interval: asked.request.interval)
            }
            fail("\(feeds[asked.place].name): \(reason)")
        case .denied(let reason): fail(reason)
        case .failed(let reason):
            pace.failed(reason, now)
            progress.problem = reason
        }
    }

    /// Ends the subscriptions: everything before is on its way.
    package mutating func end(_ now: Moment, into out: inout Output) {
        guard phase == .ending else { return }
        for feed in feeds {
            out.records.append(subscription(feed, .stop, at: settings.to, now))
        }
        out.floor = settings.to
        progress.phase = .finished
    }

    /// The next moment at which `timePassed` has something to do.
    package var nextDue: MonotonicTime {
        phase == .loading && asked == nil && feeds.contains(where: \.wantsAnswer)
            ? pace.at : .never
    }

    /// Returns the service's limit, and the symbols that wait for an answer.
    package func limits(_ now: MonotonicTime) -> [ProviderLimit] {
        let isWaiting = phase == .loading && asked == nil
        return [pace.limit(waiting: isWaiting ? feeds.count(where: \.wantsAnswer) : 0, now)]
    }

    private mutating func unusable(_ what: String, _ now: Moment) {
        useless += 1
        progress.problem = what
        guard useless < HistoryLimits.uselessAnswersMax else {
            return fail("\(what), \(useless) times in a row")
        }
        pace.failed(what, now)
    }

    private mutating func fail(_ why: String) {
        progress.phase = .failed
        progress.problem = why
    }

    // MARK: records

    /// Hands out trades and bars as long as it is known which one is next.
    private mutating func merge(_ now: Moment, into out: inout Output) {
        while true {
            var earliest: (place: Int, time: Timestamp)?
            for place in feeds.indices where !feeds[place].hasEnded {
                guard let time = feeds[place].nextTime else { return }
                if let known = earliest, known.time <= time { continue }
                earliest = (place, time)
            }
            guard let earliest else { break }
            give(earliest.place, now, into: &out)
        }
        for place in feeds.indices { giveEnd(place, now, into: &out) }
        out.floor = settings.to
        progress.phase = .ending
    }

    private mutating func give(_ place: Int, _ now: Moment, into out: inout Output) {
        guard let item = feeds[place].takeHead() else { return }
        let before = feeds[place].last
        feeds[place].last = (item.id, item.time)
        let feed = feeds[place]
        progress.reach(item.time)
        if let before, let missing = service.missing(before: item, after: before, of: feed) {
            out.records.append(
                feed.gap(
                    (from: missing.from, to: item.start), .providerLoss, .abandoned, at: now.wall,
                    detail: missing.detail))
        }
        // A window ends when the watermark reaches its end, which is the time of its last bar. So
        // the floor stays before bars of that time that follow.
        let reached = progress.reached.advanced(byNanoseconds: feed.isOfBars ? -1 : 0)
        out.floor = max(out.floor, reached)
        switch item.what {
        case .misfit(let text):
            out.records.append(
                feed.gap(
                    (from: item.start, to: max(item.time, item.start.advanced(byNanoseconds: 1))),
                    .scale, .abandoned, at: now.wall, detail: text))
        case .record(let record):
            progress.records &+= 1
            out.records.append(record)
        case .changed(let record, let later):
            progress.records &+= 1
            out.records.append(record)
            out.records.append(later)
        }
    }

    /// Bars of after the range show that its last ones are missing.
    private mutating func giveEnd(_ place: Int, _ now: Moment, into out: inout Output) {
        guard let next = feeds[place].takeNext(), let last = feeds[place].last?.time,
            last < min(next.start, settings.to)
        else { return }
        out.records.append(
            feeds[place].gap(
                (from: last, to: min(next.start, settings.to)), .providerLoss, .abandoned,
                at: now.wall, detail: next.missing))
    }

    private func subscription(
        _ feed: Service.Feed, _ action: SubscriptionAction, at time: Timestamp, _ now: Moment
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

package enum HistoryPhase: String, Sendable {
    case loading
    /// Everything was handed out. The ends of the subscriptions follow.
    case ending
    case finished
    /// It can never continue.
    case failed
}

/// How far a load is.
package struct HistoryProgress: Sendable {
    package internal(set) var phase = HistoryPhase.loading
    /// Why it waits or has failed; `nil`: it goes on.
    package internal(set) var problem: String?
    /// Trades or bars that were handed out, and requests that were made, by this process.
    package internal(set) var records: UInt64 = 0
    package internal(set) var requests: UInt64 = 0
    /// The event time of the last one that was handed out; undefined: none was.
    package internal(set) var reached = Timestamp.undefined

    /// Notes that a record of this time was handed out.
    mutating func reach(_ time: Timestamp) {
        reached = reached.isDefined ? max(reached, time) : time
    }
}
