import DeploymentWatch
import Membership
import Primitives
import TestSupport
import Testing

@testable import Cockpit

@Suite("The overview") struct OverviewTests {
    /// Returns the overview of the last of several looks.
    private static func overview(
        _ last: Double = 12, _ change: (inout Sighting) -> Void = { _ in }
    ) -> Overview {
        var maker = OverviewMaker()
        for second in stride(from: 8.0, to: last, by: 1) {
            _ = maker.make(MadeSighting.well(second))
        }
        var sighting = MadeSighting.well(last)
        change(&sighting)
        return maker.make(sighting)
    }

    @Test("all is well, in words, and every step of the way flows")
    func well() {
        let overview = Self.overview()
        #expect(
            overview.verdict
                == [.init(.good, "ALL GOOD  60 ticks/s  no gap open")])
        #expect(overview.edges.map(\.state) == Array(repeating: .flows, count: 5))
        #expect(
            overview.edges.map { "\($0.from) > \($0.to)" } == [
                "ib > tape: ticks", "tape: ticks > operator", "operator > tape: bars",
                "tape > store", "store > database",
            ])
        #expect(overview.edges[0].rate == 60)
        #expect(overview.figures.count == 10)
        #expect(overview.figures[0].value == "60")
    }

    @Test("each store has a line; the database is that of the store which has it")
    func stores() throws {
        let other = try #require(GroupName("store-b"))
        let overview = Self.overview { sighting in
            sighting.needed = [.operators, .store, other]
            sighting.groups.append(
                Sighting.Group(
                    name: other.text, reportedAt: sighting.groups[1].reportedAt,
                    ticks: Sighting.Lag(records: 90_000, seconds: 40)))
            sighting.members.append(
                MadeSighting.member(other.text, "b", held: [0, 1], at: 11.9))
            sighting.database.value?.store = other.text
        }
        #expect(
            overview.edges.dropFirst(3).map { "\($0.from) > \($0.to)" } == [
                "tape > store", "tape > store-b", "store-b > database",
            ])
        #expect(overview.figures.first { $0.name == "Writers behind" }?.value == "40 s (90,000)")
        // A store that is not needed may be away.
        let spare = Self.overview { sighting in
            sighting.members.append(
                MadeSighting.member(other.text, "b", held: [0, 1], at: 2))
        }
        #expect(spare.verdict.map(\.level) == [.good])
        #expect(spare.edges.first { $0.to == other.text }?.state == .dead)
        #expect(
            Self.overview { $0.needed = [.operators, other] }.verdict.first
                == .init(.bad, "NO STORE-B IS READY: no rows are stored", "Services"))
    }

    private static func gap(
        _ symbol: String?, _ from: Double, _ to: Double?, state: String = "abandoned",
        kind: String = "trade"
    ) -> GapList.Gap {
        GapList.Gap(
            symbol: symbol, kind: kind, source: "ib", state: state, reason: "disconnected",
            detail: "", from: from, to: to, notedAt: to)
    }

    @Test("what is lost for ever of today has its line, also when all is well now")
    func lostToday() {
        func lines(_ gaps: GapList.Gap...) -> [Overview.Line] {
            Self.overview { sighting in
                sighting.gaps.value = GapList(
                    gaps: gaps, counts: ["abandoned": UInt64(gaps.count)], dayStart: 1_000)
            }.verdict
        }
        let lost = lines(
            Self.gap("AAPL", 2_000, 2_026), Self.gap("MSFT", 2_000, 2_026),
            Self.gap("SPY", 2_010, 2_020), Self.gap("QQQ", 900, 1_000), Self.gap("IBM", 500, 600))
        #expect(
            lost == [
                .init(.good, "ALL GOOD now  60 ticks/s  no gap open"),
                .lost("LOST TODAY: 26 s of trades of 3 symbols, which nothing will fill"),
            ])
        // What an indicator or a headline lacks is no tick and no bar.
        for kind in ["indicator", "news", "other", "option_computation", "fundamental"] {
            #expect(
                lines(Self.gap("AAPL", 2_000, 2_026, kind: kind)) == [
                    .init(.good, "ALL GOOD  60 ticks/s  no gap open")
                ])
        }
        let kinds = lines(
            Self.gap("AAPL", 2_000, 2_001, kind: "provider_bar"),
            Self.gap("AAPL", 2_000, 2_002, kind: "quote"))
        #expect(kinds.last?.text.contains("2.0 s of quotes and provider bars of 1 symbol,") == true)
        // What began yesterday counts from midnight on.
        #expect(
            lines(Self.gap("AAPL", 900, 1_004)).last?.text.contains("4.0 s of trades of 1 symbol,")
                == true)
        #expect(
            lines(Self.gap(nil, 2_000, 2_002)).last?.text.contains(
                "2.0 s of trades of whole partitions") == true)
        #expect(
            lines(Self.gap("AAPL", 500, 600)) == [
                .init(.good, "ALL GOOD  60 ticks/s  no gap open")
            ])
    }

    @Test("the document says apart what is lost, where a trouble is seen, and what sources are")
    func links() throws {
        var service = MadeSighting.service(12)
        service.read(
            try JSONValue.parse(
                """
                {"service":"provider-gateway","ready":true,
                "gateway":{"source":"ib","provider":"ibkr,alpaca"}}
                """))
        var sighting = MadeSighting.well(12)
        sighting.services.value = [service]
        sighting.sources.append(MadeSighting.source(12, "other"))
        sighting.members.append(
            MadeSighting.member("source-other", "other", held: [0], at: 11.9))
        sighting.gaps.value = GapList(
            gaps: [Self.gap("AAPL", 2_000, 2_026)], counts: ["open": 1], dayStart: 1_000)
        var maker = OverviewMaker()
        func document() throws -> JSONValue {
            try JSONValue.parse(
                LookDocument(
                    sighting: sighting, overview: maker.make(sighting),
                    time: Timestamp(nanoseconds: 0)
                ).json)
        }
        let json = try document()
        let lines = try #require(json["verdict"]?.array)
        #expect(lines.map { $0["lost"]?.bool ?? false } == [false, true])
        #expect(lines.allSatisfy { $0["page"]?.string == "gaps" })
        #expect(lines.allSatisfy { $0["runbook"]?.string == "Gaps" })
        #expect(json["sources"]?.array?.map { $0["kind"]?.string } == ["real", nil])
        sighting.told.simulated = ["ib"]
        #expect(try document()["sources"]?.array?.first?["kind"]?.string == "simulated")
    }

    @Test(
        "a source is called real only when its providers are known",
        arguments: [
            ("synthetic", ["synthetic"], "made up"), ("ib", ["ibkr"], "real"), ("ib", [], nil),
            ("sim", ["ibkr"], "simulated"), ("sim", ["replay"], "made up"),
            ("sim", [], "simulated"), ("ib-delayed", ["ibkr"], "delayed"),
            ("ib-delayed", [], "delayed"), ("ib-history", ["ibkr"], "loaded"),
            ("ib-history", ["synthetic"], "made up"), ("a b", ["ibkr"], nil),
        ] as [(String, Set<String>, String?)])
    func origins(source: String, providers: Set<String>, words: String?) {
        #expect(
            SourceOrigin.words(of: source, providers: providers, simulated: ["sim"]) == words)
    }

    @Test("commands in the verdict and beside gaps name the stack, so that they can be pasted")
    func namedCommands() throws {
        var overview = Self.overview { $0.gaps.value?.counts = ["open": 1] }
        overview.name("")
        #expect(overview.verdict[0].text == "1 GAPS OPEN: 'tapeline gaps' lists them")
        overview.name("demo")
        #expect(overview.verdict[0].text == "1 GAPS OPEN: 'tapeline gaps --name demo' lists them")
        let list = GapList(gaps: [Self.gap(nil, 1, 1, state: GapList.books)])
        let json = try JSONValue.parse(GapsDocument(list, [], stack: "demo").json)
        let words = json["items"]?.array?.first?["words"]?.string
        #expect(words?.contains("'tapeline store fill --name demo' copies") == true)
        #expect(
            TapeCommand.named("it's 'tapeline open --name a' or 'tapeline up'", in: "b")
                == "it's 'tapeline open --name a' or 'tapeline up --name b'")
        #expect(TapeCommand.named("'tapeline ", in: "b") == "'tapeline ")
    }

    @Test("a reader that is behind has its line beside other troubles, and not twice")
    func behindBesides() {
        func lines(_ records: UInt64) -> [String] {
            Self.overview { sighting in
                sighting.gaps.value?.counts = ["open": 1]
                sighting.groups[0].ticks = .init(records: records, seconds: 12)
            }.verdict.map(\.text)
        }
        let few = lines(400)
        #expect(few.count == 2 && few[1] == "operator is behind: 400 records behind", "\(few)")
        let many = lines(10_000_000)
        #expect(many.filter { $0.lowercased().contains("operator") }.count == 1, "\(many)")
    }

    /// A trouble, the sentence that it gives first, and the steps that do not flow.
    struct Trouble: CustomTestStringConvertible, Sendable {
        let name: String
        let level: Overview.Level
        let text: String
        let lost: Set<String>
        let change: @Sendable (inout Sighting) -> Void
        var testDescription: String { name }

        init(
            _ name: String, _ level: Overview.Level, _ text: String, lost: Set<String> = [],
            _ change: @escaping @Sendable (inout Sighting) -> Void
        ) {
            self.name = name
            self.level = level
            self.text = text
            self.lost = lost
            self.change = change
        }
    }

    private static let all: Set<String> = [
        "source:ib", "reader:operator", "bars", "reader:store", "database",
    ]

    static let cases: [Trouble] = [
        Trouble(
            "NATS is away", .bad, "NATS AWAY: gateways keep ticks in their spools; owners stay",
            lost: all.subtracting(["database"])
        ) { $0.natsProblem = "the connection is lost" },
        Trouble(
            "the gateway was killed", .bad, "SOURCE ib SILENT 3 s: its bars wait",
            lost: ["source:ib"]
        ) { sighting in sighting.members.removeAll { $0.group == "source-ib" } },
        Trouble(
            "the gateway's heartbeats stopped a moment ago", .bad,
            "SOURCE ib SILENT 3 s: its bars wait", lost: ["source:ib"]
        ) { sighting in
            sighting.members[1] = MadeSighting.member("source-ib", "gateway", held: [0], at: 10)
        },
        Trouble(
            "the gateway lives, and its thread says nothing", .bad,
            "SOURCE ib SILENT 4 s: its bars wait", lost: ["source:ib"]
        ) { $0.sources = [MadeSighting.source(8.5)] },
        Trouble(
            "the worker was killed", .bad, "NO OPERATOR IS READY: no bars are made",
            lost: ["reader:operator", "bars"]
        ) { sighting in sighting.members.removeAll { $0.group == "operator" } },
        Trouble(
            "the writer was killed", .bad, "NO STORE IS READY: no rows are stored",
            lost: ["reader:store", "database"]
        ) { sighting in sighting.members.removeAll { $0.group == "store" } },
        Trouble(
            "a worker lost a partition", .warning, "1 PARTITIONS OF OPERATOR HAVE NO LIVE OWNER"
        ) { sighting in
            sighting.members[0] = MadeSighting.member("operator", "worker", held: [0], at: 11.9)
        },
        Trouble(
            "the database does not answer", .bad,
            "DATABASE AWAY: the tape keeps the rows", lost: ["database"]
        ) { sighting in
            sighting.database.measuredAt = MadeSighting.time(9)
            sighting.database.askedAt = MadeSighting.time(9.1)
        },
        Trouble(
            "the gaps are old", .warning, "GAPS NOT SEEN: canceled on timeout"
        ) { sighting in
            sighting.gaps.measuredAt = MadeSighting.time(9)
            sighting.gaps.problem = "canceled on timeout"
        },
        Trouble(
            "the room is old", .warning, "ROOM OF THE TAPE NOT KNOWN: the last answer is 3 s old"
        ) { $0.streams.measuredAt = MadeSighting.time(9) },
        Trouble(
            "the pages are old", .warning, "PAGES OF SERVICES NOT SEEN: not asked yet"
        ) { $0.services = Known() },
        Trouble(
            "a service is not ready", .warning, "store-writer IS NOT READY: database: refused"
        ) { sighting in
            var service = MadeSighting.service(12, "a:1", name: "store-writer")
            service.reasons = ["database: refused"]
            sighting.services.value = [service]
        },
        Trouble(
            "a table holds its group back", .warning,
            "store-writer IS DEGRADED: tables of ticks: trades does not take its rows"
        ) { sighting in
            var service = MadeSighting.service(12, "a:1", name: "store-writer", isReady: true)
            service.reasons = ["tables of ticks: trades does not take its rows"]
            sighting.services.value = [service]
        },
        Trouble(
            "a service does not answer", .warning, "a:1 DOES NOT ANSWER: connection refused"
        ) { sighting in
            var service = MadeSighting.service(12, "a:1")
            service.problem = "connection refused"
            sighting.services.value = [service]
        },
        Trouble(
            "a service was not asked lately", .warning,
            "gateway NOT SEEN: the last answer is 3 s old"
        ) { sighting in
            sighting.services.value?.append(
                MadeSighting.service(9, "a:1", name: "gateway", isReady: true))
        },
        Trouble(
            "there are more sources than are looked at", .warning,
            "3 SOURCES ARE NOT SHOWN: the cockpit looks at 64"
        ) { $0.listening.sourcesHidden = 3 },
        Trouble("a gap is open", .warning, "1 GAPS OPEN: 'tapeline gaps' lists them") {
            $0.gaps.value?.counts = ["open": 1, "abandoned": 7]
        },
        Trouble("the tape is nearly full", .warning, "TAPE NEARLY FULL: 5 % free") {
            $0.streams.value = [.init(name: "MD_BARS", bytes: 95, limit: 100)]
        },
        Trouble(
            "a reader stands still, and is not far behind yet", .warning,
            "store is behind: 40 records behind", lost: ["reader:store"]
        ) { $0.groups[1].ticks = .init(records: 40, seconds: 6) },
        Trouble(
            "nobody says how far a group has read", .warning,
            "2 PARTITIONS OF STORE UNHEARD: nobody says how far they are read",
            lost: ["reader:store"]
        ) { $0.groups[1].unheard = 2 },
        Trouble(
            "a reader says nothing more", .warning, "tape to store: no news for 4.0 s",
            lost: ["reader:store"]
        ) { sighting in
            sighting.groups[1] = .init(
                name: "store", reportedAt: MadeSighting.time(8),
                ticks: .init(records: 0, seconds: 0))
        },
        Trouble("no tick comes", .quiet, "QUIET: no tick for 7 s; all parts answer", lost: all) {
            sighting in
            sighting.sources[0].changedAt = MadeSighting.time(5)
            sighting.bars?.changedAt = MadeSighting.time(-100)
            sighting.database.value?.writtenSeconds = 8
        },
        Trouble(
            "a source has no gateway that was ever heard", .bad,
            "SOURCE old HAS NO GATEWAY: nobody speaks for it"
        ) { sighting in
            sighting.sources.append(
                Sighting.Head(
                    name: "old", gateways: "source-old", ordinals: 0, reportedAt: .distantPast))
        },
        Trouble("the cockpit has just begun", .unknown, "LOOKING: not all parts have answered yet")
        {
            $0.listening.since = MadeSighting.time(11)
        },
    ]

    @Test(
        "each trouble has its sentence, and what it stops does not look alive", arguments: cases)
    func trouble(_ trouble: Trouble) {
        let overview = Self.overview(12, trouble.change)
        #expect(overview.verdict.first?.text == trouble.text)
        #expect(overview.verdict.first?.level == trouble.level)
        #expect(!overview.verdict.contains { $0.level == .good })
        // Whoever reads of it finds where it is seen, and what to do.
        for line in overview.verdict where [.warning, .bad].contains(line.level) {
            let page = line.runbook.flatMap { ShippedRunbooks.page($0) }
            #expect(page.map { WebFiles.isPage($0 == "./" ? "/" : "/\($0)") } == true, "\(line)")
            #expect(WebFiles.isPage("/runbook-\(line.runbook ?? "")"), "\(line)")
        }
        for edge in overview.edges where Self.all.contains(edge.id) {
            #expect(
                (edge.state != .flows) == trouble.lost.contains(edge.id),
                "\(edge.id): \(edge.state) \(edge.words)")
        }
        // The next look at which all is well says so.
        #expect(Self.overview(13).verdict.map(\.level) == [.good])
    }

    @Test("what has had no time to be heard is not known; it is dead once it had that time")
    func beginning() {
        var maker = OverviewMaker()
        var sighting = MadeSighting.well()
        sighting.members = []
        sighting.bars = nil
        sighting.database = Known()
        sighting.listening.since = MadeSighting.time(8)
        sighting.now = MadeSighting.time(9)
        let first = maker.make(sighting)
        #expect(first.verdict.map(\.level) == [.unknown])
        #expect(first.edges.allSatisfy { $0.state == .unknown })
        sighting.listening.since = MadeSighting.time(6)
        #expect(maker.make(sighting).edges.allSatisfy { $0.state == .dead })
        // A database that has refused has been heard.
        sighting.listening.since = MadeSighting.time(8)
        sighting.database.problem = "it refuses"
        #expect(maker.make(sighting).edges.last?.state == .dead)
    }

    @Test("what was measured three seconds ago is never well, whatever it said")
    func stale() {
        var maker = OverviewMaker()
        var sighting = MadeSighting.well()
        #expect(maker.make(sighting).verdict.map(\.level) == [.good])
        sighting.now = MadeSighting.time(13)
        let overview = maker.make(sighting)
        #expect(overview.verdict.allSatisfy { $0.level == .bad || $0.level == .warning })
        #expect(overview.edges.allSatisfy { $0.state == .dead })
        #expect(overview.figures.compactMap(\.value) == ["0 of 3"])
    }

    @Test("the document is JSON with a time of measuring at every part, and on one line")
    func document() throws {
        var sighting = MadeSighting.well()
        sighting.members[0].drain = "by ops@host: a disk"
        var service = MadeSighting.service(10)
        service.read(try JSONValue.parse(#"{"service":"cockpit","uptimeSeconds":7.5}"#))
        sighting.services = MadeSighting.known([service], at: 9.5)
        var maker = OverviewMaker()
        let bytes = LookDocument(
            sighting: sighting, overview: maker.make(sighting),
            time: Timestamp(nanoseconds: 0), gapsVersion: "v1"
        ).json
        #expect(!bytes.contains(UInt8(ascii: "\n")))
        let json = try JSONValue.parse(bytes)
        #expect(json["now"]?.double == 1_010)
        let edges = try #require(json["edges"]?.array)
        #expect(edges.allSatisfy { $0["at"]?.double == 1_009.5 && $0["limit"] == nil })
        #expect(json.at("gaps", "at")?.double == 1_009.5)
        #expect(json["gaps_version"]?.string == "v1")
        #expect(json["pages"]?.string == WebFiles.version)
        let services = json.at("services", "items")?.array
        #expect(services?.first?["uptime"]?.double == 7.5)
        let members = try #require(json["members"]?.array)
        #expect(members[0]["limit"]?.double == 1.5)
        #expect(members[0]["drain"]?.string == "by ops@host: a disk")
        #expect(members[1]["drain"] == nil)
    }
}

@Suite("Gaps and rates") struct GapAndRateTests {
    private static func gap(_ state: String, to: Double? = 5, detail: String = "") -> GapList.Gap {
        GapList.Gap(
            symbol: "AAPL", kind: "trade", source: "ib", state: state, reason: "outage",
            detail: detail, from: 1, to: to, notedAt: 6)
    }

    @Test("each gap says what will become of it, and when")
    func outlook() {
        let wait = ProviderWait(
            waiting: 3, until: "2026-11-26T14:30:01.123456789Z",
            nextAttempt: "2026-11-26T14:31:00Z")
        func words(_ gap: GapList.Gap, _ wait: ProviderWait? = wait) -> String {
            GapOutlook(gap).words(gap, wait)
        }
        #expect(
            words(Self.gap("open"))
                == "will be filled from history, not before 2026-11-26T14:30:01Z: 3 requests wait")
        #expect(
            words(Self.gap("open"), nil) == "will be filled when its gateway asks for history")
        #expect(
            words(Self.gap("open", to: nil))
                == "lasts: nothing can be filled before the feed is back; the next try to connect "
                + "is at 2026-11-26T14:31:00Z")
        #expect(words(Self.gap("filling")) == "is being filled from history now")
        #expect(words(Self.gap("abandoned")) == "never: no provider has it")
        #expect(words(Self.gap("abandoned", detail: "too old")) == "never: too old")
        #expect(GapOutlook(Self.gap("of a later release")) == .never)
    }

    @Test("the list of gaps has a version that changes with it")
    func list() throws {
        let list = GapList(gaps: [Self.gap("open")], counts: ["open": 1])
        let document = GapsDocument(list, [])
        let json = try JSONValue.parse(document.json)
        #expect(json["version"]?.string == document.version)
        let item = try #require(json["items"]?.array?.first)
        #expect(item["symbol"]?.string == "AAPL" && item["outlook"]?.string == "waits")
        #expect(GapsDocument(list, []).version == document.version)
        #expect(GapsDocument.none.version != document.version)
        let filling = GapList(gaps: [Self.gap("filling")])
        #expect(GapsDocument(filling, []).version != document.version)
    }

    @Test("a rate is that of the last seconds, and begins anew on another tape")
    func rate() {
        var meter = RateMeter()
        #expect(meter.perSecond == nil)
        for second in 0..<20 {
            meter.note(UInt64(second * 10), at: MadeSighting.time(Double(second)))
        }
        #expect(meter.perSecond == 10)
        // The same report again changes nothing.
        meter.note(1_000, at: MadeSighting.time(19))
        #expect(meter.perSecond == 10)
        for second in 20..<30 { meter.note(190, at: MadeSighting.time(Double(second))) }
        #expect(meter.perSecond == 0)
        meter.note(3, at: MadeSighting.time(30))
        #expect(meter.perSecond == nil)
        meter.note(8, at: MadeSighting.time(31))
        #expect(meter.perSecond == 5)
    }
}
