import Foundation
import MarketModel
import MassiveProvider
import Primitives
import ProviderKit
import ServiceRuntime
import ServiceTestSupport
import TestSupport
import Testing

@testable import ProviderGateway

/// The key of an account stays where it is.
@Suite("The key of Massive")
struct MassiveKeyTests {
    private static let key = "m0123456789abcdefABCDEF0123456789"

    private static func environment(_ port: UInt16) -> [String: String] {
        [
            "GATEWAY_PROVIDER": "massive", "MASSIVE_URL": "ws://127.0.0.1:\(port)",
            "MASSIVE_API_KEY": key,
            "GATEWAY_INSTRUMENTS":
                "\(ServerPrograms.checkout)/services/provider-gateway/instruments/"
                + "massive-stocks.yaml",
        ]
    }

    private func sayings(_ port: UInt16) throws -> ProviderSayings {
        ProviderSayings(
            kind: .massive,
            instrument: Instrument(
                symbol: try #require(Symbol("AAPL")), contract: Instrument.Contract(.stock),
                feeds: .level1), environment: Self.environment(port))
    }

    @Test(
        "it is in no log, page, record, metric or dump, whatever the service says",
        arguments: ["", "bad-json", "displace", "expire", "truncate"])
    func hidden(_ fault: String) throws {
        let massive = try SimulatorProcess(
            ["--rate", "50", "--key", Self.key], program: "massive-simulator")
        if fault == "expire" { #expect(try massive.command(fault) == "ok") }
        var isOrdered = false
        let text = try sayings(massive.port).text { sofar in
            let hasTrades = sofar.records.contains {
                if case .tape(.trade) = $0 { true } else { false }
            }
            if fault == "expire" { return sofar.page.contains("authentication failed") }
            guard hasTrades, !fault.isEmpty, !isOrdered else {
                return fault.isEmpty
                    ? hasTrades
                    : isOrdered
                        && sofar.log.contains("massive.trouble")
            }
            isOrdered = (try? massive.command(fault)) == "ok"
            return false
        }
        #expect(!text.contains(Self.key))
    }

    @Test("nor when there is no server")
    func unreachable() throws {
        let text = try sayings(1).text { $0.page.contains("127.0.0.1") }
        #expect(!text.contains(Self.key))
    }

    @Test("Massive demands it, and it goes over TLS or stays on this host")
    func rules() {
        func problems(_ more: [String: String]) -> String {
            TestService.problems(
                Main.description(of: [.synthetic, .massive]),
                Self.environment(1).merging(more) { $1 }
            ).joined(separator: "\n")
        }
        #expect(problems([:]).isEmpty)
        // Without an address it is that of the feed.
        #expect(problems(["MASSIVE_URL": "", "MASSIVE_FEED": "delayed"]).isEmpty)
        #expect(problems(["MASSIVE_API_KEY": ""]).contains("MASSIVE_API_KEY_FILE: Massive demands"))
        #expect(problems(["MASSIVE_API_KEY": "a b"]).contains("MASSIVE_API_KEY: it has no"))
        #expect(problems(["MASSIVE_URL": "ws://192.0.2.1"]).contains("over TLS alone"))
        #expect(problems(["MASSIVE_URL": "massive"]).contains("an address like"))
        #expect(problems(["MASSIVE_PROXY": "x"]).contains("name:port is needed"))
        #expect(problems(["MASSIVE_FEED": "sip"]).contains("MASSIVE_FEED"))
        #expect(problems(["MASSIVE_BARS": "hour"]).contains("MASSIVE_BARS"))
    }
}
