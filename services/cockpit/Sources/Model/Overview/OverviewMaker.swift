import DeploymentWatch
import Membership
import Primitives

/// Makes overviews of sightings. It remembers rates, and since when something is wrong. Pure.
struct OverviewMaker: Sendable {
    /// A source of which nothing was heard for longer is silent.
    fileprivate static let silentSeconds = Double(Freshness.nanoseconds) / 1e9
    /// The most sources and groups whose rates are kept. Further ones have none.
    static let metersMax = 512

    private var judge = WatchVerdict(silentAfterSeconds: OverviewMaker.silentSeconds)
    private var meters: [String: RateMeter] = [:]

    init() {}

    mutating func make(_ sighting: Sighting) -> Overview {
        var overview = Overview()
        let look = EdgeLook(sighting)
        overview.edges = sighting.sources.map { source in
            look.source(source, rate(source.name, source))
        }
        overview.edges.append(
            look.reader(
                GroupName.operators.text, "bars are made", input: "tape: ticks",
                read(GroupName.operators.text, sighting)))
        overview.edges.append(look.bars(sighting.bars, sighting.bars.flatMap { rate("=bars", $0) }))
        overview.edges += sighting.stores.map {
            look.reader($0, "rows are stored", input: "tape", read($0, sighting))
        }
        overview.edges.append(look.database)
        for group in sighting.groups where GroupName(group.name)?.sharesPartitions != true {
            overview.edges.append(look.other(group))
        }
        overview.verdict = Self.besides(
            lost: sighting.gaps.fresh(at: sighting.now)?.lostToday,
            verdict(sighting, overview.edges))
        overview.figures = Figures(sighting, overview.edges).all
        return overview
    }

    /// Returns a rate, which is not known while nobody reports.
    private mutating func rate(_ name: String, _ head: Sighting.Head) -> Double? {
        rate(name, head.ordinals, at: head.reportedAt)
    }

    private mutating func rate(
        _ name: String, _ value: UInt64, at measuredAt: MonotonicTime
    ) -> Double? {
        guard meters[name] != nil || meters.count < Self.metersMax else { return nil }
        meters[name, default: RateMeter()].note(value, at: measuredAt)
        return meters[name]?.perSecond
    }

    /// Returns the rate at which a group gets on.
    private mutating func read(_ name: String, _ sighting: Sighting) -> Double? {
        guard let group = sighting.groups.first(where: { $0.name == name }), group.read > 0 else {
            return nil
        }
        return rate("=read by \(name)", group.read, at: group.reportedAt)
    }

    // MARK: the verdict

    private mutating func verdict(
        _ sighting: Sighting, _ edges: [Overview.Edge]
    ) -> [Overview.Line] {
        let told = judge.judge(WatchSight(sighting, edges)).map(Overview.Line.init)
        let troubles = told.filter { $0.level != .good } + Self.absences(sighting)
        if sighting.natsProblem == nil, sighting.isLooking {
            // What is not there yet is no trouble before it had the time to come.
            return [
                Overview.Line(.unknown, "LOOKING: not all parts have answered yet")
            ]
        }
        let behind = Self.behind(edges, besides: troubles)
        guard troubles.isEmpty else { return Self.worstFirst(troubles + behind) }
        // Whatever is not alive here and has no line above keeps the verdict from being good.
        let spare = Set(sighting.stores).subtracting(sighting.needed.map(\.text))
        let doubtful = edges.filter {
            ($0.state == .dead || $0.state == .unknown) && !spare.contains($0.to)
        }
        guard doubtful.isEmpty else {
            return doubtful.map {
                Overview.Line(.warning, "\($0.from) to \($0.to): \($0.words)", "Services")
            }
        }
        guard behind.isEmpty else { return behind }
        let sources = edges.filter { $0.id.hasPrefix("source:") }
        if sources.allSatisfy({ [.quiet, .closed].contains($0.state) }) {
            return [Self.quiet(sighting)]
        }
        return told
    }

    /// Returns a line for each reader that is behind and of whose lag no line speaks yet.
    private static func behind(
        _ edges: [Overview.Edge], besides lines: [Overview.Line]
    ) -> [Overview.Line] {
        let runbook = "GroupLag"
        let told = lines.filter { $0.runbook == runbook }.map(\.text)
        return edges.filter { edge in
            edge.state == .behind && !told.contains { $0.hasPrefix("\(edge.to.uppercased()) ") }
        }.map {
            Overview.Line(.warning, "\($0.to) is behind: \($0.words)", runbook)
        }
    }

    private static func quiet(_ sighting: Sighting) -> Overview.Line {
        if let closed = sighting.allClosedWords {
            return Overview.Line(.quiet, "MARKETS ARE \(closed); all parts answer")
        }
        let newest = sighting.sources.compactMap(\.changedAt).max()
        let since = newest.map { "for \(SpanText.of(Double(sighting.now - $0) / 1e9))" }
        return Overview.Line(
            .quiet, "QUIET: no tick \(since ?? "since the cockpit listens"); all parts answer")
    }

    /// Returns a line for each question without a fresh answer.
    private static func absences(_ sighting: Sighting) -> [Overview.Line] {
        guard sighting.natsProblem == nil else { return [] }
        var lines: [Overview.Line] = []
        func note(_ what: String, _ absence: String?, _ runbook: String = "Services") {
            guard let absence else { return }
            lines.append(
                Overview.Line(.warning, "\(what): \(Self.line(absence))", runbook))
        }
        let now = sighting.now
        for source in sighting.sources where source.reportedAt == .distantPast {
            lines.append(
                Overview.Line(
                    .bad, "SOURCE \(source.name) HAS NO GATEWAY: nobody speaks for it",
                    "SourceMissing"))
        }
        lines += hours(sighting)
        note("ROOM OF THE TAPE NOT KNOWN", sighting.streams.absence(at: now), "Nats")
        // The verdict has a line for a database that is away.
        if sighting.database.isFresh(at: now) {
            note("GAPS NOT SEEN", sighting.gaps.absence(at: now), "Gaps")
        }
        note("PAGES OF SERVICES NOT SEEN", sighting.services.absence(at: now))
        if sighting.listening.sourcesHidden > 0 {
            lines.append(
                Overview.Line(
                    .warning,
                    "\(sighting.listening.sourcesHidden) SOURCES ARE NOT SHOWN: "
                        + "the cockpit looks at \(TapeFacts.sourcesMax)", "SourceMissing"))
        }
        // The verdict has a line for one that answered, or was asked, a moment ago.
        for service in sighting.services.fresh(at: now) ?? [] where !sighting.isFresh(service) {
            let age = Freshness.seconds(now - service.measuredAt)
            note(
                "\(service.shownName) NOT SEEN",
                service.measuredAt == .distantPast
                    ? "not asked yet" : "the last answer is \(age) s old")
        }
        return lines
    }

    /// Returns the troubles of sources that have a calendar. Away gateways have lines of their own.
    private static func hours(_ sighting: Sighting) -> [Overview.Line] {
        sighting.sources.compactMap { source in
            if let hours = sighting.told.hours[source.name], hours.state == .ended {
                return Overview.Line(
                    .warning, "HOURS OF \(source.name) NOT KNOWN: \(hours.words)", "Calendar")
            }
            guard sighting.isAlive(source.gateways) == true,
                let silence = sighting.silenceInSession(source)
            else { return nil }
            return Overview.Line(
                .bad,
                "SOURCE \(source.name) IS SILENT IN ITS SESSION: "
                    + "no tick for \(SpanText.of(silence))", Sighting.runbookOfSilence)
        }
    }

    /// Adds what is lost for ever of today: that all is well now does not bring it back.
    private static func besides(lost: String?, _ lines: [Overview.Line]) -> [Overview.Line] {
        guard let lost else { return lines }
        let now = lines.map { line in
            guard line.level == .good else { return line }
            return Overview.Line(.good, LostTicks.beside(line.text), line.runbook)
        }
        return now + [.lost(LostTicks.line(lost))]
    }

    private static func worstFirst(_ lines: [Overview.Line]) -> [Overview.Line] {
        lines.filter { $0.level == .bad } + lines.filter { $0.level != .bad }
    }

    static func line(_ text: String) -> String { WatchVerdict.line(text) }
}

extension Overview.Line {
    fileprivate init(_ line: WatchVerdict.Line) {
        let level: Overview.Level =
            switch line.level {
            case .good: .good
            case .warning: .warning
            case .bad: .bad
            }
        self.init(level, line.text, line.runbook)
    }
}

extension WatchSight.Process {
    fileprivate init(_ service: Sighting.Service) {
        let why = service.reasons.first
        self.init(
            name: service.shownName, silence: service.problem,
            unready: service.isReady ? nil : why ?? "it does not say why",
            degraded: service.isReady ? why : nil)
        holdsTableBack = service.writer?.apart.isEmpty == false
    }
}

extension WatchSight {
    /// What the terminal's verdict would see of the same moment. What is not fresh is not there.
    fileprivate init(_ sighting: Sighting, _ edges: [Overview.Edge]) {
        self.init()
        let now = sighting.now
        self.now = now
        natsProblem = sighting.natsProblem
        databaseProblem = sighting.database.absence(at: now)
        sources = sighting.sources.map { source in
            guard source.reportedAt != .distantPast else {
                return Source(name: source.name, watermarkSeconds: nil)
            }
            let isOpen = sighting.isAlive(source.gateways) == true
            let silence = Double(now - source.reportedAt) / 1e9
            // Without a gateway the last report says nothing, however new it is.
            return Source(
                name: source.name,
                watermarkSeconds: isOpen ? silence : max(silence, OverviewMaker.silentSeconds + 0.1)
            )
        }
        needed = sighting.needed
        let names = sighting.groups.map(\.name) + sighting.stores + needed.map(\.text)
        groups = Set(names).sorted().map { name in
            let group = sighting.groups.first { $0.name == name }
            let members = sighting.members.filter { $0.group == name && $0.isHeard(at: now) }
            let held = Set(members.flatMap(\.held))
            let isSharing = GroupName(name)?.sharesPartitions == true
            return Group(
                name: name, behind: group?.ticks?.records, ready: members.count(where: \.isReady),
                silent: isSharing ? Set(0..<sighting.partitions).subtracting(held).count : 0,
                unheard: group?.unheard ?? 0)
        }
        processes = (sighting.services.fresh(at: now) ?? []).filter(sighting.isFresh)
            .map(Process.init)
        let rates = edges.filter { $0.id.hasPrefix("source:") }.compactMap(\.rate)
        if !rates.isEmpty { ticksPerSecond = rates.reduce(0, +) }
        let streams = sighting.streams.fresh(at: now) ?? []
        freePercent = streams.compactMap(\.freePercent).min() ?? 100
        freeBytes = streams.compactMap { stream in
            stream.limit.map { $0 > stream.bytes ? $0 - stream.bytes : 0 }
        }.min()
        storedBytes = streams.reduce(0) { $0 &+ $1.bytes }
        gaps.open = sighting.gaps.fresh(at: now)?.open
        clock = sighting.database.fresh(at: now)?.clock
        for service in sighting.freshServices { add(service) }
    }

    private mutating func add(_ service: Sighting.Service) {
        feeds.spooledTicks &+= service.spooledTicks
        for provider in service.providers {
            if !provider.isConnected { feeds.silent.append(provider.name) }
            feeds.live += provider.feeds.count(where: \.isLive)
            feeds.silent += provider.feeds.filter { !$0.isLive }.map {
                "\($0.symbol) \($0.feed) (\($0.state))"
            }
        }
    }
}
