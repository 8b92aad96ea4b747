import MarketModel
import Membership
import NatsTransport
import Primitives
import ServiceTestSupport
import TapeCodec
import TapeProtocol
import ServiceRuntime
import TestSupport
import Testing

@testable import TapeKeeping
@testable import TapeTransport
@testable import TapeKeepingTests

@Suite struct LagTableTests {
    private let second: Int64 = 1_000_000_000
    private let source: SourceName

    init() throws { source = try #require(SourceName("sim")) }

    private func group(
        _ reads: Set<ReaderPosition.Input> = [.ticks], positions: [ReaderPosition] = []
    ) -> RegisteredGroup {
        var group = RegisteredGroup(
            group: .store, registered: Timestamp(nanoseconds: 0), reads: reads)
        group.positions = positions
        return group
    }

    private func position(_ partition: Int, _ last: UInt64) -> ReaderPosition {
        ReaderPosition(
            partition: Partition(partition), input: .ticks, sequence: last * 2, durable: 0,
            sources: [SourceOrdinal(source: source, epoch: 1, lastOrdinal: last)])
    }

    private func heads(_ heard: [(Int64, Int, UInt64)]) -> HeadStore {
        var store = HeadStore()
        for (at, partition, last) in heard {
            let head = TapeHead(partition: Partition(partition), epoch: 1, lastOrdinal: last)
            store.receive(
                HeadMessage(source: source, input: .ticks, heads: [head]), now: .at(at * second))
        }
        return store
    }

    private func store(of positions: [ReaderPosition]) -> PositionStore {
        var store = PositionStore()
        store.receive(PositionMessage(group: "store", positions: positions), now: .at(0))
        return store
    }

    private func lag(
        _ group: RegisteredGroup, _ heads: HeadStore, told: PositionStore = PositionStore(),
        at now: Int64
    ) -> LagTable.Lag? {
        var table = LagTable()
        return table.lags([group], told: told, heads: heads, now: .at(now * second))[.store]
            ?? nil
    }

    @Test("head minus position, over all partitions; what was told counts, not what is on record")
    func sum() {
        let heads = heads([(1, 0, 100), (1, 1, 50), (5, 0, 120), (6, 1, 50)])
        let group = group(positions: [position(0, 60), position(1, 10)])
        #expect(lag(group, heads, at: 7)?.ticks == 60 + 40)
        let lag = lag(group, heads, told: store(of: [position(0, 110), position(1, 50)]), at: 8)
        #expect(lag == LagTable.Lag(ticks: 10, nanoseconds: 3 * second))
        #expect(
            self.lag(group, heads, told: store(of: [position(0, 120), position(1, 99)]), at: 8)
                == LagTable.Lag(ticks: 0, nanoseconds: 0, drainNanoseconds: 0))
    }

    @Test("a group that nobody of lives has a lag that grows, by its record; one without has all")
    func silent() {
        let heads = heads([(1, 0, 100), (9, 0, 130)])
        #expect(lag(group(positions: [position(0, 100)]), heads, at: 10)?.ticks == 30)
        #expect(lag(group(positions: [position(0, 100)]), heads, at: 10)?.nanoseconds == second)
        #expect(lag(group(), heads, at: 10)?.ticks == 130)
    }

    @Test("gone, and not 0, when no head was heard for ten seconds, or never")
    func gone() {
        let heads = heads([(1, 0, 100), (3, 1, 5)])
        let group = group(positions: [position(0, 100), position(1, 5)])
        #expect(
            lag(group, heads, at: 12)
                == LagTable.Lag(ticks: 0, nanoseconds: 0, drainNanoseconds: 0))
        #expect(lag(group, heads, at: 13) == nil)
        #expect(lag(group, HeadStore(), at: 0) == nil)
        #expect(lag(self.group([.bars]), heads, at: 4) == nil, "it reads something else")
        var newer = group
        newer.problem = .newer("its release")
        #expect(lag(newer, heads, at: 4) == nil, "what it reads is not known")
    }

    @Test("what the history does not reach is asked of the tape, once per position")
    func questions() throws {
        let heads = heads([(100, 0, 100), (101, 0, 101)])
        let group = group(positions: [position(0, 7)])
        var table = LagTable()
        _ = table.lags([group], told: PositionStore(), heads: heads, now: .at(102 * second))
        let question = try #require(table.questions.first)
        #expect(table.questions.count == 1 && question.sequence == 14)
        table.answer(question, storedAt: .at(42 * second))
        let lags = table.lags([group], told: PositionStore(), heads: heads, now: .at(103 * second))
        #expect(table.questions.isEmpty)
        #expect(lags[.store] == LagTable.Lag(ticks: 94, nanoseconds: 61 * second))
        let moved = self.group(positions: [position(0, 8)])
        _ = table.lags([moved], told: PositionStore(), heads: heads, now: .at(103 * second))
        #expect(table.questions.count == 1, "another position")
    }

    @Test("a real tape: lag without a member, its age from the tape, and gone with its group")
    func real() throws {
        let tape = try TestTape(NatsServer(), namespace: "md")
        let registry = try GroupRegistry.open(tape.client)
        try registry.register(.store, reads: [.ticks])
        let watch = try LagWatch(tape.client)
        defer { watch.stop() }
        let reporter = HeadReporter(tape.client, source: source, input: .ticks)
        let seen = { () throws -> JSONValue? in
            var json = JSONWriter(capacity: 64)
            json.object { watch.write(into: &$0) }
            return try JSONValue.parse(json.bytes)["store"]
        }
        let page = { String(decoding: tape.client.telemetry.metrics.render(), as: UTF8.self) }
        #expect(try eventually { try seen() == .null })
        #expect(
            page().contains(
                #"mds_group_registered{group="store",needed="true",role="store"} 1"#))
        #expect(eventually { watch.backlog(of: source)?.slowest?.group == .store })
        // Nobody waits for a store that is not needed.
        try registry.register(.store, reads: [.ticks], isNeeded: false)
        #expect(eventually { watch.backlog(of: source)?.slowest == nil })
        #expect(!page().contains(#"needed="true""#))
        var now = MonotonicTime(nanoseconds: 0)
        #expect(
            try eventually {
                now += second
                reporter.report(now: now) {
                    [TapeHead(partition: Partition(1), epoch: 1, lastOrdinal: 12)]
                }
                return try seen()?["lag"]?.int == 12
            })
        #expect(page().contains("mds_group_lag_ticks{group=\"store\"} 12"))
        #expect(try seen()?["drain_seconds"] == .null)
        #expect(try seen()?["rate"] != nil)
        #expect(!page().contains("mds_group_drain_seconds{"))
        #expect(try registry.remove(.store))
        #expect(try eventually { try seen() == nil })
        #expect(!page().contains("mds_group_lag_ticks{"))
    }
}
