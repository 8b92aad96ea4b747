import MarketModel
import ServiceTestSupport
import TestSupport
import Testing

@testable import ProviderGateway

/// The key of an account stays where it is.
@Suite("The keys of Alpaca and Massive")
struct VenueKeyTests {
    private static let secrets = [
        "PK0123456789ABCDEFGH", "s0123456789abcdef0123456789abcdef0123456",
    ]
    private static let faults: [(StageVenue, String)] =
        ["", "bad-json", "error 406", "error 405", "error 500", "expire", "truncate"]
        .map { (.alpaca, $0) }
        + ["", "bad-json", "displace", "expire", "truncate"].map { (.massive, $0) }

    private static func environment(_ venue: StageVenue, _ port: UInt16) -> [String: String] {
        let folder = "\(ServerPrograms.checkout)/services/provider-gateway/instruments"
        let list = venue == .alpaca ? "us-stocks" : "massive-stocks"
        var environment = [
            "GATEWAY_PROVIDER": venue.rawValue, "\(venue.prefix)_URL": "ws://127.0.0.1:\(port)",
            "\(venue.prefix)_API_KEY": secrets[0],
            "GATEWAY_INSTRUMENTS": "\(folder)/\(list).yaml",
        ]
        if venue == .alpaca {
            environment["ALPACA_FEED"] = "sip"
            environment["ALPACA_API_SECRET"] = secrets[1]
        }
        return environment
    }

    private func sayings(_ venue: StageVenue, _ port: UInt16) throws -> ProviderSayings {
        ProviderSayings(
            kind: venue.kind,
            instrument: Instrument(
                symbol: try #require(Symbol("AAPL")), contract: Instrument.Contract(.stock),
                feeds: .level1), environment: Self.environment(venue, port))
    }

    @Test(
        "they are in no log, page, record, metric or dump, whatever the service says",
        arguments: faults)
    func hidden(venue: StageVenue, fault: String) throws {
        let secret = venue == .alpaca ? ["--secret", Self.secrets[1], "--hold", "0"] : []
        let simulator = try SimulatorProcess(
            ["--rate", "50", "--key", Self.secrets[0]] + secret, program: "\(venue)-simulator")
        if fault == "expire" { #expect(try simulator.command(fault) == "ok") }
        let refusal = venue == .alpaca ? "auth failed" : "authentication failed"
        var isOrdered = false
        let text = try sayings(venue, simulator.port).text { sofar in
            let hasTrades = sofar.records.contains {
                if case .tape(.trade) = $0 { true } else { false }
            }
            if fault == "expire" { return sofar.page.contains(refusal) }
            if fault.isEmpty { return hasTrades }
            guard hasTrades, !isOrdered else {
                return isOrdered && sofar.log.contains("\(venue).trouble")
            }
            isOrdered = (try? simulator.command(fault)) == "ok"
            return false
        }
        #expect(!Self.secrets.contains { text.contains($0) })
    }

    @Test("nor when there is no server", arguments: [StageVenue.alpaca, .massive])
    func unreachable(venue: StageVenue) throws {
        let text = try sayings(venue, 1).text { $0.page.contains("127.0.0.1") }
        #expect(!Self.secrets.contains { text.contains($0) })
    }

    @Test(
        "the services demand them, and they go over TLS, to this host or to a simulator",
        arguments: [
            (.alpaca, [:], ""), (.massive, [:], ""),
            // Without an address it is that of the feed.
            (.massive, ["URL": "", "FEED": "delayed"], ""),
            (.alpaca, ["API_KEY": ""], "ALPACA_API_KEY_FILE: Alpaca demands"),
            (.massive, ["API_KEY": ""], "MASSIVE_API_KEY_FILE: Massive demands"),
            (.alpaca, ["API_SECRET": "a b"], "ALPACA_API_SECRET: it has no"),
            (.massive, ["API_KEY": "a b"], "MASSIVE_API_KEY: it has no"),
            (.alpaca, ["URL": "ws://192.0.2.1"], "over TLS alone"),
            (.massive, ["URL": "ws://192.0.2.1"], "over TLS alone"),
            (.alpaca, ["REST_URL": "http://192.0.2.1"], "over TLS alone"),
            (.massive, ["REST_URL": "http://192.0.2.1"], "over TLS alone"),
            // Simulators in the containers' network, by a name that no server of the web has.
            (
                .alpaca,
                ["URL": "ws://alpaca-simulator:9543", "REST_URL": "http://alpaca-simulator:9543"],
                ""
            ),
            (.massive, ["URL": "ws://my-simulator.example.com"], "over TLS alone"),
            (.massive, ["REST_URL": "http://massive"], "over TLS alone"),
            (.alpaca, ["URL": "alpaca"], "an address like"),
            (.massive, ["URL": "massive"], "an address like"),
            (.alpaca, ["PROXY": "x"], "name:port is needed"),
            (.massive, ["PROXY": "x"], "name:port is needed"),
            (.alpaca, ["FEED": "all"], "ALPACA_FEED"), (.massive, ["FEED": "sip"], "MASSIVE_FEED"),
            (.massive, ["BARS": "hour"], "MASSIVE_BARS"),
        ] as [(StageVenue, [String: String], String)])
    func rules(venue: StageVenue, more: [String: String], problem: String) {
        let given = Dictionary(
            uniqueKeysWithValues: more.map { ("\(venue.prefix)_\($0)", $1) })
        let problems = TestService.problems(
            Main.description(of: [.synthetic, venue.kind]),
            Self.environment(venue, 1).merging(given) { $1 }
        ).joined(separator: "\n")
        #expect(problem.isEmpty ? problems.isEmpty : problems.contains(problem), "\(problems)")
    }
}
