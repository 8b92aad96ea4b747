import MarketModel
import NatsTransport
import Primitives
import Synchronization
import TapeCodec
import TapeProtocol
import ServiceRuntime
import TestSupport
import Testing

@testable import TapeTransport
@testable import TapeTransportTests

/// An owner's lag on its own partitions.
@Suite struct OwnLagTests {
    private let second: Int64 = 1_000_000_000

    private func source(_ name: String = "sim") throws -> SourceName {
        try #require(SourceName(name))
    }

    private func position(
        _ partition: Int, _ last: UInt64, _ input: ReaderPosition.Input = .ticks
    ) throws -> ReaderPosition {
        ReaderPosition(
            partition: Partition(partition), input: input, sequence: last, durable: 0,
            sources: [SourceOrdinal(source: try source(), epoch: 1, lastOrdinal: last)])
    }

    private func hear(
        _ store: inout HeadStore, at now: Int64, _ partition: Int, _ last: UInt64,
        _ name: String = "sim"
    ) throws {
        let head = TapeHead(partition: Partition(partition), epoch: 1, lastOrdinal: last)
        store.receive(
            HeadMessage(source: try source(name), input: .ticks, heads: [head]),
            now: .at(now * second))
    }

    @Test("of one partition: all its sources, the oldest that is unread, nothing of others")
    func ofPartition() throws {
        var store = HeadStore()
        #expect(store.lag(of: try position(1, 5), now: .at(0)) == nil, "nothing was heard")
        try hear(&store, at: 1, 1, 10)
        try hear(&store, at: 1, 1, 3, "other")
        try hear(&store, at: 1, 2, 900)
        try hear(&store, at: 4, 1, 14)
        // Packets of "other" from before have no age.
        #expect(
            store.lag(of: try position(1, 10), now: .at(6 * second))
                == HeadStore.Lag(ticks: 4 + 3, nanoseconds: nil))
        #expect(
            store.lag(of: try position(2, 900), now: .at(6 * second))
                == HeadStore.Lag(ticks: 0, nanoseconds: 0))
        #expect(
            store.lag(of: try position(7, 0), now: .at(6 * second))
                == HeadStore.Lag(ticks: 0, nanoseconds: 0), "nothing stands there")
        try hear(&store, at: 5, 2, 901)
        #expect(
            store.lag(of: try position(2, 900), now: .at(8 * second))
                == HeadStore.Lag(ticks: 1, nanoseconds: 3 * second))
        #expect(store.lag(of: try position(2, 900, .bars), now: .at(8 * second)) == nil)
        #expect(
            store.lag(of: try position(2, 900), now: .at(15 * second)) == nil, "silent for too long"
        )
    }

    @Test("over NATS: shown per partition while it is owned, summed up for a scaler, else null")
    func shown() throws {
        let tape = try TapeServer()
        let (gateway, owner) = (try tape.rig(), try tape.rig())
        let clock = HandClock(second)
        let heads = try HeadListener(owner.client) { clock.now }
        try owner.client.connection.flush(timeout: patience)
        let lag = OwnLag(owner.client, group: "store", heads: heads)
        let page = { owner.page }
        func scale() throws -> String {
            JSONWriter.made(capacity: 64) { lag.write(into: &$0) }.text
        }
        let shares = [
            OwnLag.Share(partition: "1", positions: [try position(1, 90)]),
            OwnLag.Share(partition: "2", positions: []),
        ]
        lag.report(now: clock.now) { shares }
        #expect(try scale() == #"{"partitions":2,"lag":null,"lag_seconds":null}"#)
        #expect(!page().contains("mds_partition_lag"))

        let reporter = HeadReporter(gateway.client, source: try source(), input: .ticks)
        for (at, last) in [(Int64(2), UInt64(90)), (3, 100)] {
            clock.set(at * second)
            reporter.report(now: .at(at * second)) {
                [TapeHead(partition: Partition(1), epoch: 1, lastOrdinal: last)]
            }
            #expect(eventually { heads.store.entries.values.first?.head.lastOrdinal == last })
        }
        lag.report(now: .at(5 * second)) { shares }
        let labels = #"{group="store",input="ticks",partition="1"}"#
        #expect(page().contains("mds_partition_lag_ticks\(labels) 10\n"))
        #expect(page().contains("mds_partition_lag_seconds\(labels) 2\n"))
        #expect(try scale() == #"{"partitions":2,"lag":10,"lag_seconds":2.0}"#)
        // It is not asked too early.
        lag.report(now: .at(5 * second + 1)) {
            Issue.record("too soon")
            return []
        }
        lag.report(now: .at(6 * second)) { [] }
        #expect(!page().contains("mds_partition_lag"), "it is somebody else's")
        #expect(try scale() == #"{"partitions":0,"lag":0,"lag_seconds":0.0}"#)
        lag.report(now: .at(20 * second)) { shares }
        #expect(try scale() == #"{"partitions":2,"lag":null,"lag_seconds":null}"#)
    }

    private final class HandClock: Sendable {
        private let value: Mutex<Int64>
        init(_ start: Int64) { value = Mutex(start) }
        var now: MonotonicTime { .at(value.withLock { $0 }) }
        func set(_ time: Int64) { value.withLock { $0 = time } }
    }
}
