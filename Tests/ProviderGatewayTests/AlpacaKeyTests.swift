import AlpacaProvider
import Foundation
import MarketModel
import Primitives
import ProviderKit
import ServiceRuntime
import ServiceTestSupport
import TestSupport
import Testing

@testable import ProviderGateway

/// The key of an account stays where it is.
@Suite("The key of Alpaca")
struct AlpacaKeyTests {
    private static let key = "PK0123456789ABCDEFGH"
    private static let secret = "s0123456789abcdef0123456789abcdef0123456"

    private static func environment(_ port: UInt16) -> [String: String] {
        [
            "GATEWAY_PROVIDER": "alpaca", "ALPACA_URL": "ws://127.0.0.1:\(port)",
            "ALPACA_FEED": "sip", "ALPACA_API_KEY": key, "ALPACA_API_SECRET": secret,
            "GATEWAY_INSTRUMENTS":
                "\(ServerPrograms.checkout)/services/provider-gateway/instruments/us-stocks.yaml",
        ]
    }

    /// Everything that a provider says while it runs, on one text.
    private func said(
        _ environment: [String: String],
        until isEnough: ([ProviderRecord], String, String) -> Bool
    ) throws -> String {
        let log = CapturedLog()
        let telemetry = TelemetryHub(
            logger: Logger(service: "test", level: .trace, format: .json, sink: log.sink),
            metrics: MetricRegistry())
        let configuration = try TestService.configuration(
            Main.description(of: [.synthetic, .alpaca]), environment)
        let source = try ProviderKind.alpaca.make(
            ProviderKind.Context(
                configuration: configuration, telemetry: telemetry, threads: ThreadWatch()))
        let instrument = Instrument(
            symbol: try #require(Symbol("AAPL")), contract: Instrument.Contract(.stock),
            feeds: .level1)
        let order = ProviderOrder(
            source: try #require(SourceName("test")),
            registry: InstrumentRegistry([instrument]), instruments: [0])
        let channel = ProviderChannel()
        func page() -> String {
            var json = JSONWriter(capacity: 1_024)
            json.object { source.write(into: &$0) }
            return json.text
        }
        let before = page()
        #expect(before.contains("stopped"))
        try source.start(order, into: channel)
        var records: [ProviderRecord] = []
        let isThere = eventually {
            var batch: [ProviderRecord] = []
            _ = channel.receive(into: &batch)
            records += batch
            return isEnough(records, page(), log.text)
        }
        #expect(isThere, "\(page()) \(log.text)")
        source.follow(begun: [], ended: [0])
        var dumped = ""
        dump(source, to: &dumped)
        let everything = [
            log.text, page(), "\(records)", "\(source.standings)", dumped, "\(configuration)",
            String(decoding: telemetry.metrics.render(), as: UTF8.self),
        ].joined(separator: "\n")
        channel.close()
        #expect(source.stop(within: .seconds(10)))
        return everything
    }

    @Test(
        "it is in no log, page, record, metric or dump, whatever the service says",
        arguments: ["", "bad-json", "error 406", "error 405", "error 500", "expire", "truncate"])
    func hidden(_ fault: String) throws {
        let alpaca = try SimulatorProcess(
            ["--rate", "50", "--key", Self.key, "--secret", Self.secret, "--hold", "0"],
            program: "alpaca-simulator")
        if fault == "expire" { #expect(try alpaca.command(fault) == "ok") }
        var isOrdered = false
        let text = try said(Self.environment(alpaca.port)) { records, page, log in
            let hasTrades = records.contains {
                if case .tape(.trade) = $0 { true } else { false }
            }
            if fault == "expire" { return page.contains("auth failed") }
            guard hasTrades, !fault.isEmpty, !isOrdered else {
                return fault.isEmpty ? hasTrades : isOrdered && log.contains("alpaca.trouble")
            }
            isOrdered = (try? alpaca.command(fault)) == "ok"
            return false
        }
        #expect(!text.contains(Self.key) && !text.contains(Self.secret))
    }

    @Test("nor when there is no server")
    func unreachable() throws {
        let text = try said(Self.environment(1)) { _, page, _ in page.contains("127.0.0.1") }
        #expect(!text.contains(Self.key) && !text.contains(Self.secret))
    }

    @Test("Alpaca demands both, and they go over TLS or stay on this host")
    func rules() {
        func problems(_ more: [String: String]) -> String {
            TestService.problems(
                Main.description(of: [.synthetic, .alpaca]),
                Self.environment(1).merging(more) { $1 }
            ).joined(separator: "\n")
        }
        #expect(problems([:]).isEmpty)
        #expect(problems(["ALPACA_API_KEY": ""]).contains("ALPACA_API_KEY_FILE: Alpaca demands"))
        #expect(problems(["ALPACA_API_SECRET": "a b"]).contains("ALPACA_API_SECRET: it has no"))
        #expect(problems(["ALPACA_URL": "ws://192.0.2.1"]).contains("over TLS alone"))
        #expect(problems(["ALPACA_URL": "alpaca"]).contains("an address like"))
        #expect(problems(["ALPACA_PROXY": "x"]).contains("name:port is needed"))
        #expect(problems(["ALPACA_FEED": "all"]).contains("ALPACA_FEED"))
    }
}
