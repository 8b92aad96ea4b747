import DeploymentWatch
import Primitives
import ServiceRuntime
import TestSupport
import Testing

@testable import Cockpit

@Suite("The feeds") struct FeedTests {
    /// The page of a gateway, as it writes it.
    private static func gateway(
        _ seconds: Double = 10, source: String = "alpaca", role: String = "active",
        provider: String = "alpaca", state: String = #"{"state":"ready","instruments":[]}"#,
        newest: String? = nil, more: String = ""
    ) throws -> Sighting.Service {
        var service = MadeSighting.service(seconds, name: "provider-gateway", isReady: true)
        let newest = newest ?? Self.newest([("AAPL", 0.5)])
        let status = try JSONValue.parse(
            """
            {"service":"provider-gateway","ready":true,"gateway":{"source":"\(source)",
            "role":"\(role)","provider":"\(provider)","finished":false,
            "providers":{"\(provider)":\(state)}\(role == "active" ? ",\"newest\":\(newest)" : "")\
            \(more)}}
            """)
        service.read(status)
        service.feeds = FeedPage.all(status)
        return service
    }

    /// The section of a gateway that lists all its instruments.
    private static func newest(_ items: [(String, Double?)], of all: Int? = nil) -> String {
        func count(_ above: Double, _ upTo: Double) -> Int {
            items.count { item in item.1.map { $0 > above && $0 <= upTo } ?? false }
        }
        let oldest = items.sorted { $0.1 ?? .infinity > $1.1 ?? .infinity }
            .map { #"{"symbol":"\#($0.0)","age_seconds":\#($0.1.map { "\($0)" } ?? "null")}"# }
        return """
            {"instruments":\(all ?? items.count),"never":\(items.count { $0.1 == nil }),"ages":[
            {"seconds":5,"instruments":\(count(-1, 5))},
            {"seconds":60,"instruments":\(count(5, 60))},
            {"seconds":600,"instruments":\(count(60, 600))},
            {"seconds":3600,"instruments":\(count(600, 3_600))}],
            "oldest":[\(oldest.joined(separator: ","))]}
            """
    }

    private static func look(
        _ services: [Sighting.Service], now: Double = 10, sources: [String] = []
    ) -> FeedBoard.Look {
        var sighting = MadeSighting.well(now)
        sighting.sources = sources.map { MadeSighting.source(now, $0) }
        sighting.services.value = services
        return FeedBoard.make(sighting)
    }

    struct Case: CustomTestStringConvertible, Sendable {
        let provider: String
        let state: String
        var ages: [Double?] = [0.5]
        let kind: FeedCondition.Kind
        let words: String
        var runbook: String?

        var testDescription: String { "\(provider): \(words)" }
    }

    private static let cases = [
        Case(
            provider: "alpaca", state: #"{"state":"ready","instruments":[]}"#, kind: .delivers,
            words: "connected: ticks come"),
        // The ticks may be those of another provider of the source.
        Case(
            provider: "alpaca",
            state: #"{"state":"ready","instruments":[{"symbol":"X","state":"refused"}]}"#,
            kind: .quiet, words: "connected: none of its feeds delivers"),
        Case(
            provider: "alpaca", state: #"{"state":"ready","instruments":[]}"#, ages: [5.1, nil],
            kind: .quiet, words: "connected: no tick within 5 s"),
        Case(
            provider: "alpaca", state: #"{"state":"ready","instruments":[]}"#, ages: [3_000, 70],
            kind: .quiet, words: "connected: no tick within 1 min"),
        Case(
            provider: "alpaca", state: #"{"state":"ready","instruments":[]}"#, ages: [9_000],
            kind: .quiet, words: "connected: no tick for more than an hour"),
        Case(
            provider: "alpaca", state: #"{"state":"ready","instruments":[]}"#, ages: [nil],
            kind: .quiet, words: "connected: no tick yet"),
        Case(
            provider: "ibkr",
            state: """
                {"state":"closed","reason":"refused","next_attempt":"2026-11-26T14:31:00.123456Z",
                "failed_attempts":4,"instruments":[]}
                """, kind: .waits,
            words: "waits to connect again: refused; it tries again at 2026-11-26T14:31:00Z; "
                + "attempts that failed: 4", runbook: "ProviderNotConnected"),
        // Ticks of a moment ago do not make a feed alive that says that it is not.
        Case(
            provider: "binance",
            state: """
                {"state":"closed","reason":"no route","failed_attempts":0,"limits":[{"limit":
                "connections","used":0,"max":2,"waiting":1,"until":"2026-11-26T14:31:00Z",
                "reason":"no route"}],"instruments":[{"symbol":"X","state":"down","reason":""}]}
                """, kind: .waits,
            words: "waits to connect again: no route; it tries again at 2026-11-26T14:31:00Z",
            runbook: "ProviderNotConnected"),
        Case(
            provider: "massive",
            state: #"{"state":"refused","reason":"authentication failed","instruments":[]}"#,
            kind: .failed,
            words: "does not take the key, or the account lacks what is asked for: "
                + "authentication failed", runbook: "ProviderRefused"),
        Case(
            provider: "alpaca",
            state: #"{"state":"connecting","reason":"","instruments":[{"#
                + #""symbol":"X","state":"starting","reason":""}]}"#,
            kind: .connecting, words: "connecting", runbook: "ProviderNotConnected"),
        Case(
            provider: "ibkr", state: #"{"state":"competing","instruments":[]}"#, kind: .failed,
            words: "another session of the same user has the data", runbook: "ProviderAccountInUse"
        ),
        Case(
            provider: "fred", state: #"{"state":"failing","reason":"429","instruments":[]}"#,
            kind: .waits, words: "does not answer, and is asked again: 429",
            runbook: "ProviderFeedsDown"),
        Case(
            provider: "alpaca", state: #"{"state":"closed","failed_attempts":0,"instruments":[]}"#,
            kind: .standsBy, words: "stands by: no instrument is requested from it"),
        Case(
            provider: "alpaca", state: #"{"state":"not started","reason":"no key"}"#,
            kind: .failed, words: "it cannot be started: no key; it is tried again",
            runbook: "SourceMissing"),
        Case(
            provider: "replay", state: #"{"state":"running","problem":null}"#, kind: .delivers,
            words: "running: ticks come"),
        Case(
            provider: "replay", state: #"{"state":"running","problem":"no such file"}"#,
            kind: .failed, words: "no such file", runbook: "SourceMissing"),
    ]

    @Test("each state has its words, its advice and its runbook", arguments: cases)
    func state(_ each: Case) throws {
        let newest = Self.newest(each.ages.enumerated().map { ("S\($0.offset)", $0.element) })
        let look = Self.look([
            try Self.gateway(provider: each.provider, state: each.state, newest: newest)
        ])
        let state = try #require(look.sources.first?.feeds.first).state
        #expect(state.kind == each.kind && state.words == each.words, "\(state)")
        #expect(state.runbook == each.runbook && state.advice.isEmpty == (each.runbook == nil))
        if let runbook = state.runbook { #expect(ShippedRunbooks.page(runbook) != nil) }
    }

    @Test("the active gateway speaks for its source; without a page that answers nothing is known")
    func roles() throws {
        let standby = try Self.gateway(role: "standby")
        let active = try Self.gateway()
        for services in [[standby, active], [active, standby]] {
            #expect(Self.look(services).sources.map(\.feeds[0].state.kind) == [.delivers])
        }
        let alone = try #require(Self.look([standby]).sources.first)
        #expect(alone.feeds[0].state.kind == .failed && alone.newest == nil)
        #expect(
            Self.look([try Self.gateway(role: "opening")]).sources[0].feeds[0].state.kind
                == .connecting)
        // The page is three seconds old, and the source is still on the tape.
        let old = try Self.gateway(7)
        let unknown = Self.look([old], sources: ["alpaca"])
        #expect(unknown.sources.map(\.feeds[0].state.kind) == [.unknown])
        #expect(unknown.rows.isEmpty && unknown.measuredAt == .distantPast)
    }

    @Test("a source of delayed data is one of its own, and has the state of its ticks")
    func delayed() throws {
        let delayed = """
            ,"delayed":{"source":"ib-delayed","role":"active","provider":"ibkr",
            "newest":\(Self.newest([("SPY", 70)]))}
            """
        let look = Self.look([
            try Self.gateway(
                source: "ib", provider: "ibkr", newest: Self.newest([("SPY", nil)]), more: delayed)
        ])
        #expect(look.sources.map(\.name) == ["ib", "ib-delayed"])
        #expect(look.sources[1].feeds[0].state.words == "it runs: no tick within 1 min")
        #expect(look.rows.map(\.symbol) == ["SPY"])
        #expect(
            look.rows[0].cells == [
                .init(source: 0, newestAt: nil),
                .init(source: 1, newestAt: MadeSighting.time(10 - 0.5 - 70)),
            ])
    }

    @Test("the oldest come first; what is new stays in its place whatever its age")
    func rows() throws {
        let one = try Self.gateway(
            source: "a", newest: Self.newest([("B", 4), ("A", 0.1), ("C", 70), ("D", nil)]))
        let other = try Self.gateway(source: "b", newest: Self.newest([("A", 600), ("B", 0.2)]))
        let rows = Self.look([other, one]).rows
        #expect(rows.map(\.symbol) == ["D", "A", "C", "B"])
        #expect(rows[1].cells.map(\.source) == [1, 0])
        #expect(rows[3].cells.map(\.source) == [0, 1])
    }

    @Test("feeds that do not deliver are counted by reason, and what waits has its time")
    func troubles() throws {
        let state = """
            {"state":"ready","instruments":[
            {"symbol":"A","feeds":[{"feed":"trades","state":"live","reason":"","until":null}]},
            {"symbol":"B","feeds":[{"feed":"trades","state":"refused","reason":"no permission"}]},
            {"symbol":"C","feeds":[{"feed":"trades","state":"refused","reason":"no permission"},
            {"feed":"quotes","state":"waiting-for-lines","reason":""}]}],
            "limits":[{"limit":"lines","used":100,"max":100,"waiting":1,"until":null,
            "reason":"all lines are in use"}],
            "paced":[{"request":"history","priority":"fill","reason":"pacing",
            "until":"2026-11-26T14:32:00Z"},{"request":"history","priority":"fill",
            "reason":"pacing","until":"2026-11-26T14:31:00Z"}]}
            """
        let look = Self.look([try Self.gateway(provider: "ibkr", state: state)])
        let feed = try #require(look.sources.first?.feeds.first)
        #expect(feed.counts == "1 live, 2 refused, 1 waiting-for-lines")
        #expect(feed.troubles == ["2 refused: no permission", "1 waiting-for-lines"])
        #expect(feed.limits.map(\.waiting) == [1] && feed.waiting == 2)
        #expect(feed.next == "2026-11-26T14:31:00Z")
        let json = try JSONValue.parse(FeedsDocument(look: look).json)
        let source = try #require(json["sources"]?.array?.first)
        #expect(json["at"]?.double == 1_009.5 && source["at"]?.double == 1_009.5)
        let limit = try #require(source["feeds"]?.array?.first?["limits"]?.array?.first)
        #expect(limit["used"]?.int == 100 && limit["max"]?.int == 100)
    }

    @Test("10,000 instruments are all counted, and the document stays small and the same")
    func bounded() throws {
        let services = try (0..<3).map { gateway in
            let items = (0..<512).map { ("SYMBOL\(gateway)X\($0)", Double($0) * 0.25 + 0.123) }
            return try Self.gateway(
                source: "source\(gateway)", newest: Self.newest(items, of: 3_400))
        }
        let look = Self.look(services)
        #expect(look.sources.compactMap(\.newest?.instruments).reduce(0, +) == 10_200)
        #expect(look.rows.flatMap(\.cells).count == FeedBoard.pairsMax)
        let document = FeedsDocument(look: look).json
        // It is fetched once for each time that the gateways are asked, which is once a second.
        #expect(document.count < 6_000, "\(document.count)")
        var later = MadeSighting.well(11)
        later.sources = []
        later.services.value = services
        #expect(FeedsDocument(look: FeedBoard.make(later)).json == document)
        let many = Self.look([], sources: (0..<20).map { "source\($0)" })
        #expect(many.sources.count == FeedBoard.sourcesMax && many.hidden == 4)
    }
}
