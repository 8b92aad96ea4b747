import Foundation
import MarketModel
import PolledProvider
import Primitives
import ProviderKit
import ServiceRuntime
import ServiceTestSupport
import TapeCodec
import TapeProtocol
import TestSupport
import Testing

@testable import ProviderGateway

/// The services on loopback, and a gateway's settings for them.
private struct Stage {
    static let key = "0123456789abcdef0123456789abcdef"
    private static let script =
        "\(ServerPrograms.checkout)/Tests/ProviderGatewayServerTests/polled_services.py"

    let services: PythonServer
    let folder: TemporaryFolder

    init() throws {
        services = try PythonServer(Self.script, [Self.key])
        folder = try TemporaryFolder("polled")
        try Self.key.write(toFile: folder.file("key"), atomically: true, encoding: .utf8)
        _ = try run("/bin/chmod", ["600", folder.file("key")])
    }

    func tell(_ command: String) throws { #expect(try services.command(command) == "ok") }

    func environment(
        _ provider: String, key: String? = nil, port: UInt16? = nil
    ) -> [String: String] {
        let url = "http://127.0.0.1:\(port ?? services.port())/"
        var environment = [
            "GATEWAY_PROVIDER": provider, "GATEWAY_SOURCE": provider, "GATEWAY_LIVE": "false",
            "FRED_URL": url, "FRED_EVERY": "1s", "COINGECKO_URL": url, "COINGECKO_EVERY": "1s",
            "ALTERNATIVE_URL": url, "ALTERNATIVE_EVERY": "1s",
        ]
        environment["FRED_API_KEY_FILE"] = key ?? folder.file("key")
        environment["COINGECKO_API_KEY_FILE"] = key ?? folder.file("key")
        return environment
    }

    static let list =
        "\(ServerPrograms.checkout)/services/provider-gateway/instruments/fred.yaml"
    static let kinds: [ProviderKind] = [.fred, .coinGecko, .alternativeMe]

    static func instrument(_ symbol: String) throws -> Instrument {
        var contract = Instrument.Contract(.index)
        contract.currency = "USD"
        return Instrument(
            symbol: try #require(Symbol(symbol)), contract: contract, feeds: .indicators)
    }
}

@Suite("Polled values on the tape", .enabled(if: PythonServer.obstacle == nil))
struct PolledTests {
    private func gateway(
        _ tape: TestTape, _ stage: Stage, _ provider: String, _ symbol: String
    ) throws -> TestGateway {
        try TestGateway(
            tape, stage.environment(provider), providers: Stage.kinds,
            instruments: [Stage.instrument(symbol)])
    }

    /// Returns how often the service was asked.
    private func requests(_ stage: Stage) throws -> Int {
        Int(try stage.services.command("requests")) ?? 0
    }

    private func waitForRequests(_ stage: Stage) throws -> Bool {
        let before = try requests(stage)
        return try eventually { try requests(stage) > before + 2 }
    }

    @Test("values of FRED, a revision, an outage; a restart publishes nothing again")
    func fred() throws {
        let stage = try Stage()
        let tape = try TestTape(NatsServer.shared(), namespace: "fred1")
        func values() throws -> [String] { try ValuesOnTape(tape, "fred").values }
        let first = try gateway(tape, stage, "fred", "DGS10")
        var running = try first.start()
        #expect(
            try eventually { try values() == ["2026-11-18 4.11 % r0"] }, "\(first.service.log.text)"
        )
        try stage.tell("fred 2026-11-18 4.12")
        try stage.tell("fred 2026-11-19 4.2000000005")
        #expect(try eventually { try values().count == 3 })
        try stage.tell("fault 503")
        #expect(try eventually { try ValuesOnTape(tape, "fred").gaps.contains("open-") })
        try stage.tell("fault none")
        #expect(try eventually { try ValuesOnTape(tape, "fred").gaps.contains("filled") })
        #expect(try running.stop() == .success)
        // While it is away, a value comes.
        try stage.tell("fred 2026-11-20 4.3")
        running = try gateway(tape, stage, "fred", "DGS10").start()
        #expect(try eventually { try values().count == 4 })
        #expect(try waitForRequests(stage))
        #expect(try running.stop() == .success)
        let found = try ValuesOnTape(tape, "fred")
        #expect(
            found.values == [
                "2026-11-18 4.11 % r0", "2026-11-18 4.12 % r1", "2026-11-19 4.2 % r0",
                "2026-11-20 4.3 % r0",
            ])
        #expect(found.late == 0 && found.gaps.filter { $0 == "filled" }.count == 2)
    }

    @Test("a price and the index of fear and greed", arguments: ["coingecko", "alternative-me"])
    func others(_ provider: String) throws {
        let stage = try Stage()
        let isCoin = provider == "coingecko"
        let tape = try TestTape(NatsServer.shared(), namespace: isCoin ? "polled2" : "polled3")
        let gateway = try gateway(tape, stage, provider, isCoin ? "bitcoin" : "fng")
        let running = try gateway.start()
        func values() throws -> [String] { try ValuesOnTape(tape, provider).values }
        #expect(try eventually { try values().count == 1 }, "\(gateway.service.log.text)")
        try stage.tell(isCoin ? "coin 1.2e-06 1763622060" : "index 24 Fear")
        #expect(try eventually { try values().count == 2 })
        #expect(
            try values()
                == (isCoin
                    ? ["2025-11-20 84210.12 USD r0", "2025-11-20 0.0000012 USD r0"]
                    : ["2026-06-02 23 Extreme Fear r0", "2026-06-02 24 Fear r1"]))
        #expect((Int(try stage.services.command("keys")) ?? 0 > 0) == isCoin)
        #expect(try running.stop() == .success)
    }

    @Test("the page lists the first 512 series, and says how many there are")
    func manySeries() throws {
        let stage = try Stage()
        let tape = try TestTape(NatsServer.shared(), namespace: "polled5")
        let many = try TestGateway(
            tape, stage.environment("fred"), providers: Stage.kinds,
            instruments: (1...513).map { try Stage.instrument("S\($0)") })
        let running = try many.start()
        func page() throws -> JSONValue? { try many.status.at("providers", "fred") }
        #expect(try eventually { try page()?["instruments_total"]?.int == 513 })
        #expect(try page()?["instruments"]?.array?.count == 512)
        #expect(try running.stop() == .success)
    }

    @Test("polls that change nothing cost no packet but the source's sign of life")
    func idle() throws {
        let stage = try Stage()
        let tape = try TestTape(NatsServer.shared(), namespace: "polled4")
        let running = try gateway(tape, stage, "fred", "DGS10").start()
        #expect(try eventually { try ValuesOnTape(tape, "fred").values.count == 1 })
        let before = try ValuesOnTape(tape, "fred").packets
        #expect(try waitForRequests(stage))
        #expect(try ValuesOnTape(tape, "fred").packets == before)
        #expect(try running.stop() == .success)
    }
}

@Suite("Keys of polled services", .enabled(if: PythonServer.obstacle == nil))
struct PolledKeyTests {
    private func sayings(
        _ provider: String, _ symbol: String, _ environment: [String: String]
    ) throws -> ProviderSayings {
        ProviderSayings(
            kind: try #require(Stage.kinds.first { $0.name == provider }),
            instrument: try Stage.instrument(symbol),
            environment: environment.merging(["GATEWAY_INSTRUMENTS": Stage.list]) { $1 })
    }

    @Test(
        "a key is in no log, page, record, metric or dump at any level, whatever the service says",
        arguments: ["echo", "401", "403", "429", "500", "garbage", "cut", "none"])
    func hidden(_ fault: String) throws {
        let stage = try Stage()
        for (provider, symbol) in [("fred", "DGS10"), ("coingecko", "bitcoin")] {
            try stage.tell("fault \(fault)")
            let text = try sayings(provider, symbol, stage.environment(provider)).text { sofar in
                fault == "none"
                    ? sofar.records.contains {
                        if case .tape(.indicator) = $0 { true } else { false }
                    }
                    : sofar.page.contains("\"failed_attempts\":1")
                        || sofar.page.contains("refused")
            }
            #expect(!text.contains(Stage.key), "\(provider) \(fault)")
            #expect(Int(try stage.services.command("keys")) ?? 0 > 0)
        }
    }

    @Test("nor when there is no server, or one that speaks no TLS")
    func unreachable() throws {
        let stage = try Stage()
        let port = stage.services.port()
        for url in ["http://127.0.0.1:1", "https://127.0.0.1:\(port)"] {
            let environment = stage.environment("fred").merging(["FRED_URL": url]) { $1 }
            let text = try sayings("fred", "DGS10", environment).text {
                $0.page.contains("failing")
            }
            #expect(!text.contains(Stage.key) && text.contains("127.0.0.1"))
        }
    }

    @Test("FRED demands a key, and a key goes over TLS or stays on this host")
    func rules() throws {
        let description = Main.description(of: [.synthetic] + Stage.kinds)
        let base = ["GATEWAY_PROVIDER": "fred", "GATEWAY_INSTRUMENTS": Stage.list]
        func problems(_ more: [String: String]) -> String {
            TestService.problems(description, base.merging(more) { $1 }).joined(separator: "\n")
        }
        #expect(problems([:]).contains("FRED_API_KEY_FILE: FRED demands a key"))
        #expect(
            problems(["FRED_API_KEY": "abc", "FRED_URL": "http://192.0.2.1"])
                .contains("a key is sent over https alone"))
        let simulated = ["FRED_API_KEY": "abc", "FRED_URL": "http://polled-simulator:9643"]
        #expect(problems(simulated).isEmpty)
        #expect(problems(["FRED_API_KEY": "a b"]).contains("a key has no spaces"))
        #expect(problems(["FRED_API_KEY": "abc", "FRED_URL": "fred"]).contains("an address like"))
        #expect(problems(["FRED_API_KEY": "abc"]).isEmpty)
    }
}

/// The values and gaps of a source on the tape.
private struct ValuesOnTape {
    /// As "day value unit revision", in the order of the tape.
    private(set) var values: [String] = []
    /// The states of its gaps; an open one that has an end too ends in "-".
    private(set) var gaps: [String] = []
    /// The values that came after a watermark of their time.
    private(set) var late = 0
    private(set) var packets = 0

    init(_ tape: TestTape, _ name: String) throws {
        let source = try #require(SourceName(name))
        for number in 0..<tape.names.partitions {
            let partition = Partition(number)
            var watermark = Int64.min
            for packet in try tape.tickPackets(partition)
            where packet.subject == tape.names.ticks(partition, source) {
                packets += 1
                for record in packet.records { read(record.record, watermark) }
                watermark = max(watermark, packet.header.watermark.nanoseconds)
            }
        }
    }

    private mutating func read(_ record: TapeRecord, _ watermark: Int64) {
        if case .indicator(let value) = record {
            let number = FixedPoint.text(value.value, decimals: 9)
            let day = value.periodStart.description.prefix(10)
            values.append("\(day) \(number) \(value.unit) r\(value.revision)")
            if value.header.eventTime.nanoseconds < watermark { late += 1 }
        } else if case .gap(let gap) = record {
            let state = GapState(rawValue: gap.state).map { "\($0)" } ?? "?"
            gaps.append(gap.to.isDefined ? state : "\(state)-")
        }
    }
}
