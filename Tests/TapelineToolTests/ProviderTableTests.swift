import Primitives
import Testing

@testable import DeploymentWatch
@testable import TapelineTool

@Suite("Providers in tapeline status")
struct ProviderTableTests {
    private func views(_ providers: String) throws -> [ProviderView] {
        ProviderView.all(
            try JSONValue.parse("{\"gateway\":{\"providers\":\(providers)}}"))
    }

    private func json(_ views: [ProviderView]) throws -> JSONValue? {
        let table = ProviderTable(providers: views)
        let text = JSONWriter.made {
            $0.array("providers") { table.write(into: &$0) }
        }.text
        return try JSONValue.parse(text)["providers"]
    }

    private let troubled = """
        {"ibkr":{"state":"closed","reason":"connection refused","since":"2026-11-21T03:47:39.481Z",
        "next_attempt":"2026-11-21T03:48:34.196355227Z","failed_attempts":3,"server_version":null,
        "lines_used":2,"open_outages":1,"waiting_backfills":2,"instruments":[
        {"symbol":"SPY","feeds":[{"feed":"level1","state":"live","reason":"","until":null}]},
        {"symbol":"NOPE","feeds":[{"feed":"level1","state":"refused",
        "reason":"no such contract (200)",
        "until":"2026-11-21T04:00:00.000000001Z"}]},
        {"symbol":"XLK","feeds":[{"feed":"trades","state":"waiting-for-lines","reason":"",
        "until":null}]}],
        "paced":[{"request":"history SPY","priority":"backfill","reason":"history window",
        "until":"2026-11-21T03:50:00.5Z"}]}}
        """

    @Test("a connection is one line; what does not deliver, and what waits, are tables")
    func text() throws {
        let table = ProviderTable(providers: try views(troubled))
        #expect(
            table.lines == [
                "ibkr: NOT CONNECTED to TWS since 2026-11-21T03:47:39Z (connection refused); "
                    + "3 attempts failed; it tries again at 2026-11-21T03:48:34Z; feeds: 1 live, "
                    + "1 refused, 1 waiting-for-lines; 2 lines in use; 1 open gap; "
                    + "2 gaps to be filled in",
                "  delivers: SPY (level1)",
                "  SYMBOL  FEED    STATE              TRIED AGAIN           WHY",
                "  NOPE    level1  refused            2026-11-21T04:00:00Z  "
                    + "no such contract (200)",
                "  XLK     trades  waiting-for-lines  -                     -",
                "  WAITS FOR ITS TURN  PRIORITY  UNTIL                 WHY",
                "  history SPY         backfill  2026-11-21T03:50:00Z  history window",
            ])
        #expect(!table.providers[0].isConnected && !table.providers[0].isWhole)
        #expect(table.providers[0].delivers)
    }

    @Test("a table has an end, and says how much it leaves out")
    func bounded() throws {
        var view = try views(troubled)[0]
        view.feeds = (0..<25).map {
            ProviderView.Feed(symbol: "S\($0)", feed: "bars", state: "down", reason: "", until: nil)
        }
        let lines = ProviderTable(providers: [view]).lines
        #expect(lines.count == 1 + 1 + 20 + 1 + 2)
        #expect(lines.contains("  and 5 more feeds: see /status of the gateway"))
    }

    @Test("programs get all of it")
    func json() throws {
        let provider = try #require(try json(views(troubled))?.array?.first)
        #expect(provider["name"]?.string == "ibkr" && provider["failedAttempts"]?.int == 3)
        #expect(provider["nextAttempt"]?.string == "2026-11-21T03:48:34.196355227Z")
        #expect(provider.at("feeds", "refused")?.int == 1)
        #expect(provider["live"]?.array?.first?["symbol"]?.string == "SPY")
        #expect(provider["notLive"]?.array?.count == 2)
        #expect(provider["notLive"]?.array?.first?["until"]?.string?.hasPrefix("2026") == true)
        #expect(provider["waiting"]?.array?.first?["request"]?.string == "history SPY")
    }

    private let limited = """
        {"binance":{"state":"ready","reason":"","instruments":[],"limits":[
        {"limit":"weight","used":75,"max":3000,"waiting":4,
        "until":"2026-11-21T12:03:20.5Z","reason":"429: too many requests"},
        {"limit":"symbols","used":3,"max":null,"waiting":0,"until":null,"reason":""}]},
        "binance-history":{"state":"loading","limits":[
        {"limit":"weight","used":25,"max":3000,"waiting":0,"until":null,"reason":""}]}}
        """

    @Test("each limit of each provider is a row: used, most, what waits, until when, and why")
    func limits() throws {
        let head = "  LIMIT    USED  MAX   WAITING  UNTIL                 WHY"
        #expect(
            ProviderTable(providers: try views(limited)).lines == [
                "binance: connected to its server; feeds: none", head,
                "  weight   75    3000  4        2026-11-21T12:03:20Z  429: too many requests",
                "  symbols  3     -     0        -                     -",
                "binance-history: state loading", "  LIMIT   USED  MAX   WAITING  UNTIL  WHY",
                "  weight  25    3000  0        -      -",
            ])
    }

    @Test(
        "a source that waits for its readers says so, in words and for programs",
        arguments: [
            ("store", 1_250_000, "waits for the store: 1.2 million ticks behind"),
            ("store-b", 1_250_000, "waits for the store-b: 1.2 million ticks behind"),
            ("operator", 999_999, "waits for group operator: 999999 ticks behind"),
        ])
    func slowed(_ group: String, _ lag: Int, _ text: String) throws {
        let status = try JSONValue.parse(
            """
            {"gateway":{"slowed":{"group":"\(group)","lag":\(lag),"lag_max":1000000,
            "since":"2026-11-21T12:03:20.5Z"},"providers":{"replay":{"state":"reading"}}}}
            """)
        let views = ProviderView.all(status)
        #expect(
            ProviderTable(providers: views).lines == [
                "replay: state reading", "  \(text) since 2026-11-21T12:03:20Z",
            ])
        let slowed = try json(views)?.array?.first?["slowed"]
        #expect(slowed?["group"]?.string == group && slowed?["lag"]?.int == lag)
        #expect(ProviderView.all(try JSONValue.parse(#"{"gateway":{"slowed":null}}"#)).isEmpty)
    }

    @Test("a source whose quotes are conflated says for whom, and how far")
    func conflated() throws {
        let views = ProviderView.all(
            try JSONValue.parse(
                """
                {"gateway":{"slowed":{"group":"store","lag":70000,"quote_interval_ms":500,
                "since":"2026-11-21T12:03:20.5Z"},"providers":{"binance":{"state":"reading"}}}}
                """))
        let text = "takes one quote per symbol and 500 ms: the store is 70000 ticks behind"
        #expect(
            ProviderTable(providers: views).lines == [
                "binance: state reading", "  \(text) since 2026-11-21T12:03:20Z",
            ])
        let slowed = try json(views)?.array?.first?["slowed"]
        #expect(slowed?["quoteIntervalMs"]?.int == 500)
    }

    @Test("programs get the limits, also of a provider without a connection")
    func limitsAsJSON() throws {
        let providers = try #require(try json(views(limited))?.array)
        let limits = try providers.map { try #require($0["limits"]?.array) }
        #expect(limits.map(\.count) == [2, 1])
        #expect(limits[0][0]["limit"]?.string == "weight" && limits[0][0]["used"]?.int == 75)
        #expect(limits[0][0]["max"]?.int == 3_000 && limits[0][0]["waiting"]?.int == 4)
        #expect(limits[0][0]["until"]?.string == "2026-11-21T12:03:20.5Z")
        #expect(limits[0][0]["reason"]?.string == "429: too many requests")
        #expect(limits[0][1]["max"] == .null && limits[0][1]["until"] == .null)
    }

    @Test("others are told of as they speak of themselves, and of none nothing is said")
    func others() throws {
        let replay = try views(
            #"{"replay":{"state":"reading","problem":null,"packets":12,"reached":""}}"#)
        #expect(ProviderTable(providers: replay).lines == ["replay: state reading, packets 12"])
        #expect(replay[0].isConnected && replay[0].isWhole)
        #expect(try views("{}").isEmpty)
        #expect(ProviderView.all(.null).isEmpty)
    }

    @Test("one of several providers that has nothing to do stands by, and is no failure")
    func standsBy() throws {
        let idle = """
            {"alpaca":{"state":"closed","reason":"","since":"","next_attempt":null,
            "failed_attempts":0,"instruments":[]}}
            """
        let view = try views(idle)[0]
        #expect(view.isConnected && view.delivers && view.isWhole)
        #expect(
            ProviderTable(providers: [view]).lines
                == ["alpaca: stands by; no instrument is requested from it"])
        // Something was tried, or is wanted: it is away.
        for (fact, other) in [
            ("\"failed_attempts\":0", "\"failed_attempts\":1"),
            ("\"next_attempt\":null", "\"next_attempt\":\"2026-11-21T03:48:34Z\""),
            ("\"reason\":\"\"", "\"reason\":\"connection refused\""),
            ("\"instruments\":[]", "\"instruments\":[{\"symbol\":\"AAPL\",\"state\":\"waiting\"}]"),
        ] {
            #expect(!(try views(idle.replacing(fact, with: other))[0].isConnected), "\(other)")
        }
    }

    @Test("a provider whose instruments have one feed each")
    func single() throws {
        let exchange = """
            {"binance":{"state":"renewing","reason":"","trades":7,"instruments":[
            {"symbol":"BTCUSDT","state":"live","reason":"","last_id":"5"},
            {"symbol":"NO/PE","state":"refused","reason":"it is no symbol","last_id":"0"}]}}
            """
        let all = try views(exchange)
        #expect(all.allSatisfy { $0.isConnected && $0.delivers })
        let lines = ProviderTable(providers: all).lines
        #expect(
            lines.prefix(2) == [
                "binance: connected to its server, by two connections; feeds: 1 live, 1 refused",
                "  delivers: BTCUSDT (trades)",
            ])
        #expect(lines.last?.contains("NO/PE") == true)
        #expect(lines.last?.hasSuffix("it is no symbol") == true)
    }

    @Test("a service that is polled has no connection; its last request failed or did not")
    func polled() throws {
        func view(_ state: String, _ reason: String) throws -> ProviderView {
            let said = """
                {"fred":{"state":"\(state)","reason":"\(reason)","failed_attempts":2,
                "polled_to":"2026-11-20T07:00:00Z","open_gaps":0,"instruments":[
                {"series":"DGS10","state":"live","reason":"","polled_to":""},
                {"series":"DFF","state":"down","reason":"no answer came","polled_to":""}]}}
                """
            return try #require(try views(said).first)
        }
        let good = try view("good", "")
        #expect(good.isConnected && good.delivers)
        #expect(
            ProviderTable(providers: [good]).lines == [
                "fred: answers; feeds: 1 live, 1 down", "  delivers: DGS10 (indicators)",
                "  SYMBOL  FEED        STATE  TRIED AGAIN  WHY",
                "  DFF     indicators  down   -            no answer came",
            ])
        for (state, words) in [
            ("failing", "DOES NOT ANSWER"), ("refused", "DOES NOT TAKE the key"),
            ("asking", "asking"),
        ] {
            let bad = try view(state, "said why")
            #expect(!bad.isConnected && !bad.isWhole)
            let line = ProviderTable(providers: [bad]).lines[0]
            #expect(line == "fred: \(words) (said why); feeds: 1 live, 1 down")
        }
    }
}
