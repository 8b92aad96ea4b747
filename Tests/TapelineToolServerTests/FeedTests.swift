import Foundation
import Primitives
import ServiceRuntime
import TestSupport
import Testing

@testable import TapelineTool
@testable import TapelineToolTests

@Suite("tapeline feed try")
struct FeedTests {
    // MARK: arguments

    @Test("a provider and a symbol, and what else is asked for")
    func arguments() throws {
        let plain = try FeedCommand.parse(["try", "binance", "BTCUSDT"])
        #expect(plain == FeedCommand(feed: try TriedFeed("binance", "BTCUSDT")))
        var whole = FeedCommand(feed: try TriedFeed("replay", "/a/b.recording"))
        (whole.ticks, whole.seconds) = (3, 5)
        whole.settings = ["IBKR_PORT": "1", "A": ""]
        (whole.report, whole.asJSON) = ("r.json", true)
        #expect(
            try FeedCommand.parse([
                "try", "replay", "/a/b.recording", "--ticks", "3", "--seconds=5", "--set",
                "IBKR_PORT=1", "--set", "A=", "--report", "r.json", "--json",
            ]) == whole)
    }

    @Test(
        "what is wrong is said",
        arguments: [
            (["try", "binance"], "'tapeline feed try' wants PROVIDER SYMBOL"),
            (["look", "binance", "BTCUSDT"], "'tapeline feed' wants try"),
            (["try", "Binance", "BTCUSDT"], "'Binance' is no provider"),
            (["try", "binance", ""], "is no symbol"), (["try", "ibkr", "a\"b"], "is no symbol"),
            (["try", "ibkr", "SPY", "--ticks", "0"], "--ticks wants a number"),
            (["try", "ibkr", "SPY", "--set", "A"], "--set wants KEY=VALUE"),
        ])
    func wrong(_ arguments: [String], _ problem: String) {
        #expect(complaint { try FeedCommand.parse(arguments) }.contains(problem))
    }

    @Test("the doctor takes providers to try")
    func doctor() throws {
        let command = try DoctorCommand.parse(["--feed", "binance/BTCUSDT", "--feed", "ibkr/SPY"])
        #expect(
            try command.feeds == [TriedFeed("binance", "BTCUSDT"), TriedFeed("ibkr", "SPY")])
    }

    @Test("PROVIDER=NAME of up is the setting GATEWAY_PROVIDER")
    func provider() throws {
        var options = Stack.UpOptions()
        try options.settings.add("GATEWAY_PROVIDER=binance")
        options.withSimulator = true
        #expect(
            try UpCommand.parse(["PROVIDER=binance", "--simulator"])
                == UpCommand(options: options))
        #expect(options.simulators == [.binance])
    }

    // MARK: outcomes

    private func outcome(_ end: String, wanted: Int = 2) -> FeedOutcome {
        let tick =
            #"{"event":"gateway.trial.tick","symbol":"A","kind":"trade","values":"1 x 2","#
            + #""provider_time":5,"receive_time":1700000000000000000}"#
        return FeedOutcome(
            provider: "binance", subject: "A", wanted: wanted,
            log: Array("\(tick)\n\(end)\n".utf8))
    }

    @Test(
        "the log of a trial becomes a verdict",
        arguments: [
            (#""ticks":2,"live_after":1,"tick_after":2"#, FeedOutcome.Verdict.works, 0),
            (#""ticks":1,"live_after":1,"tick_after":2"#, .quiet, 2),
            (#""ticks":0,"live_after":-1,"state":"ready""#, .quiet, 2),
            (#""ticks":0,"live_after":-1,"refused":true"#, .refused, 1),
            (#""ticks":0,"live_after":-1,"state":"connecting","reason":"no"#, .failed, 1),
            (#""ticks":0,"live_after":-1,"state":"closed","reason":"no""#, .unreachable, 69),
            (#""ticks":0,"live_after":-1,"state":"occupied","reason":"no""#, .occupied, 69),
            (#""ticks":0,"live_after":9,"state":"competing","reason":"no""#, .occupied, 69),
            (#""ticks":0,"live_after":-1,"state":"server-lost","reason":"no""#, .unreachable, 69),
            (#""ticks":0,"live_after":-1,"state":"silent""#, .quiet, 2),
        ])
    func verdicts(_ end: String, _ verdict: FeedOutcome.Verdict, _ code: Int32) {
        let outcome = outcome(#"{"event":"gateway.trial",\#(end)}"#)
        #expect(outcome.verdict == verdict && outcome.exitCode.rawValue == code)
        #expect(outcome.ticks.count == 1 && outcome.lines.count == 2)
        #expect(outcome.lines.last == outcome.sentence && !outcome.sentence.contains("\n"))
    }

    @Test("what a gateway says that does not begin is the reason")
    func failure() {
        let log =
            "provider-gateway: GATEWAY_PROVIDER: x is none of synthetic\n"
            + "provider-gateway: 1 problem: nothing was started\n"
        let failed = FeedOutcome(provider: "x", subject: "A", wanted: 1, log: Array(log.utf8))
        #expect(failed.verdict == .failed && failed.sentence.hasSuffix("is none of synthetic"))
        let silent = FeedOutcome(provider: "x", subject: "A", wanted: 1, log: [])
        #expect(silent.sentence.hasSuffix("the gateway ended without a result"))
    }

    @Test("a report has the settings and the log, and no secret")
    func report() throws {
        let result = FeedProbe.Result(
            outcome: outcome(#"{"event":"gateway.trial","ticks":2}"#),
            log: Array("one\nkey hunter22\n".utf8))
        let report = FeedReport(
            result,
            [
                "IBKR_PORT": "7", "NATS_PASSWORD": "hunter22", "HOME": "/x",
                "NATS_PASSWORD_FILE": "/y",
            ])
        let json = try JSONValue.parse(report.bytes)
        #expect(json["verdict"]?.string == "works" && json["log"]?.array?.count == 2)
        let settings = try #require(json["settings"]?.members)
        #expect(Set(settings.map(\.key)) == ["IBKR_PORT", "NATS_PASSWORD", "NATS_PASSWORD_FILE"])
        #expect(!String(decoding: report.bytes, as: UTF8.self).contains("hunter22"))
    }

    // MARK: with programs

    private func run(_ words: [String]) throws -> (status: Int32, output: String) {
        try runTool(["feed", "try"] + words)
    }

    @Test("the simulated exchange delivers, and a report is written")
    func exchange() throws {
        let exchange = try SimulatorProcess(["--rate", "300"], program: "binance-simulator")
        let folder = try TemporaryFolder("report")
        let url = "BINANCE_URL=ws://127.0.0.1:\(exchange.port)/stream"
        let (status, output) = try run([
            "binance", "BTCUSDT", "--set", url, "--report", folder.file("report.json"),
        ])
        #expect(status == 0, "\(output)")
        #expect(output.contains("binance works: ") && output.contains("trade  BTCUSDT"))
        let report = try JSONValue.parse(
            Array(Data(contentsOf: URL(fileURLWithPath: folder.file("report.json")))))
        #expect(report["verdict"]?.string == "works" && report["first"]?.array?.count == 10)
        let again = try run([
            "binance", "BTCUSDT", "--set", url, "--report", folder.file("report.json"),
        ])
        #expect(again.status == 1 && again.output.contains("is there already"))
        // The exchange answers, and has no such symbol.
        let quiet = try run(["binance", "NONEUSDT", "--set", url, "--seconds", "1", "--json"])
        #expect(quiet.status == 2)
        #expect(try JSONValue.parse(quiet.output)["verdict"]?.string == "quiet")
        // Asked for its list, it says so.
        let unknown = try run([
            "binance", "NONEUSDT", "--set", url, "--set",
            "BINANCE_REST_URL=http://127.0.0.1:\(exchange.port)",
        ])
        #expect(unknown.status == 1)
        #expect(unknown.output.hasSuffix(": write it as the exchange does, like BTCUSDT\n"))
        #expect(unknown.output.contains(": the exchange has no symbol NONEUSDT: "))
    }

    @Test(
        "a stock of Alpaca and a coin are tried, with what each needs",
        arguments: [("AAPL", "sip"), ("BTC/USD", "crypto")])
    func alpaca(symbol: String, feed: String) throws {
        let alpaca = try SimulatorProcess(["--rate", "100"], program: "alpaca-simulator")
        let words = [
            "alpaca", symbol, "--set", "ALPACA_URL=ws://127.0.0.1:\(alpaca.port)", "--set",
            "ALPACA_FEED=\(feed)", "--set", "ALPACA_API_KEY=test-key", "--set",
        ]
        let output = try run(words + ["ALPACA_API_SECRET=test-secret"]).output
        #expect(output.contains("alpaca works: "), "\(output)")
        let wrong = try run(words + ["ALPACA_API_SECRET=other-one", "--seconds", "2"]).output
        #expect(wrong.contains("auth failed") && !wrong.contains("other-one"), "\(wrong)")
    }

    @Test(
        "one value of a polled series is enough, and the report has no key",
        .enabled(if: PythonServer.obstacle == nil))
    func series() throws {
        let key = "0123456789abcdef0123456789abcdef"
        let script =
            "\(ServerPrograms.checkout)/Tests/ProviderGatewayServerTests/polled_services.py"
        let services = try PythonServer(script, [key])
        let folder = try TemporaryFolder("report")
        let url = "FRED_URL=http://127.0.0.1:\(services.port())"
        let (status, output) = try run([
            "fred", "DGS10", "--set", url, "--set", "FRED_API_KEY=\(key)", "--report",
            folder.file("report.json"),
        ])
        #expect(status == 0, "\(output)")
        #expect(output.contains("fred works: a value of DGS10") && output.contains("4.11 %"))
        let report = try String(contentsOfFile: folder.file("report.json"), encoding: .utf8)
        #expect(report.contains("FRED_API_KEY") && !report.contains(key) && !output.contains(key))
        let none = try run([
            "fred", "NONE", "--set", url, "--set", "FRED_API_KEY=\(key)", "--json",
        ])
        #expect(none.status == 1)
        #expect(try JSONValue.parse(none.output)["verdict"]?.string == "refused")
    }

    @Test(
        "an exchange that is not there is said to be unreachable, in one line, after three attempts"
    )
    func unreachable() throws {
        let exchange = try SimulatorProcess([], program: "binance-simulator")
        let port = exchange.port
        exchange.stop()
        let (status, output) = try run([
            "binance", "BTCUSDT", "--set", "BINANCE_URL=ws://127.0.0.1:\(port)/stream",
            "--seconds", "600",
        ])
        #expect(status == 69)
        #expect(output.hasPrefix("binance is not reachable: ") && output.contains(":\(port)"))
        #expect(output.split(separator: "\n").count == 1)
    }

    @Test("an interrupted trial says that it knows nothing, and leaves no file")
    func interrupted() throws {
        let exchange = try SimulatorProcess([], program: "binance-simulator")
        let folder = try TemporaryFolder("feed")
        let built = FileSystem.folder(of: try Checkout.ownExecutable())
        let process = try ServerProcess(
            "\(built)/tapeline",
            [
                "feed", "try", "binance", "NONEUSDT", "--set",
                "BINANCE_URL=ws://127.0.0.1:\(exchange.port)/stream", "--seconds", "600",
            ], environment: ["TMPDIR": folder.path], logPath: folder.file("output"))
        func trials() throws -> [String] {
            try FileManager.default.contentsOfDirectory(atPath: folder.path)
                .filter { $0.hasPrefix("tapeline-try-") }
        }
        #expect(try eventually { try !trials().isEmpty })
        #expect(process.stop(SIGINT) == 130)
        #expect(process.log.contains("interrupted: whether binance works is not known"))
        #expect(try trials().isEmpty)
    }

    @Test("the synthetic market delivers; a provider that is none is named")
    func synthetic() throws {
        let (status, output) = try run(["synthetic", "SPY", "--json"])
        #expect(status == 0, "\(output)")
        #expect(try JSONValue.parse(output)["ticks"]?.int ?? 0 >= 10)
        let none = try run(["nothing", "SPY"])
        #expect(none.status == 1 && none.output.contains("nothing is none of"))
    }

    @Test("Interactive Brokers' simulated TWS delivers")
    func broker() throws {
        let broker = try SimulatorProcess(["--rate", "2000", "--symbols", "SPY"])
        let (status, output) = try run([
            "ibkr", "SPY", "--set", "IBKR_PORT=\(broker.port)", "--set", "IBKR_HOST=127.0.0.1",
        ])
        #expect(status == 0, "\(output)")
        #expect(output.contains("ibkr works: "))
    }
}
