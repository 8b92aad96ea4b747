import MarketModel
import NatsTransport
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

/// Gateways on a real nats-server, and changes of the watchlist of their source.
@Suite("A gateway and the watchlist of its source")
struct WatchlistTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder("watchlist") }

    private func store(_ tape: TestTape, _ source: String) throws -> WatchlistStore {
        try WatchlistStore(tape.client, try #require(SourceName(source)))
    }

    /// Writes the words of `InstrumentJoinTests.list` as the complete watchlist.
    private func put(_ words: String, _ store: WatchlistStore) throws {
        let outcome = try store.write(try InstrumentJoinTests.list(words), after: store.read())
        guard case .stored = outcome else {
            Issue.record("\(outcome)")
            return
        }
    }

    private func report(_ tape: TestTape, _ source: String) throws -> WatchlistReport? {
        try WatchlistStore.reports(tape.client).reports.first { $0.source.text == source }
    }

    /// Returns each instrument of the report as `symbol origin state`.
    private func told(_ tape: TestTape, _ source: String) throws -> Set<String> {
        Set(
            (try report(tape, source)?.instruments ?? []).map {
                "\($0.symbol) \($0.origin) \($0.state)"
            })
    }

    private func scripted(
        _ tape: TestTape, _ log: ScriptedProvider.Log, _ symbols: String
    ) throws -> TestGateway {
        let path = try folder.write(
            """
            version: 1
            defaults: {exchange: SMART, currency: USD}
            instruments: [\(symbols)]

            """, to: "a.yaml")
        return try TestGateway(
            tape,
            [
                "GATEWAY_PROVIDER": "scripted", "GATEWAY_SOURCE": "feed",
                "GATEWAY_INSTRUMENTS": path, "MDS_MEMBER": "gate-1",
            ], providers: [ScriptedProvider.kind("scripted", log)])
    }

    private func symbols(_ order: ProviderOrder) -> [String] {
        order.instruments.compactMap { order.registry.instrument($0)?.symbol.text }
    }

    @Test(
        "changes are followed while it runs, beside its files, and from the start of the next one")
    func followed() throws {
        let tape = try TestTape(NatsServer.shared(), namespace: "watch1")
        let store = try store(tape, "feed")
        let log = ScriptedProvider.Log()
        let gateway = try scripted(tape, log, "SPY, QQQ")
        let running = try gateway.start()
        #expect(
            try eventually {
                try told(tape, "feed") == [
                    "SPY listed requested", "QQQ listed requested",
                ]
            })

        try put("+IWM -SPY", store)
        #expect(eventually { log.follows == [.init(begun: [2], ended: [0])] })
        #expect(log.starts[0].order.registry.instrument(2)?.contract.exchange == "SMART")
        #expect(
            try eventually {
                try told(tape, "feed") == [
                    "SPY listed removed", "QQQ listed requested", "IWM added requested",
                ]
            })
        #expect(try report(tape, "feed")?.gateway == "gate-1")
        #expect(running.log.contains("IWM is added by anna@desk: a test"))

        // The files change beside it: SPY stays removed, and IWM counts as the file has it.
        _ = try scripted(tape, log, "SPY, DIA, {symbol: IWM, feeds: bars}")
        #expect(gateway.service.context.shutdown.hangUp())
        #expect(eventually { log.follows.last == .init(begun: [3, 2], ended: [2, 1]) })
        try put("-SPY", store)
        #expect(
            try eventually {
                try told(tape, "feed") == [
                    "SPY listed removed", "DIA listed requested", "IWM listed requested",
                ]
            })
        #expect(log.follows.count == 2 && log.starts.count == 1)
        #expect(try running.stop() == .success)

        try put("+GLD", store)
        let next = ScriptedProvider.Log()
        let later = try scripted(tape, next, "SPY").start()
        #expect(eventually { next.starts.count == 1 })
        #expect(next.starts.first.map { symbols($0.order) } == ["SPY", "GLD"])
        #expect(next.follows.isEmpty)
        #expect(try later.stop() == .success)
    }

    @Test("a gateway that takes over, or that NATS was away from, has the changes made meanwhile")
    func takenOver() throws {
        let server = try NatsServer()
        let tape = try TestTape(server, namespace: "watch2")
        let store = try store(tape, "feed")
        let (log, other) = (ScriptedProvider.Log(), ScriptedProvider.Log())
        let first = try scripted(tape, log, "SPY")
        let running = try first.start()
        let second = try scripted(tape, other, "SPY")
        let standby = try second.standBy()
        #expect(eventually { log.starts.count == 1 })
        try put("+QQQ", store)
        #expect(eventually { log.follows.count == 1 })
        first.group.release()
        #expect(eventually { log.stops == 1 })
        second.group.take(epoch: 2)
        #expect(eventually { other.starts.count == 1 })
        #expect(other.starts.first.map { symbols($0.order) } == ["SPY", "QQQ"])

        server.kill()
        try server.start()
        #expect(eventually { tape.client.connection.isConnected })
        try put("-SPY +QQQ +IWM", store)
        #expect(eventually { other.follows.last == .init(begun: [2], ended: [0]) })
        #expect(try standby.stop() == .success)
        #expect(try running.stop() == .success)
    }

    @Test("a watchlist that cannot be read changes nothing, and the report says so")
    func damaged() throws {
        let tape = try TestTape(NatsServer.shared(), namespace: "watch3")
        let store = try store(tape, "feed")
        let log = ScriptedProvider.Log()
        let running = try scripted(tape, log, "SPY").start()
        #expect(eventually { log.starts.count == 1 })
        try put("+QQQ", store)
        #expect(eventually { log.follows.count == 1 })
        let bucket = try #require(try tape.client.jetStream.bucketAsFound("watch3_sources"))
        let damaged = Array(#"{"v":1,"entries":[{"symbol":"X"}]}"#.utf8)
        _ = try bucket.put(store.key, damaged, expected: try store.read().revision)
        #expect(
            try eventually {
                try report(tape, "feed")?.problems.first?.contains("does not say who") == true
            })
        #expect(try told(tape, "feed").contains("QQQ added requested"))
        // What can be read again counts again.
        try put("+IWM", store)
        #expect(eventually { log.follows.last == .init(begun: [2], ended: [1]) })
        #expect(try report(tape, "feed") != nil && log.follows.count == 2)
        #expect(try running.stop() == .success)
    }

    /// A tick on the tape: its symbol, and the provider's id.
    private struct Found: Hashable {
        let symbol: String
        let id: UInt64
    }

    /// What the packets of ticks say.
    private struct Told {
        var ticks: [Found] = []
        /// Per symbol, since when it is delivered, as its definitions say.
        var since: [String: Set<Timestamp>] = [:]
        /// Beginnings and ends of subscriptions, without their kind of data.
        var subscriptions: Set<String> = []

        var symbols: Set<String> { Set(ticks.map(\.symbol)) }

        func count(_ symbol: String) -> Int { ticks.count { $0.symbol == symbol } }
    }

    private func ticks(_ tape: TestTape) throws -> Told {
        var told = Told()
        for number in 0..<tape.names.partitions {
            for packet in try tape.tickPackets(Partition(number)) {
                packet.payload.withRawSpan { add($0, packet.header, &told) }
            }
        }
        return told
    }

    private func add(_ bytes: RawSpan, _ header: PacketHeader, _ told: inout Told) {
        var walk = PacketWalk(header)
        func name(_ number: UInt32) -> String {
            walk.symbol(number, in: bytes)?.symbol.text ?? ""
        }
        while let item = walk.next(in: bytes) {
            switch item {
            case .quote(let quote):
                told.ticks.append(
                    Found(symbol: name(quote.header.symbol), id: quote.header.providerID))
            case .trade(let trade):
                told.ticks.append(
                    Found(symbol: name(trade.header.symbol), id: trade.header.providerID))
            case .other(let message):
                guard let record = message.subscriptionRecord(in: bytes) else { continue }
                told.subscriptions.insert("\(name(record.header.symbol)) \(record.action)")
            case .control(let message):
                guard let (_, definition) = message.symbolDefinition(in: bytes) else { continue }
                told.since[definition.symbol.text, default: []].insert(definition.since)
            case .bar: continue
            }
        }
    }

    @Test("the synthetic market goes on with other symbols, and through a start, tick by tick")
    func synthetic() throws {
        let tape = try TestTape(NatsServer.shared(), namespace: "watch4")
        let store = try store(tape, "synthetic")
        let environment = ["SYNTHETIC_SYMBOLS": "AAPL,MSFT", "SYNTHETIC_RATE": "500"]
        var running = try TestGateway(tape, environment).start()
        #expect(try eventually { try ticks(tape).symbols == ["AAPL", "MSFT"] })
        try put("+NVDA -AAPL", store)
        #expect(
            try eventually {
                try told(tape, "synthetic") == [
                    "AAPL listed removed", "MSFT listed subscribed", "NVDA added subscribed",
                ]
            })
        #expect(try eventually { try ticks(tape).symbols.contains("NVDA") })
        #expect(try running.stop() == .success)
        let found = try ticks(tape)
        // Nothing happened to MSFT, so no bar of it is partial.
        let begun = try #require(found.since["MSFT"])
        #expect(begun.count == 1)
        let added = try #require(found.since["NVDA"]?.max())
        #expect(added > (begun.first ?? added))
        #expect(found.subscriptions == ["NVDA 1", "AAPL 2"])

        // The next process goes on in the same market, and nothing comes twice.
        running = try TestGateway(tape, environment).start()
        #expect(try eventually { try ticks(tape).ticks.count > found.ticks.count + 100 })
        #expect(try running.stop() == .success)
        let all = try ticks(tape)
        #expect(all.count("AAPL") == found.count("AAPL"))
        #expect(all.count("NVDA") > found.count("NVDA"))
        let numbers = all.ticks.map(\.id).sorted()
        #expect(zip(numbers, numbers.dropFirst()).allSatisfy { $0 + 1 == $1 })
        let audit = try SourceOnTape(tape)
        #expect(audit.problems.isEmpty, "\(audit.problems.prefix(5))")

        // Another market behind it says that it begins.
        running = try TestGateway(tape, environment.merging(["SYNTHETIC_SEED": "2"]) { $1 }).start()
        #expect(
            try eventually {
                try ticks(tape).subscriptions == ["NVDA 1", "AAPL 2", "MSFT 1"]
            })
        #expect(try running.stop() == .success)
    }

    @Test("the synthetic market goes on after a start with other symbols, and repeats no tick")
    func syntheticWithOthers() throws {
        let tape = try TestTape(NatsServer.shared(), namespace: "watch6")
        func partition(_ name: String) throws -> Partition {
            tape.names.partition(of: try #require(Symbol(name)))
        }
        let own = try partition("AAPL")
        let other = try #require(try ["MSFT", "NVDA", "SPY"].first { try partition($0) != own })
        var environment = ["SYNTHETIC_SYMBOLS": "AAPL", "SYNTHETIC_RATE": "500"]
        var running = try TestGateway(tape, environment).start()
        #expect(try eventually { try ticks(tape).ticks.count > 100 })
        #expect(try running.stop() == .success)
        let before = Set(try ticks(tape).ticks.map(\.id))
        environment["SYNTHETIC_SYMBOLS"] = other
        running = try TestGateway(tape, environment).start()
        #expect(try eventually { try ticks(tape).count(other) > 100 })
        #expect(try running.stop() == .success)
        let after = try ticks(tape).ticks.map(\.id).filter { !before.contains($0) }
        #expect(try #require(after.min()) > (try #require(before.max())))
        #expect(try ticks(tape).ticks.count == before.count + after.count)
    }

    @Test("a source whose instruments are fixed says why")
    func fixed() throws {
        let tape = try TestTape(NatsServer.shared(), namespace: "watch5")
        let full = try TestGateway(
            tape,
            [
                "GATEWAY_SOURCE": "full", "SYNTHETIC_PACE": "full", "SYNTHETIC_TICKS": "100",
            ])
        #expect(full.settings.fixedList?.contains("SYNTHETIC_PACE=full") == true)
        let replay = try TestService(
            Main.description,
            tape.environment.merging([
                "GATEWAY_PROVIDER": "replay", "REPLAY_NAMESPACE": "other",
                "REPLAY_TO": "2026-11-20T00:00:00Z",
            ]) { $1 })
        let settings = try GatewaySettings(replay.context.configuration)
        #expect(settings.fixedList?.contains("a recording, and has no list") == true)
        // Such a gateway reads no watchlist, and reports the reason.
        try put("+ZZZ", try store(tape, "full"))
        let running = try full.start()
        #expect(try eventually { try report(tape, "full")?.fixed == full.settings.fixedList })
        #expect(try report(tape, "full")?.instruments.isEmpty == true)
        #expect(try running.stop() == .success)
        #expect(try !ticks(tape).symbols.contains("ZZZ"))
    }
}
