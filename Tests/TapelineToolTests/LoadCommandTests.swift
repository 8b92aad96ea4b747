import Foundation
import MarketModel
import Primitives
import ServiceRuntime
import TestSupport
import Testing

@testable import TapelineTool

@Suite("tapeline load, before anything is loaded")
struct LoadCommandTests {
    private static let now = "2026-11-20T12:00:00Z"
    private static let range = ["--from", "2026-11-01", "--to", "2026-11-02T12:30:00Z"]

    private static func parse(_ arguments: [String]) throws -> LoadCommand {
        let now = try #require(ISOTime.parse(now))
        return try LoadCommand.parse(arguments, now: now)
    }

    // MARK: arguments

    @Test("a provider, symbols and a range; the source is that of its past")
    func plain() throws {
        let command = try Self.parse(["binance", "ETHUSDT", "BTCUSDT", "ETHUSDT"] + Self.range)
        #expect(command.provider == "binance" && command.kind == "binance-history")
        #expect(command.symbols.map(\.text) == ["ETHUSDT", "BTCUSDT"])
        #expect(command.source.text == "binance-history")
        #expect(command.from == ISOTime.parse("2026-11-01T00:00:00Z"))
        #expect(command.to == ISOTime.parse("2026-11-02T12:30:00Z"))
        #expect(!command.prints && !command.isConfirmed && !command.asJSON)
        #expect(command.target == TapeTarget())
    }

    @Test("what else can be given")
    func whole() throws {
        let command = try Self.parse(
            ["binance", "BTCUSDT", "--from=-2d", "--to", "-1m", "--source", "x-history-2"]
                + ["--yes", "--json", "--print", "--name", "other"])
        #expect(command.source.text == "x-history-2" && command.target.stack == "other")
        #expect(command.prints && command.isConfirmed && command.asJSON)
        #expect(command.to == ISOTime.parse("2026-11-20T11:59:00Z"))
        #expect(command.times == "--from 2026-11-18T12:00:00Z --to 2026-11-20T11:59:00Z")
    }

    @Test("with --bars the exchange's bars come, of that length")
    func bars() throws {
        let command = try Self.parse(["binance", "BTCUSDT", "--bars", "1d"] + Self.range)
        #expect(command.bars == "1d" && command.what == "bars (1d)")
        #expect(command.environment["BINANCE_BARS"] == "1d")
        #expect(command.list.contains("currency: USDT, feeds: bars}"))
        let trades = try Self.parse(["binance", "BTCUSDT"] + Self.range)
        #expect(trades.bars.isEmpty && trades.environment["BINANCE_BARS"] == nil)
        #expect(trades.what == "trades")
    }

    @Test(
        "what is wrong is said",
        arguments: [
            ([], "wants a provider (binance, alpaca, massive, ibkr) and symbols"),
            (["fred", "GDP"], "'fred' has no past to load; these have: binance, alpaca,"),
            (["binance"], "no symbol is given"),
            (["binance", "A\"B"], "is no symbol"),
            (["binance", "A", "--from", "-1h"], "wants --to TIME"),
            (["binance", "A", "--to", "-1h"], "wants --from TIME"),
            (["binance", "A", "--from", "-1h", "--to", "-2h"], "--from has to come before --to"),
            (["binance", "A", "--from", "-1h", "--to", "-59s"], "a minute ago at least"),
            (["binance", "A", "--from", "beginning", "--to", "-1h"], "--from wants a time"),
            (["binance", "A", "--source", "binance"], "a name that ends in -history or"),
            (["binance", "A", "--source", "No"], "'No' is no source"),
            (
                ["binance", "A", "--bars", "7m"],
                "--bars of binance wants a length (1s, 1m, 3m, 5m, 15m"
            ),
            (["binance", "A", "--bars", "1M"], "not '1M': months differ, and are made of days"),
            (
                ["alpaca", "A", "--bars", "1s"],
                "--bars of alpaca wants a length (1m, 5m, 15m, 30m, 1h, 4h, 1d), and not '1s'"
            ),
            (["ibkr", "A", "--bars", "6h"], "--bars of ibkr wants a length (1s, 5s, 10s"),
            (["binance", "A", "--instruments", "x.yaml"], "--instruments is for ibkr"),
            (["binance", "A", "--speed", "1"], "does not take '--speed'"),
        ])
    func wrong(arguments: [String], problem: String) {
        #expect(complaint { try Self.parse(arguments) }.contains(problem))
    }

    @Test("one load has so many symbols, and no more")
    func bounded() {
        let symbols = (0...200).map { "S\($0)" }
        #expect(
            complaint { try Self.parse(["binance"] + symbols + Self.range) }.contains(
                "201 symbols are given, and 200"))
    }

    @Test("all mistakes are said together")
    func together() throws {
        let error = #expect(throws: ToolError.self) {
            try Self.parse(["fred", "--from", "-1h", "--to", "now", "--source", "ibkr"])
        }
        let text = try #require(error).description
        for problem in [
            "'fred' has no past", "no symbol is given", "a minute ago", "--source wants",
        ] {
            #expect(text.contains(problem), "\(text)")
        }
        #expect(error?.exitCode.rawValue == 64)
    }

    @Test("the gateway's settings and its list")
    func settings() throws {
        let command = try Self.parse(["binance", "BTCUSDT", "ETHUSDT"] + Self.range)
        #expect(
            command.environment == [
                "GATEWAY_PROVIDER": "binance-history", "GATEWAY_SOURCE": "binance-history",
                "HISTORY_FROM": "2026-11-01T00:00:00.000000000Z",
                "HISTORY_TO": "2026-11-02T12:30:00.000000000Z", "GATEWAY_LIVE": "false",
                "GATEWAY_LATENCY": "frugal",
            ])
        #expect(
            command.list
                == "version: 1\ndefaults: {security: crypto, exchange: BINANCE, currency: USDT, "
                + "feeds: trades}\ninstruments:\n  - \"BTCUSDT\"\n  - \"ETHUSDT\"\n")
    }

    // MARK: the plan

    private static func plan(_ lines: String...) -> LoadPlan {
        LoadPlan(log: Array((lines.joined(separator: "\n") + "\n").utf8))
    }

    private static func symbol(_ symbol: String, _ count: Int, problem: String = "") -> String {
        #"{"event":"gateway.plan.symbol","symbol":"\#(symbol)","count":\#(count),"#
            + #""problem":"\#(problem)"}"#
    }

    private static func whole(
        _ count: String, requests: Int = 1, seconds: Double = 0, problem: String = ""
    ) -> String {
        #"{"event":"gateway.plan",\#(count),"requests":\#(requests),"seconds":\#(seconds),"#
            + #""symbols":1,"problem":"\#(problem)"}"#
    }

    @Test("a plan is said in a few lines, with what has no trade")
    func planned() throws {
        let plan = Self.plan(
            Self.symbol("BTCUSDT", 1_000_000), Self.symbol("ETHUSDT", 0),
            Self.whole(#""count":1000000"#, requests: 1_004, seconds: 502))
        #expect(plan.problem == nil && plan.count == 1_000_000 && plan.requests == 1_004)
        #expect(plan.seconds == 502 && plan.parts.map(\.symbol) == ["BTCUSDT", "ETHUSDT"])
        let command = try Self.parse(["binance", "BTCUSDT", "ETHUSDT"] + Self.range)
        #expect(
            plan.lines(of: command) == [
                "binance has 1000000 trades of BTCUSDT, ETHUSDT from 2026-11-01T00:00:00Z to "
                    + "2026-11-02T12:30:00Z",
                "they take 1004 requests, about 8 minutes at binance, about 85.8 MiB on the tape "
                    + "and 142 MiB of rows",
                "no trades in that time: ETHUSDT",
            ])
    }

    @Test("each provider has its source, its list and its key of bars")
    func providers() throws {
        let alpaca = try Self.parse(["alpaca", "AAPL", "--bars=5m"] + Self.range)
        #expect(alpaca.source.text == "alpaca-history" && alpaca.kind == "alpaca-history")
        #expect(alpaca.environment["ALPACA_HISTORY_BARS"] == "5m")
        #expect(alpaca.list.contains("security: stock") && alpaca.list.contains("feeds: bars}"))
        let massive = try Self.parse(["massive", "AAPL"] + Self.range)
        #expect(massive.environment["MASSIVE_HISTORY_BARS"] == nil)
        #expect(massive.list.contains("feeds: trades}"))
    }

    @Test("a number that is worked out is said so, and one that is not known is no 0")
    func rough() throws {
        let command = try Self.parse(["alpaca", "AAPL"] + Self.range)
        let about = Self.plan(Self.whole(#""count":1000,"counted":"about""#))
        #expect(about.problem == nil && !about.isEmpty)
        let lines = about.lines(of: command)
        #expect(lines[0].hasPrefix("alpaca has about 1000 trades of AAPL from "))
        #expect(lines[0].hasSuffix(", by alpaca's own bars"))
        #expect(lines[1].hasPrefix("they take about 1 requests, "))
        let unknown = Self.plan(
            #"{"event":"gateway.plan.symbol","symbol":"AAPL","counted":"unknown","problem":""}"#,
            Self.whole(#""counted":"unknown""#))
        #expect(unknown.problem == nil && !unknown.isEmpty)
        #expect(unknown.lines(of: command).count == 1)
        #expect(unknown.lines(of: command)[0].contains("how many is not known"))
    }

    @Test(
        "a plan with other fields is one of another release, and not one without trades",
        arguments: [
            #"{"event":"gateway.plan","trades":5,"requests":1,"seconds":0,"problem":""}"#,
            #"{"event":"gateway.plan","count":5,"seconds":0,"problem":""}"#,
            #"{"event":"gateway.plan","count":5,"requests":1,"problem":""}"#,
        ])
    func otherRelease(line: String) {
        #expect(Self.plan(line).problem?.contains("of different releases") == true)
    }

    @Test("the folder of a killed process is removed by the next one, and no other one is")
    func leftFolders() throws {
        let parent = try TemporaryFolder()
        let environment = ["TMPDIR": parent.path]
        // No process has the highest number.
        let names = [
            "tapeline-load-4194304-abcdef", "tapeline-load-\(getpid())-abcdef",
            "tapeline-plan-4194304-abcdef", "tapeline-load-4194304-a", "tapeline-load-x-abcdef",
        ]
        for name in names { try FileSystem.makeFolder(parent.file(name)) }
        let folder = try FileSystem.makeTemporaryFolder("load", environment)
        #expect(names.filter { FileSystem.exists(parent.file($0)) } == Array(names.dropFirst()))
        #expect(FileSystem.isFolder(folder))
    }

    @Test("a plan of bars says so")
    func plannedBars() throws {
        let plan = Self.plan(
            Self.symbol("BTCUSDT", 365), Self.whole(#""count":365"#, requests: 2))
        let command = try Self.parse(["binance", "BTCUSDT", "--bars=1d"] + Self.range)
        #expect(
            plan.lines(of: command) == [
                "binance has 365 bars (1d) of BTCUSDT from 2026-11-01T00:00:00Z to "
                    + "2026-11-02T12:30:00Z",
                "they take 2 requests, about 0 seconds at binance, about 53.5 KiB on the tape "
                    + "and 103 KiB of rows",
            ])
    }

    @Test(
        "a line that says why the exchange is asked again is found, and its wait is bounded",
        arguments: [
            (#"{"event":"history.plan.waits","message":"429: in 7 s","seconds":7}"#, 7),
            (#"{"event":"history.plan.waits","message":"418","seconds":99999999}"#, 3_600),
            (#"{"event":"history.plan.waits","message":"x","seconds":-5}"#, 0),
            (#"{"event":"gateway.plan","message":"x","seconds":7}"#, nil),
        ] as [(String, Int?)])
    func waits(line: String, seconds: Int?) throws {
        let wait = LoadPlan.wait(try JSONValue.parse(Array(line.utf8)))
        #expect(wait?.time == seconds.map { .seconds($0) })
        #expect(seconds == nil || wait?.why.isEmpty == false)
    }

    @Test("a password in a command to copy is named by the variable that the person has")
    func printed() {
        let settings = ["NATS_USER": "it's", "NATS_PASSWORD": "hidden"]
        let own = ToolGateway.printed(settings, "/bin/gateway")
        #expect(
            own == [
                #"NATS_PASSWORD="$NATS_PASSWORD" \"#, #"NATS_USER='it'\''s' \"#, "'/bin/gateway'",
            ])
        let other = ToolGateway.printed(
            settings, "/bin/gateway", variables: ["NATS_PASSWORD": "LOAD_NATS_PASSWORD"])
        #expect(other.first == #"NATS_PASSWORD="$LOAD_NATS_PASSWORD" \"#)
        #expect(!(own + other).joined().contains("hidden"))
    }

    @Test(
        "a plan that failed says why",
        arguments: [
            (#"{"event":"gateway.plan","count":0,"problem":"418: banned"}"#, "418: banned"),
            (#"{"event":"x","level":"error","message":"no route"}"#, "no route"),
            (
                "provider-gateway: HISTORY_TO: wrong\nprovider-gateway: 1 problem",
                "HISTORY_TO: wrong"
            ),
            ("", "the gateway ended without a plan"),
        ])
    func failed(log: String, problem: String) {
        #expect(Self.plan(log).problem?.contains(problem) == true)
    }

    @Test("the cause of a refusal is said once")
    func once() {
        let plan = Self.plan(
            Self.symbol("X", 0, problem: "away"), Self.symbol("Y", 0, problem: "unknown"),
            Self.whole(#""count":0"#, problem: "X: away"))
        #expect(plan.problem == "X: away")
        #expect(plan.problems(besides: "X: away") == ["Y: unknown"])
        #expect(plan.problems() == ["X: away", "Y: unknown"])
    }

    @Test("a symbol's own problem is said with its name")
    func problems() throws {
        let plan = Self.plan(
            Self.symbol("X", 0, problem: "unknown"), Self.whole(#""count":5"#, seconds: 1))
        let command = try Self.parse(["binance", "X"] + Self.range)
        #expect(plan.lines(of: command).last == "X: unknown")
        #expect(plan.lines(of: command).count == 3 && plan.seconds == 1)
    }

    @Test(
        "times in the unit that a person waits in",
        arguments: [
            (0.0, "0 seconds"), (0.4, "1 seconds"), (89, "89 seconds"), (90, "2 minutes"),
            (3_600, "60 minutes"), (5_400, "1.5 hours"), (1e300, "10000.0 hours"),
        ])
    func times(seconds: Double, text: String) {
        #expect(LoadPlan.time(seconds) == text)
    }

    @Test("rows that the database removes again are announced, and only those")
    func retention() throws {
        let now = try #require(ISOTime.parse(Self.now))
        let old = try #require(ISOTime.parse("2026-10-01T00:00:00Z"))
        let warning = LoadPlan.warning("trades", keptSeconds: 30 * 86_400, from: old, now: now)
        #expect(
            warning
                == "the database keeps trades for 30 days (WRITER_RETENTION): rows of days before "
                + "2026-10-21 are removed again")
        #expect(LoadPlan.warning("bars", keptSeconds: 60 * 86_400, from: old, now: now) == nil)
        #expect(LoadPlan.warning("bars", keptSeconds: .max, from: old, now: now) == nil)
    }

    // MARK: progress

    @Test("progress is read from the provider of the load alone")
    func progress() throws {
        let status = try JSONValue.parse(
            Array(
                #"""
                {"gateway":{"role":"active","finished":true,"waiting":0,"providers":{
                    "binance-history":{"process":7,"state":"finished","problem":null,"records":12,
                        "begin":"2026-11-01T00:00:00Z","reached":"2026-11-02T00:00:00Z",
                        "end":"2026-11-02T00:00:00Z"}}}}
                """#.utf8))
        let progress = try #require(GatewayProgress(status, of: "binance-history", in: 7))
        #expect(progress.isDone && progress.records == 12 && progress.problem == nil)
        #expect(
            progress.line(packetsInAll: nil)
                == "finished 100 %, 12 records, up to 2026-11-02T00:00:00.000000000Z")
        #expect(progress.slowed == nil)
        #expect(GatewayProgress(status, of: "binance-history", in: 8) == nil)
        // A gateway without this provider is waiting for its turn.
        #expect(GatewayProgress(status, of: "replay", in: 7)?.state == "active")
    }

    @Test("progress says that the load waits for the store, and how far that is behind")
    func slowed() throws {
        let status = try JSONValue.parse(
            #"""
            {"gateway":{"role":"active","finished":false,"waiting":0,"slowed":{"group":"store",
                "lag":1234567,"lag_max":1000000,"since":"2026-11-02T00:00:00Z"},"providers":{
                "binance-history":{"process":7,"state":"loading","problem":null,"records":12}}}}
            """#)
        let progress = try #require(GatewayProgress(status, of: "binance-history", in: 7))
        #expect(
            progress.line(packetsInAll: nil)
                == "loading, 12 records; waits for the store: 1.2 million ticks behind")
    }
}
