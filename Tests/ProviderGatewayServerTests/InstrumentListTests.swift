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
        let tape = try TestTape(NatsServer.shared(), namespace: "reload")
        let log = ScriptedProvider.Log()
        let path = try folder.write(list("SPY, QQQ"), to: "a.yaml")
        let gateway = try TestGateway(
            tape,
            [
                "GATEWAY_PROVIDER": "scripted", "GATEWAY_SOURCE": "feed",
                "GATEWAY_INSTRUMENTS": path,
            ], providers: [ScriptedProvider.kind("scripted", log)])
        let running = try gateway.start()
        #expect(eventually { log.starts.count == 1 })
        let registry = try #require(log.starts.first).order.registry
        #expect(log.starts[0].order.instruments == [0, 1])
        let shutdown = gateway.service.context.shutdown

        _ = try folder.write(list("QQQ, IWM"), to: "a.yaml")
        #expect(shutdown.hangUp())
        #expect(eventually { log.follows == [.init(begun: [2], ended: [0])] })
        #expect(registry.wanted == [1, 2])

        _ = try folder.write("nonsense\n", to: "a.yaml")
        #expect(shutdown.hangUp())
        #expect(eventually { running.log.contains("stay as they were") })
        #expect(registry.wanted == [1, 2])

        _ = try folder.write(list("QQQ, {symbol: IWM, feeds: bars}, SPY"), to: "a.yaml")
        #expect(shutdown.hangUp())
        #expect(eventually { log.follows.count == 2 })
        #expect(log.follows.last == .init(begun: [2, 0], ended: [2]))
        #expect(log.starts.count == 1 && log.stops == 0)
        #expect(try running.stop() == .success)
    }

    /// Returns the lots in the definitions of the source's packets of trades, in order.
    private func lots(_ tape: TestTape) throws -> [RoundLot?] {
        try (0..<tape.names.partitions).flatMap { partition in
            try tape.tickPackets(Partition(partition)).flatMap { packet in
                packet.payload.withRawSpan { bytes in
                    var found: [RoundLot?] = []
                    var walk = PacketWalk(packet.header)
                    while let item = walk.next(in: bytes) {
                        guard case .trade(let trade) = item else { continue }
                        found.append(walk.symbol(trade.header.symbol, in: bytes)?.lot)
                    }
                    return found
                }
            }
        }
    }

    @Test("the lot of the list is in the definitions, and another one from the next tick on")
    func lots() throws {
        let tape = try TestTape(NatsServer.shared(), namespace: "lots")
        let log = ScriptedProvider.Log()
        let path = try folder.write(list("{symbol: SPY, lot: 40}"), to: "a.yaml")
        let gateway = try TestGateway(
            tape,
            [
                "GATEWAY_PROVIDER": "scripted", "GATEWAY_SOURCE": "feed",
                "GATEWAY_INSTRUMENTS": path,
            ], providers: [ScriptedProvider.kind("scripted", log)])
        let running = try gateway.start()
        #expect(eventually { log.starts.count == 1 })
        let (order, channel) = try #require(log.starts.first.map { ($0.order, $0.channel) })
        func send() {
            let now = SystemClock().now()
            let header = TickHeader(symbol: 0, providerTime: now, receiveTime: now)
            let price = Price(raw: 1_000_000_000)
            let trade = Trade(header: header, price: price, size: Quantity(raw: 100_000_000))
            var batch: [ProviderRecord] = [.tape(.trade(trade))]
            guard case .sent = channel.send(&batch, floor: now) else {
                Issue.record("the channel takes nothing")
                return
            }
        }
        send()
        #expect(try eventually { try lots(tape).count == 1 })
        let texts = [
            "{symbol: SPY, lot: 10, lot_from: 2026-05-01, lot_before: 40}", "SPY",
        ]
        for (index, text) in texts.enumerated() {
            _ = try folder.write(list(text), to: "a.yaml")
            let old = order.registry.instrument(0)?.lot
            #expect(gateway.service.context.shutdown.hangUp())
            #expect(eventually { order.registry.instrument(0)?.lot != old })
            send()
            #expect(try eventually { try lots(tape).count == index + 2 })
        }
        let shares = { (number: Int64) in Quantity(raw: number * 100_000_000) }
        let day = try #require(ISOTime.parse("2026-05-01T00:00:00Z"))
        #expect(
            try lots(tape) == [
                RoundLot(shares(40)), RoundLot(shares(10), from: day, before: shares(40)), nil,
            ])
        // The provider was not asked for anything again.
        #expect(log.follows.isEmpty && log.starts.count == 1)
        #expect(try running.stop() == .success)
    }

    @Test("a gateway that stands by takes the new list, too")
    func standby() throws {
        let tape = try TestTape(NatsServer.shared(), namespace: "reload2")
        let log = ScriptedProvider.Log()
        let path = try folder.write(list("SPY"), to: "a.yaml")
        let gateway = try TestGateway(
            tape,
            [
                "GATEWAY_PROVIDER": "scripted", "GATEWAY_SOURCE": "feed",
                "GATEWAY_INSTRUMENTS": path,
            ], providers: [ScriptedProvider.kind("scripted", log)])
        let running = try gateway.standBy()
        let shutdown = gateway.service.context.shutdown
        _ = try folder.write(list("QQQ"), to: "a.yaml")
        #expect(eventually { shutdown.hangUp() })
        #expect(eventually { gateway.settings.delivery.registry.wanted == [1] })
        gateway.group.take()
        #expect(eventually { log.starts.count == 1 })
        #expect(log.starts.first?.order.instruments == [1])
        #expect(try running.stop() == .success)
    }
}
