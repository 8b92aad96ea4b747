import DeploymentWatch
import Primitives

/// Feeds by source, and how old the newest tick of each instrument is. Pure.
enum FeedBoard {
    /// The most sources in a document. All are counted.
    static let sourcesMax = 16
    /// The most pairs of an instrument and a source in a document: the oldest. All are counted.
    static let pairsMax = 96
    /// The most groups of feeds that do not deliver, of one provider.
    static let troublesMax = 3
    /// Within so long all ticks are as new as each other, so that rows stay in their places.
    static let newSeconds = 5.0

    struct Feed: Equatable, Sendable {
        let provider: String
        var state: FeedCondition
        /// Feeds of instruments, by state.
        var counts = ""
        /// Feeds that do not deliver, with the reason.
        var troubles: [String] = []
        var limits: [ProviderView.Limit] = []
        /// Requests that its limits hold back, and when the next of them may go.
        var waiting = 0
        var next: String?
    }

    struct Source: Equatable, Sendable {
        let name: String
        /// When its gateway was asked.
        var measuredAt = MonotonicTime.distantPast
        var feeds: [Feed] = []
        /// `nil` if nobody says.
        var newest: FeedPage.Newest?
        /// Its market is closed by its calendar.
        var isClosed = false
    }

    /// A cell of the picture.
    struct Cell: Equatable, Sendable {
        /// The number of the source.
        let source: Int
        /// `nil`: no tick came.
        let newestAt: MonotonicTime?
    }

    struct Row: Equatable, Sendable {
        let symbol: String
        var cells: [Cell]
    }

    struct Look: Equatable, Sendable {
        var sources: [Source] = []
        /// Sources beyond the most that are shown.
        var hidden = 0
        /// The oldest first.
        var rows: [Row] = []
        /// When the newest of all pages was asked.
        var measuredAt = MonotonicTime.distantPast
    }

    static func make(_ sighting: Sighting) -> Look {
        var look = Look()
        let services = sighting.freshServices
        look.measuredAt = services.map(\.measuredAt).max() ?? .distantPast
        var found: [String: Source] = [:]
        for head in sighting.sources { found[head.name] = Source(name: head.name) }
        for service in services {
            for page in service.feeds {
                let known = found[page.source]
                // The one that takes ticks speaks for those that stand by.
                guard known?.newest == nil else { continue }
                if page.isActive || known?.feeds.isEmpty ?? true {
                    found[page.source] = source(page, service)
                }
            }
        }
        let sorted = found.values.sorted { $0.name < $1.name }
        look.hidden = max(0, sorted.count - sourcesMax)
        look.sources = sorted.prefix(sourcesMax).map { source in
            var source = source
            if source.feeds.isEmpty { source.feeds = [unheard] }
            return inHours(source, sighting)
        }
        look.rows = rows(look.sources)
        return look
    }

    private static func inHours(_ source: Source, _ sighting: Sighting) -> Source {
        var source = source
        let closed = sighting.closedWords(source.name)
        let head = sighting.sources.first { $0.name == source.name }
        // Without NATS nothing is heard of the source, so its silence says nothing.
        let silence =
            sighting.natsProblem == nil ? head.flatMap { sighting.silenceInSession($0) } : nil
        source.isClosed = closed != nil
        for index in source.feeds.indices {
            let state = source.feeds[index].state
            source.feeds[index].state = state.within(closed: closed, silence: silence)
        }
        return source
    }

    private static var unheard: Feed {
        Feed(
            provider: "–",
            state: FeedCondition(
                .unknown, "no gateway of it answers on its page",
                ("is its page named in COCKPIT_SERVICES, and does it run?", "SourceMissing")))
    }

    private static func source(_ page: FeedPage, _ service: Sighting.Service) -> Source {
        var source = Source(name: page.source, measuredAt: service.measuredAt, newest: page.newest)
        guard page.isActive else {
            let isOpening = page.role == "opening"
            let state =
                isOpening
                ? FeedCondition(.connecting, "its gateway opens the source")
                : FeedCondition(
                    .failed, "its gateway stands by, and no active one was seen",
                    ("is the active one named in COCKPIT_SERVICES?", "Owners"))
            source.feeds = page.providers.map { Feed(provider: $0, state: state) }
            return source
        }
        source.feeds = page.providers.map { name in
            // A source of delayed data has no state but that of its ticks.
            guard page.source == service.source,
                let provider = service.providers.first(where: { $0.name == name })
            else { return Feed(provider: name, state: FeedCondition(ofTicks: page, "it runs")) }
            return feed(provider, page)
        }
        return source
    }

    private static func feed(_ provider: ProviderView, _ page: FeedPage) -> Feed {
        var feed = Feed(provider: provider.name, state: FeedCondition(provider, page))
        feed.counts = provider.feedCounts.map { "\($0.count) \($0.state)" }.joined(separator: ", ")
        let silent = Dictionary(grouping: provider.feeds.filter { !$0.isLive }) { each in
            each.reason.isEmpty ? each.state : "\(each.state): \(each.reason)"
        }
        feed.troubles = silent.sorted { ($1.value.count, $0.key) < ($0.value.count, $1.key) }
            .prefix(troublesMax).map { "\($0.value.count) \(OverviewMaker.line($0.key))" }
        feed.limits = provider.limits
        feed.waiting = provider.paced.count
        feed.next = provider.paced.compactMap(\.until).min()
        return feed
    }

    // MARK: the picture

    private static func rows(_ sources: [Source]) -> [Row] {
        var pairs: [(symbol: String, age: Double, cell: Cell)] = []
        for (number, source) in sources.enumerated() {
            for instrument in source.newest?.oldest ?? [] {
                let at = instrument.age.map { age in
                    source.measuredAt - Int64(min(max(0, age), 1e9) * 1e9)
                }
                pairs.append(
                    (
                        instrument.symbol, max(instrument.age ?? .infinity, newSeconds),
                        Cell(source: number, newestAt: at)
                    ))
            }
        }
        pairs.sort { ($1.age, $0.symbol, $0.cell.source) < ($0.age, $1.symbol, $1.cell.source) }
        var rows: [Row] = []
        var places: [String: Int] = [:]
        for pair in pairs.prefix(pairsMax) {
            if let place = places[pair.symbol] {
                rows[place].cells.append(pair.cell)
            } else {
                places[pair.symbol] = rows.count
                rows.append(Row(symbol: pair.symbol, cells: [pair.cell]))
            }
        }
        return rows
    }
}
