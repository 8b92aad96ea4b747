import MarketModel
import Primitives
import ProviderKit
import ServiceRuntime
import ServiceTestSupport
import TapeCodec
import TapeProtocol
import TapeTransport
import TestSupport
import Testing

@testable import ProviderGateway

@Suite("The gateway's settings")
struct GatewaySettingsTests {
    private func problems(_ environment: [String: String]) -> [String] {
        TestService.problems(Main.description, environment)
    }

    @Test("the defaults are what the README says")
    func defaults() throws {
        let settings = try GatewaySettings(TestService.configuration(Main.description, [:]))
        #expect(settings.source.text == "synthetic")
        #expect(settings.synthetic?.pace == .realtime && settings.synthetic?.total == nil)
        #expect(settings.synthetic?.market.seed == 1 && settings.synthetic?.market.rate == 1_000)
        #expect(settings.synthetic?.market.symbols.count == 14)
        #expect(settings.synthetic?.backlogNanoseconds == 0)
        #expect(settings.pace == PacketPace.Settings(aim: .quick, packetsPerSecond: 2_000))
        #expect(settings.streamBytesMax == 1 << 30)
    }

    @Test(
        "a source is called like its first provider, unless somebody says another name",
        arguments: [
            ("synthetic", nil, "synthetic", false), ("feed-a", nil, "feed-a", false),
            ("feed-b,feed-a", nil, "feed-b", false), ("feed-a", "main", "main", false),
            ("feed-a,feed-b", "feed-b", "feed-b", false),
            ("feed-a", "synthetic", "synthetic", true), ("feed-a", "feed-b", "feed-b", true),
            ("synthetic", "feed-a", "feed-a", true), ("synthetic", "main", "main", false),
            ("tape", nil, "tape", false), ("tape", "synthetic", "synthetic", false),
        ] as [(String, String?, String, Bool)])
    func sourceNames(provider: String, given: String?, source: String, isWarned: Bool) throws {
        let log = ScriptedProvider.Log()
        let kinds =
            [ProviderKind.synthetic] + ["feed-a", "feed-b"].map { ScriptedProvider.kind($0, log) }
            + [
                ProviderKind(name: "tape", needsInstruments: false, isRecorded: true) { _ in
                    ScriptedProvider("tape", log)
                }
            ]
        var environment = [
            "GATEWAY_PROVIDER": provider,
            "GATEWAY_INSTRUMENTS":
                "\(ServerPrograms.checkout)/services/provider-gateway/instruments/benchmarks.yaml",
        ]
        environment["GATEWAY_SOURCE"] = given
        #expect(TestService.problems(Main.description(of: kinds), environment) == [])
        let settings = try GatewaySettings(
            TestService.configuration(Main.description(of: kinds), environment), providers: kinds)
        #expect(settings.source.text == source)
        let warning = settings.foreignName(kinds)
        #expect((warning != nil) == isWarned)
        #expect(warning?.message.contains("source \(source)") ?? true)
    }

    @Test("a provider whose name is no source's needs one")
    func sourceUnnamed() {
        let kind = ScriptedProvider.kind("Feed_A", ScriptedProvider.Log())
        let list =
            "\(ServerPrograms.checkout)/services/provider-gateway/instruments/benchmarks.yaml"
        let environment = ["GATEWAY_PROVIDER": "Feed_A", "GATEWAY_INSTRUMENTS": list]
        let found = TestService.problems(Main.description(of: [kind]), environment)
        #expect(found.count == 1 && found[0].hasPrefix("GATEWAY_SOURCE: Feed_A"), "\(found)")
        let named = environment.merging(["GATEWAY_SOURCE": "feed"]) { $1 }
        #expect(TestService.problems(Main.description(of: [kind]), named) == [])
    }

    @Test(
        "the source of delayed data needs a name where nothing else is asked for",
        arguments: [(nil, true), ("auto", true), ("false", true), ("true", false)]
            as [(String?, Bool)])
    func delayedNames(delayed: String?, isAccepted: Bool) throws {
        var environment = [
            "GATEWAY_PROVIDER": "ibkr", "GATEWAY_SOURCE": "new-york-desk-two",
            "GATEWAY_INSTRUMENTS":
                "\(ServerPrograms.checkout)/services/provider-gateway/instruments/benchmarks.yaml",
        ]
        environment["IBKR_DELAYED"] = delayed
        let found = TestService.problems(Main.description, environment)
        #expect(found.isEmpty == isAccepted, "\(found)")
        #expect(isAccepted || found[0].hasPrefix("GATEWAY_SOURCE: new-york-desk-two is too long"))
        environment["GATEWAY_SOURCE"] = "new-york-desk-2x"
        #expect(TestService.problems(Main.description, environment) == [])
        let configuration = try TestService.configuration(Main.description, environment)
        #expect(configuration.text("IBKR_DELAYED") == delayed ?? "auto")
    }

    @Test("every setting arrives")
    func all() throws {
        let settings = try GatewaySettings(
            TestService.configuration(
                Main.description,
                [
                    "GATEWAY_SOURCE": "desk-2", "GATEWAY_PACKETS_PER_SECOND": "77",
                    "GATEWAY_LATENCY": "frugal", "GATEWAY_PACKET_BYTES": "512KiB",
                    "SYNTHETIC_SEED": "9223372036854775807", "SYNTHETIC_SYMBOLS": "BTC/USD, ^GSPC",
                    "SYNTHETIC_RATE": "1000000", "SYNTHETIC_TICKS": "12", "SYNTHETIC_PACE": "full",
                    "SYNTHETIC_BACKLOG": "2m", "MDS_STREAM_BYTES": "64MiB",
                ]))
        #expect(settings.source.text == "desk-2")
        let growth = PacketGrowth(bytesMax: 512 * 1_024)
        #expect(growth.ticksMax == 4_096)
        #expect(
            settings.pace
                == PacketPace.Settings(aim: .frugal, packetsPerSecond: 77, growth: growth))
        #expect(settings.synthetic?.market.seed == UInt64(Int64.max))
        #expect(settings.synthetic?.market.symbols.map(\.text) == ["BTC/USD", "^GSPC"])
        #expect(settings.synthetic?.pace == .full && settings.synthetic?.total == 12)
        #expect(settings.synthetic?.backlogNanoseconds == 120_000_000_000)
        #expect(settings.streamBytesMax == 64 << 20)
    }

    @Test("the aim may also be a time")
    func aim() throws {
        let settings = try GatewaySettings(
            TestService.configuration(Main.description, ["GATEWAY_LATENCY": "30ms"]))
        #expect(settings.pace.aim == .collect(30_000_000))
    }

    @Test(
        "a value that makes no sense is one sentence that begins with its key",
        arguments: [
            ("GATEWAY_SOURCE", "Desk"), ("GATEWAY_SOURCE", "a_b"), ("GATEWAY_SOURCE", "a.b"),
            ("GATEWAY_SOURCE", "operator"), ("GATEWAY_SOURCE", "universe"),
            ("GATEWAY_SOURCE", "manual"), ("GATEWAY_SOURCE", "ibkr-delayed"),
            ("GATEWAY_SOURCE", "much-too-long-for-the-wire"), ("GATEWAY_PROVIDER", "nobody"),
            ("GATEWAY_LATENCY", "fast"), ("GATEWAY_LATENCY", "2s"), ("GATEWAY_LATENCY", "0ms"),
            ("GATEWAY_PACKET_BYTES", "131071"), ("GATEWAY_PACKET_BYTES", "513KiB"),
            ("GATEWAY_PACKETS_PER_SECOND", "0"), ("GATEWAY_PACKETS_PER_SECOND", "1000001"),
            ("SYNTHETIC_SEED", "-1"), ("SYNTHETIC_SEED", "9223372036854775808"),
            ("SYNTHETIC_RATE", "0"), ("SYNTHETIC_RATE", "1000001"), ("SYNTHETIC_RATE", "ten"),
            ("SYNTHETIC_TICKS", "-5"), ("SYNTHETIC_PACE", "slow"), ("SYNTHETIC_PACE", "full"),
            ("SYNTHETIC_BACKLOG", "2d"), ("SYNTHETIC_BACKLOG", "100000s"),
            ("SYNTHETIC_SYMBOLS", "A,B,A"), ("SYNTHETIC_SYMBOLS", "A,\u{1},B"),
            ("SYNTHETIC_SYMBOLS", String(repeating: "x", count: 513)),
            ("MDS_STREAM_BYTES", "1KiB"), ("MDS_PARTITIONS", "0"), ("MDS_NAMESPACE", "9lives"),
            ("MDS_NAMESPACE", "a-name-of-17-char"),
        ])
    func bad(key: String, value: String) throws {
        let found = problems([key: value])
        #expect(found.count == 1, "\(found)")
        let sentence = try #require(found.first)
        #expect(sentence.hasPrefix(key), "\(sentence)")
        #expect(sentence.count > key.count + 10)
        #expect(!sentence.contains("\n"))
    }

    @Test("all problems are told at once, those between settings, too")
    func together() {
        let plain = problems([
            "SYNTHETIC_RATE": "0", "SYNTHETIC_TICKS": "x", "GATEWAY_SOURCE": "Desk",
            "GATEWAY_SOURCES": "a",
        ])
        #expect(plain.count == 4, "\(plain)")
        let between = problems([
            "SYNTHETIC_PACE": "full", "SYNTHETIC_SYMBOLS": "A,B,A", "MDS_NAMESPACE": "9lives",
        ])
        #expect(between.count == 3, "\(between)")
        let mixed = problems([
            "OPS_PORT": "99999", "GATEWAY_PROVIDER": "ibrk", "GATEWAY_SOURCE": "operator",
            "SYNTHETIC_SYMBOLS": "A,A", "SYNTHETIC_PACE": "full", "NATS_URL": "nats//x",
        ])
        #expect(mixed.count == 6, "\(mixed)")
    }

    @Test("beside any one value that makes no sense the others are looked at, and nothing traps")
    func anyOne() {
        for key in Main.description.keys {
            let others = [
                "GATEWAY_POLICY_QUOTES": "conflate", "SYNTHETIC_PACE": "full",
                "SYNTHETIC_MISSED": "lost", "SYNTHETIC_AHEAD": "10s", "GATEWAY_PROVIDER": "ibrk",
            ]
            let found = problems(others.merging([key.name: "\u{1}?"]) { $1 })
            #expect(key.name == "GATEWAY_PROVIDER" || found.contains { $0.contains("ibrk") })
        }
    }

    @Test(
        "what providers call themselves is the product's name and version, or a text that is sent",
        arguments: [
            (nil, "tapeline/\(ProductVersion.text)"), ("", "tapeline/\(ProductVersion.text)"),
            ("desk 7 (me@example.com)", "desk 7 (me@example.com)"), ("a\nb: c", nil), ("é", nil),
            (String(repeating: "a", count: 201), nil),
        ] as [(String?, String?)])
    func userAgent(given: String?, sent: String?) throws {
        var environment: [String: String] = [:]
        environment["GATEWAY_USER_AGENT"] = given
        let found = problems(environment)
        guard let sent else {
            #expect(found.count == 1 && found[0].hasPrefix("GATEWAY_USER_AGENT"), "\(found)")
            return
        }
        let configuration = try TestService.configuration(Main.description, environment)
        #expect(found.isEmpty && UserAgent.text(configuration) == sent)
    }

    @Test("more symbols than a market holds are refused")
    func tooManySymbols() {
        for items in ["S*\(SyntheticMarket.symbolsMax + 1)", "S*\(SyntheticMarket.symbolsMax),T"] {
            let found = problems(["SYNTHETIC_SYMBOLS": items])
            #expect(found.count == 1, "\(found)")
            #expect(found.first?.hasPrefix("SYNTHETIC_SYMBOLS: 1 to") == true)
        }
    }

    @Test("at full pace a market that would begin before 1970 is refused")
    func endlessPast() {
        let found = problems(["SYNTHETIC_PACE": "full", "SYNTHETIC_TICKS": "9223372036854775807"])
        #expect(found.count == 1, "\(found)")
        #expect(found.first?.hasPrefix("SYNTHETIC_TICKS") == true)
        #expect(problems(["SYNTHETIC_PACE": "full", "SYNTHETIC_TICKS": "1000000000"]).isEmpty)
    }

    @Test("the report is JSON with the settings and the partitions")
    func report() throws {
        let settings = try GatewaySettings(TestService.configuration(Main.description, [:]))
        let report = GatewayReport(settings)
        var progress = GatewayReport.Progress()
        progress.generated = UInt64.max
        progress.opened = true
        progress.waiting = 3
        progress.partitions = [GatewayReport.Head(partition: .init(5), epoch: 2, lastOrdinal: 99)]
        report.update(progress)
        var json = JSONWriter(capacity: 64)
        json.object { report.write(into: &$0) }
        let value = try JSONValue.parse(json.text)
        #expect(value["source"]?.string == "synthetic" && value["pace"]?.string == "realtime")
        #expect(value["generated"]?.uint64 == UInt64.max && value["waiting"]?.uint64 == 3)
        #expect(value["symbols"]?.uint64 == 14 && value["rate"]?.uint64 == 1_000)
        #expect(value["opened"] == .bool(true) && value["finished"] == .bool(false))
        let head = try #require(value["partitions"]?.array?.first)
        #expect(head["partition"]?.uint64 == 5 && head["epoch"]?.uint64 == 2)
        #expect(head["last_ordinal"]?.uint64 == 99)
    }
}
