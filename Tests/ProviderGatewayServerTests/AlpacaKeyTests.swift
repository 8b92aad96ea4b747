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

    private func sayings(_ port: UInt16) throws -> ProviderSayings {
        ProviderSayings(
            kind: .alpaca,
            instrument: Instrument(
                symbol: try #require(Symbol("AAPL")), contract: Instrument.Contract(.stock),
                feeds: .level1), environment: Self.environment(port))
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
        let text = try sayings(alpaca.port).text { sofar in
            let hasTrades = sofar.records.contains {
                if case .tape(.trade) = $0 { true } else { false }
            }
            if fault == "expire" { return sofar.page.contains("auth failed") }
            guard hasTrades, !fault.isEmpty, !isOrdered else {
                return fault.isEmpty ? hasTrades : isOrdered && sofar.log.contains("alpaca.trouble")
            }
            isOrdered = (try? alpaca.command(fault)) == "ok"
            return false
        }
        #expect(!text.contains(Self.key) && !text.contains(Self.secret))
    }

    @Test("nor when there is no server")
    func unreachable() throws {
        let text = try sayings(1).text { $0.page.contains("127.0.0.1") }
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
