import MarketModel
import Primitives
import ProviderKit
import ServiceRuntime
import ServiceTestSupport
import TapeProtocol
import TapeTransport
import TestSupport
import TapeCodec
import Testing

@testable import ProviderGateway
@testable import ProviderGatewayTests

@Suite("The gateway's list of instruments")
struct InstrumentListTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder("instruments") }

    private func list(_ symbols: String, providers: String = "") -> String {
        """
        version: 1
        defaults: {exchange: SMART, currency: USD\(providers)}
        instruments: [\(symbols)]

        """
    }

    private func problems(_ path: String) -> [String] {
        let kind = ScriptedProvider.kind("scripted", ScriptedProvider.Log())
        return TestService.problems(
            Main.description(of: [kind]),
            ["GATEWAY_PROVIDER": "scripted", "GATEWAY_INSTRUMENTS": path])
    }

    @Test("providers need a list that is right; the synthetic market needs none")
    func needed() throws {
        #expect(TestService.problems(Main.description, [:]).isEmpty)
        #expect(problems("").count == 1 && problems("")[0].contains("needs a list"))
        let path = try folder.write(list("SPY, QQQ"), to: "a.yaml")
        #expect(problems(path).isEmpty)
        let missing = problems("\(path),/nowhere.yaml")
        #expect(missing.count == 1 && missing[0].contains("/nowhere.yaml: cannot be opened"))
        let wrong = try folder.write(list("SPY, true, {symbol: X, feds: 1}"), to: "b.yaml")
        #expect(problems(wrong).count == 2)
        #expect(problems(wrong).allSatisfy { $0.hasPrefix("GATEWAY_INSTRUMENTS: \(wrong):3:") })
        let foreign = try folder.write(list("SPY", providers: ", providers: other"), to: "c.yaml")
        #expect(
            problems(foreign).count == 1 && problems(foreign)[0].contains("nobody delivers SPY"))
    }

    @Test("a kind that knows by itself what it delivers needs no list")
    func unneeded() throws {
        let kind = ProviderKind(name: "recording", needsInstruments: false) { _ in
            ScriptedProvider("recording", ScriptedProvider.Log())
        }
        let found = TestService.problems(
            Main.description(of: [kind]), ["GATEWAY_PROVIDER": "recording"])
        #expect(found.isEmpty, "\(found)")
    }

    @Test("--check-instruments prints the list as text or JSON, or everything that is wrong")
    func check() throws {
        func ask(_ flag: String, _ files: String) -> CommandLineDecision {
            ServiceCommandLine(Main.description).decide(arguments: [flag, files], environment: [:])
        }
        let one = try folder.write(list("SPY"), to: "a.yaml")
        let other = try folder.write(list("ON"), to: "b.yaml")
        guard case .print(let text) = ask("--check-instruments", "\(one),\(other)"),
            case .print(let json) = ask("--check-instruments-json", one)
        else {
            Issue.record("both are right")
            return
        }
        #expect(
            text == "SPY  stock USD SMART  quotes\nON   stock USD SMART  quotes\n2 instruments\n")
        #expect(try JSONValue.parse(json)["instruments"]?.array?.count == 1)
        guard case .refuse(let lines) = ask("--check-instruments", "\(one),/nowhere.yaml") else {
            Issue.record("one is missing")
            return
        }
        #expect(lines.hasPrefix("/nowhere.yaml: cannot be opened"))
    }

    @Test("a list that is read again ends and begins what changed, and a wrong one changes nothing")
    func reload() throws {
        let scene = try scene("reload", "SPY, QQQ")
        let log = scene.log
        let running = try scene.gateway.start()
        let order = try log.begun().order
        #expect(order.instruments == [0, 1])
        try scene.read(list("QQQ, IWM"))
        #expect(eventually { log.follows == [.init(begun: [2], ended: [0])] })
        #expect(order.registry.wanted == [1, 2])
        try scene.read("nonsense\n")
        #expect(eventually { running.log.contains("stay as they were") })
        #expect(order.registry.wanted == [1, 2])
        try scene.read(list("QQQ, {symbol: IWM, feeds: bars}, SPY"))
        #expect(eventually { log.follows.count == 2 })
        #expect(log.follows.last == .init(begun: [2, 0], ended: [2]))
        #expect(log.starts.count == 1 && log.stops == 0)
        #expect(try running.stop() == .success)
    }

    /// A gateway whose list of instruments a test changes.
    private struct Scene {
        let tape: TestTape
        let log: ScriptedProvider.Log
        let gateway: TestGateway
        let folder: TemporaryFolder

        /// Lets the gateway read another list.
        func read(_ list: String) throws {
            _ = try folder.write(list, to: "a.yaml")
            #expect(eventually { gateway.service.context.shutdown.hangUp() })
        }

        /// Returns the lots in the definitions of the trades on the tape, in order.
        func lots() throws -> [RoundLot?] {
            try tape.records(of: try #require(SourceName("feed"))).filter { $0.trade != nil }
                .map { $0.definition?.lot }
        }
    }

    private func scene(_ namespace: String, _ symbols: String) throws -> Scene {
        let tape = try TestTape(NatsServer.shared(), namespace: namespace)
        let path = try folder.write(list(symbols), to: "a.yaml")
        let log = ScriptedProvider.Log()
        let gateway = try TestGateway.scripted(
            tape, ["scripted": log], nil, ["GATEWAY_INSTRUMENTS": path])
        return Scene(tape: tape, log: log, gateway: gateway, folder: folder)
    }

    @Test("the lot of the list is in the definitions, and another one from the next tick on")
    func lots() throws {
        let scene = try scene("lots", "{symbol: SPY, lot: 40}")
        let running = try scene.gateway.start()
        let began = try scene.log.begun()
        func send(_ count: Int) throws {
            let now = SystemClock().now()
            began.channel.deliver([.trade(at: now)], floor: now)
            #expect(try eventually { try scene.lots().count == count })
        }
        try send(1)
        let texts = ["{symbol: SPY, lot: 10, lot_from: 2026-05-01, lot_before: 40}", "SPY"]
        for (index, text) in texts.enumerated() {
            let old = began.order.registry.instrument(0)?.lot
            try scene.read(list(text))
            #expect(eventually { began.order.registry.instrument(0)?.lot != old })
            try send(index + 2)
        }
        let shares = { (number: Int64) in Quantity(raw: number * 100_000_000) }
        let day = try #require(ISOTime.parse("2026-05-01T00:00:00Z"))
        #expect(
            try scene.lots() == [
                RoundLot(shares(40)), RoundLot(shares(10), from: day, before: shares(40)), nil,
            ])
        // The provider was not asked for anything again.
        #expect(scene.log.follows.isEmpty && scene.log.starts.count == 1)
        #expect(try running.stop() == .success)
    }

    @Test("a gateway that stands by takes the new list, too")
    func standby() throws {
        let scene = try scene("reload2", "SPY")
        let running = try scene.gateway.standBy()
        try scene.read(list("QQQ"))
        let registry = scene.gateway.settings.delivery.registry
        #expect(eventually { registry.wanted == [1] })
        scene.gateway.group.take()
        #expect(try scene.log.begun().order.instruments == [1])
        #expect(try running.stop() == .success)
    }
}
