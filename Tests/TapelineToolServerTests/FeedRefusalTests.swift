import TestSupport
import Testing

@testable import TapelineTool
@testable import TapelineToolTests

/// `tapeline feed try` against what simulated services refuse. Each refusal that the services'
/// documentation names is in the tests of its engine.
@Suite("tapeline feed try, refused") struct FeedRefusalTests {
    /// A refusal, and the one line that is wanted.
    private struct Refusal {
        /// What the simulator is told before.
        var commands: [String] = []
        var settings: [String] = []
        var seconds = 20
        let status: Int32
        let words: [String]
    }

    private func expect(
        _ refusals: [Refusal], of feed: [String], _ settings: [String],
        _ simulator: SimulatorProcess
    ) throws {
        for refusal in refusals {
            for command in refusal.commands { _ = try simulator.command(command) }
            let given = (settings + refusal.settings).flatMap { ["--set", $0] }
            let (status, output) = try runTool(
                ["feed", "try"] + feed + given + ["--seconds", "\(refusal.seconds)"])
            #expect(status == refusal.status, "\(output)")
            // What came before the refusal is shown, too.
            let verdict = output.split(separator: "\n").filter { !$0.hasPrefix(" ") }
            #expect(verdict.count == 1 && verdict[0].hasPrefix("\(feed[0]) "), "\(output)")
            for word in refusal.words { #expect(output.contains(word), "\(word): \(output)") }
        }
    }

    /// What is said of a load of trades whose requests are refused.
    private func expectPlan(
        _ provider: String, _ symbol: String, _ settings: [String: String],
        _ refusals: [(commands: [String], symbol: String?, words: [String])],
        _ simulator: SimulatorProcess
    ) throws {
        let range = [
            "HISTORY_FROM": "2023-11-14T15:00:00Z", "HISTORY_TO": "2023-11-14T15:01:00Z",
            "GATEWAY_PROVIDER": "\(provider)-history",
        ]
        for refusal in refusals {
            for command in refusal.commands { _ = try simulator.command(command) }
            let question = try GatewayQuestion(
                program: ProductPrograms.path(StackPlan.gateway), word: "plan",
                environment: settings.merging(range) { $1 },
                list: FeedProbe.list(provider, [refusal.symbol ?? symbol], feeds: "trades"),
                timeout: .seconds(30))
            let answer = try question.ask(nil)
            let plan = LoadPlan(log: answer.log)
            let said = plan.parts.map(\.problem).first { !$0.isEmpty } ?? plan.problem ?? ""
            #expect(!said.contains("\n"))
            for word in refusal.words {
                #expect(
                    said.contains(word),
                    "\(word): \(said)\n\(String(decoding: answer.log, as: UTF8.self))")
            }
        }
    }

    @Test("requests for the past of Massive: a key, a plan, too many of them")
    func massivePast() throws {
        let massive = try SimulatorProcess([], program: "massive-simulator")
        try expectPlan(
            "massive", "AAPL",
            [
                "MASSIVE_REST_URL": "http://127.0.0.1:\(massive.port)",
                "MASSIVE_API_KEY": "test-key",
            ],
            [
                (["fail 1 403"], nil, ["(status 403)", "whether the plan has trades"]),
                (["limit 1 7200"], nil, ["too many requests", "try again in 7200 seconds"]),
                (["fail 1 404"], nil, ["(status 404)", "check the address"]),
                (["expire"], nil, ["(status 401)", "check MASSIVE_API_KEY_FILE"]),
            ], massive)
    }

    @Test("requests for the past of Alpaca: a key, a plan, too many of them")
    func alpacaPast() throws {
        let alpaca = try SimulatorProcess([], program: "alpaca-simulator")
        try expectPlan(
            "alpaca", "AAPL",
            [
                "ALPACA_REST_URL": "http://127.0.0.1:\(alpaca.port)", "ALPACA_API_KEY": "test-key",
                "ALPACA_API_SECRET": "test-secret",
            ],
            [
                (["limit 1 7200"], nil, ["too many requests", "try again in 7200 seconds"]),
                (["fail 1 422"], nil, ["(status 422)", "check the symbol"]),
                (["expire"], nil, ["(status 403)", "check ALPACA_API_KEY_FILE"]),
            ], alpaca)
    }

    @Test("requests for the past of Binance: symbols, limits, bans, and addresses without it")
    func binancePast() throws {
        let exchange = try SimulatorProcess([], program: "binance-simulator")
        try expectPlan(
            "binance", "BTCUSDT", ["BINANCE_REST_URL": "http://127.0.0.1:\(exchange.port)"],
            [
                // It has no such symbol: -1121.
                ([], "NOSUCHUSDT", ["has no symbol of this name: check how it is written"]),
                // The exchange's code with both is -1003.
                (["limit 1 7200"], nil, ["too many requests", "try again in 7200 seconds"]),
                (["fail 9 403"], nil, ["(status 403)", "a proxy between"]),
                (["fail 0", "ban 7200"], nil, ["has banned this address", "try again in 7"]),
            ], exchange)
    }

    @Test("Alpaca's key, plan and address")
    func alpaca() throws {
        let alpaca = try SimulatorProcess(["--no-sip"], program: "alpaca-simulator")
        let settings = [
            "ALPACA_URL=ws://127.0.0.1:\(alpaca.port)", "ALPACA_API_KEY=test-key",
            "ALPACA_RECONNECT_FIRST=100ms", "ALPACA_RECONNECT_MAX=1s",
        ]
        let right = "ALPACA_API_SECRET=test-secret"
        try expect(
            [
                Refusal(
                    settings: ["ALPACA_API_SECRET=other"], status: 1,
                    words: ["does not deliver AAPL", "auth failed (402)", "check ALPACA_API_KEY"]),
                Refusal(
                    settings: [right, "ALPACA_FEED=sip"], status: 1,
                    words: ["insufficient subscription (409)", "set ALPACA_FEED"]),
                Refusal(
                    commands: ["refuse 9 429"], settings: [right], status: 69,
                    words: ["is not reachable", "status 429", "too many requests: wait"]),
            ], of: ["alpaca", "AAPL"], settings, alpaca)
    }

    @Test("Massive's key")
    func massive() throws {
        let massive = try SimulatorProcess([], program: "massive-simulator")
        let settings = ["MASSIVE_URL=ws://127.0.0.1:\(massive.port)/stocks"]
        try expect(
            [
                Refusal(
                    settings: ["MASSIVE_API_KEY=other"], status: 1,
                    words: ["authentication failed", "check MASSIVE_API_KEY"])
            ], of: ["massive", "AAPL"], settings, massive)
    }

    @Test("Binance from a place that it does not serve")
    func binance() throws {
        let exchange = try SimulatorProcess([], program: "binance-simulator")
        try expect(
            [
                Refusal(
                    commands: ["refuse 9 451"], status: 69,
                    words: ["is not reachable", "status 451", "does not serve this country"]),
                Refusal(
                    commands: ["refuse 9 429"], status: 69,
                    words: ["status 429", "too many requests: wait"]),
            ], of: ["binance", "BTCUSDT"],
            [
                "BINANCE_URL=ws://127.0.0.1:\(exchange.port)/stream",
                "BINANCE_RECONNECT_FIRST=100ms", "BINANCE_RECONNECT_MAX=1s",
            ], exchange)
    }

    @Test("polled services: keys, limits and a series that is not there")
    func polled() throws {
        let services = try SimulatorProcess([], program: "polled-simulator")
        let address = "http://127.0.0.1:\(services.port)"
        try expect(
            [
                Refusal(
                    commands: ["coin-error 10010"], status: 1,
                    words: ["(status 400)", "COINGECKO_URL=https://pro-api.coingecko.com"]),
                Refusal(
                    commands: ["coin-error 0", "limit 9"], seconds: 2, status: 69,
                    words: ["(status 429)", "raise COINGECKO_EVERY"]),
            ], of: ["coingecko", "bitcoin"], ["COINGECKO_URL=\(address)"], services)
        try expect(
            [
                Refusal(
                    commands: ["limit 1", "fail 1 429"], seconds: 2, status: 69,
                    words: ["(status 429)", "raise FRED_EVERY"]),
                Refusal(
                    commands: ["expire"], status: 1,
                    words: ["api_key", "(status 400)", "check FRED_API_KEY_FILE"]),
            ], of: ["fred", "DGS10"],
            ["FRED_URL=\(address)", "FRED_API_KEY=abcdefghijklmnopqrstuvwxyz012345"], services)
    }

    @Test("TWS: a client id in use, data without a subscription, and another session")
    func broker() throws {
        let broker = try SimulatorProcess(["--symbols", "SPY"])
        try expect(
            [
                Refusal(
                    commands: ["permission SPY none"], status: 1,
                    words: ["(10168)", "subscribe to its market data"]),
                Refusal(
                    commands: ["permission SPY live", "competing SPY on"], seconds: 4, status: 69,
                    words: ["(10197)", "log the other session"]),
                Refusal(
                    settings: ["IBKR_PORT=1"], seconds: 2, status: 69,
                    words: ["is not reachable", "is TWS or IB Gateway running there?"]),
                Refusal(
                    commands: ["competing SPY off", "refuse-client-id on"], status: 69,
                    words: ["is not reachable", "(326)", "set another IBKR_CLIENT_ID"]),
            ], of: ["ibkr", "SPY"],
            ["IBKR_PORT=\(broker.port)", "IBKR_HOST=127.0.0.1", "IBKR_RECONNECT_FIRST=1s"], broker)
    }
}
