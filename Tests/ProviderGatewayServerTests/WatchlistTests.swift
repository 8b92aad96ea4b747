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
        return try TestGateway.scripted(
            tape, ["scripted": log], nil,
            ["GATEWAY_INSTRUMENTS": path, "MDS_MEMBER": "gate-1"])
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
                try told(tape, "feed") == ["SPY listed requested", "QQQ listed requested"]
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

    /// The ticks of the synthetic market on the tape.
    private func ticks(_ tape: TestTape) throws -> [RecordOnTape] {
        try records(tape).filter { $0.record.kind != nil }
    }

    private func records(_ tape: TestTape) throws -> [RecordOnTape] {
        try tape.records(of: try #require(SourceName("synthetic")))
    }

    private func symbols(_ tape: TestTape) throws -> Set<String> {
        try Set(ticks(tape).map(\.symbol))
    }

    /// Beginnings and ends of subscriptions, without their kind of data.
    private func subscriptions(_ records: [RecordOnTape]) -> Set<String> {
        Set(
            records.compactMap { record in
                record.subscription.map { "\(record.symbol) \($0.action)" }
            })
    }

    @Test("the synthetic market goes on with other symbols, and through a start, tick by tick")
    func synthetic() throws {
        let tape = try TestTape(NatsServer.shared(), namespace: "watch4")
        let store = try store(tape, "synthetic")
        let environment = ["SYNTHETIC_SYMBOLS": "AAPL,MSFT", "SYNTHETIC_RATE": "500"]
        var running = try TestGateway(tape, environment).start()
        #expect(try eventually { try symbols(tape) == ["AAPL", "MSFT"] })
        try put("+NVDA -AAPL", store)
        #expect(
            try eventually {
                try told(tape, "synthetic") == [
                    "AAPL listed removed", "MSFT listed subscribed", "NVDA added subscribed",
                ]
            })
        #expect(try eventually { try symbols(tape).contains("NVDA") })
        #expect(try running.stop() == .success)
        let found = try records(tape)
        func since(_ symbol: String) -> Set<Timestamp> {
            Set(found.filter { $0.symbol == symbol }.compactMap { $0.definition?.since })
        }
        // Nothing happened to MSFT, so no bar of it is partial.
        #expect(since("MSFT").count == 1)
        #expect(try #require(since("NVDA").max()) > (try #require(since("MSFT").first)))
        #expect(subscriptions(found) == ["NVDA 1", "AAPL 2"])

        // The next process goes on in the same market, and nothing comes twice.
        let before = try ticks(tape)
        running = try TestGateway(tape, environment).start()
        #expect(try eventually { try ticks(tape).count > before.count + 100 })
        #expect(try running.stop() == .success)
        let all = try ticks(tape)
        func isOf(_ symbol: String) -> (RecordOnTape) -> Bool { { $0.symbol == symbol } }
        #expect(all.count(where: isOf("AAPL")) == before.count(where: isOf("AAPL")))
        #expect(all.count(where: isOf("NVDA")) > before.count(where: isOf("NVDA")))
        let numbers = all.map(\.id).sorted()
        #expect(zip(numbers, numbers.dropFirst()).allSatisfy { $0 + 1 == $1 })
        try tape.expectSound()

        // Another market behind it says that it begins.
        running = try TestGateway(tape, environment.merging(["SYNTHETIC_SEED": "2"]) { $1 }).start()
        #expect(
            try eventually {
                try subscriptions(records(tape)) == ["NVDA 1", "AAPL 2", "MSFT 1"]
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
        var ids: [Set<UInt64>] = []
        for symbol in ["AAPL", other] {
            let running = try TestGateway(
                tape, ["SYNTHETIC_SYMBOLS": symbol, "SYNTHETIC_RATE": "500"]
            ).start()
            #expect(try eventually { try ticks(tape).count { $0.symbol == symbol } > 100 })
            #expect(try running.stop() == .success)
            ids.append(Set(try ticks(tape).map(\.id)))
        }
        let after = ids[1].subtracting(ids[0])
        #expect(try #require(after.min()) > (try #require(ids[0].max())))
        #expect(try ticks(tape).count == ids[0].count + after.count)
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
        let records = try tape.records(of: try #require(SourceName("full")))
        #expect(!records.contains { $0.symbol == "ZZZ" })
    }
}
