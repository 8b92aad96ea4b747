internal import IBProtocol
internal import MarketModel
internal import Primitives

/// The headlines of the past, which are requested at each start and after each loss of the
/// connection. History reports all of a day, so the recorded ones are remembered.
struct Headlines: Sendable {
    /// An outage of news that has ended. Its headlines come with a request that is made at `due` or
    /// later, monotonic.
    struct Outage: Sendable {
        var gap: OpenGap
        var due: MonotonicTime
    }

    private struct Article: Hashable, Sendable {
        var instrument: UInt32
        var provider: String
        var article: String
    }

    /// The codes of the news providers whose headlines the account may read; `nil` while they are
    /// not known.
    private(set) var providers: [String]?
    /// When the providers are requested again, monotonic; and how often they were requested on this
    /// connection.
    private var providersDue = MonotonicTime.distantPast
    private var timesAsked = 0
    /// The outages of news that are not settled yet, of all instruments.
    var outages: [Outage] = []
    private var recorded: Set<Article> = []
    /// The recorded articles in the order in which they came. Beyond the maximum this is a ring:
    /// `next` is the oldest one, which is replaced.
    private var order: [Article] = []
    private var next = 0

    /// How far back headlines are requested, in nanoseconds.
    static let reach: Int64 = .days(1)

    /// Forgets the providers, which each connection reports again.
    mutating func disconnected() {
        providers = nil
        providersDue = .distantPast
        timesAsked = 0
    }

    mutating func took(_ providers: [NewsProvider]) { self.providers = providers.map(\.code) }

    /// Returns whether the providers have to be requested: they were not on this connection, or the
    /// answer does not come. An answer that cannot be read does not show which request it answers.
    func wantsProviders(_ now: Moment) -> Bool { now.monotonic >= providersDue }

    /// Notes that the providers were requested. The wait until the next request doubles each time.
    mutating func askedForProviders(_ now: Moment) {
        let wait = min(
            EngineLimits.detailsWait << Int64(min(timesAsked, 8)), EngineLimits.downWaitMax)
        providersDue = now.monotonic + wait
        timesAsked += 1
    }

    /// Notes a headline. Returns false when it was recorded before.
    mutating func note(_ headline: NewsHeadline) -> Bool {
        let article = Article(
            instrument: headline.header.symbol, provider: headline.provider,
            article: headline.article)
        guard recorded.insert(article).inserted else { return false }
        if order.count < EngineLimits.articlesMax {
            order.append(article)
        } else {
            recorded.remove(order[next])
            order[next] = article
            next = (next + 1) % EngineLimits.articlesMax
        }
        return true
    }

    /// Returns a request for headlines from `since` on, at most of the last day; undefined: of the
    /// last day.
    func request(
        _ id: Int32, contract: Int32, since: Timestamp, _ now: Timestamp
    ) -> IBRequest {
        var request = HistoricalNewsRequest(
            contract: contract, providers: providers ?? [], count: Self.countMax)
        let oldest = now.advanced(byNanoseconds: -Self.reach)
        request.start = .at(since.isDefined ? max(since, oldest) : oldest)
        return .historicalNews(id: id, request)
    }

    /// The most headlines of one answer, by the server.
    private static let countMax: Int32 = 300
}

// Headlines of the past and the first time of history, as records.
extension FeedMachine {
    mutating func took(_ providers: [NewsProvider], _ now: Moment) {
        headlines.took(providers)
        nextScan = min(nextScan, now.monotonic)
    }

    /// Returns `nil` when the contract's number is not known, or the list of news providers. The
    /// list is requested then.
    mutating func headlineRequest(_ id: Int32, _ entry: InstrumentEntry, in turn: inout Turn)
        -> IBRequest?
    {
        guard entry.contract.id != 0 else { return nil }
        guard headlines.providers == nil else {
            let since = entry.headlines.map { entry.slots[$0].since } ?? .undefined
            return headlines.request(id, contract: entry.contract.id, since: since, turn.now.wall)
        }
        if headlines.wantsProviders(turn.now),
            turn.pacing.ask(.newsProviders, .live, now: turn.now.monotonic)
        {
            headlines.askedForProviders(turn.now)
        }
        return nil
    }

    /// Records a headline of the past, unless it is recorded already.
    mutating func took(_ headline: HistoricalHeadline, _ route: FeedRoute, in turn: inout Turn) {
        let record = headline.record(symbol: entries[route.place].number, receivedAt: turn.now.wall)
        if headlines.note(record) { turn.live.put(.news(record)) }
    }

    /// Records the time since which there is history, as an indicator.
    mutating func took(_ head: HeadTimestamp, _ route: FeedRoute, in turn: inout Turn) {
        if case .instant(let time) = head.time {
            let header = TickHeader(
                symbol: entries[route.place].number, flags: .backfilled,
                providerTime: .undefined, receiveTime: turn.now.wall)
            let seconds = Int128(time.nanoseconds / EngineLimits.second)
            turn.live.put(
                .indicator(
                    IndicatorValue(
                        header: header, name: "first-time", unit: "s since 1970",
                        value: seconds * 1_000_000_000, periodStart: .undefined,
                        periodEnd: .undefined)))
        }
        finish(route, in: &turn)
    }
}
