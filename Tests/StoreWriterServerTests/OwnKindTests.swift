import HotState
import MarketModel
import Primitives
import ServiceRuntime
import ServiceTestSupport
import StoreSinks
import Synchronization
import TapeCodec
import TapeTransport
import TestSupport
import Testing

@testable import StoreWriter

/// A store in memory, as another program may bring one. It outlives the writers of a test.
private final class MemoryStore: Store {
    struct State {
        var positions: [SinkPlace: SinkPosition] = [:]
        /// The ordinals of the rows, by partition, in the order in which they were written.
        var ordinals: [Int: [UInt64]] = [:]
        /// The number of writes that fail next.
        var failures = 0
    }

    let state = Mutex(State())

    func session(owner: String, beat: ThreadBeat) -> any StoreSession {
        MemorySession(self, owner: owner)
    }
    func startUpkeep(_ threads: inout [ServiceThread]) {}
    func startFilling(_ hot: HotOutput, life: Duration) -> ServiceThread? { nil }

    func count(_ partition: Int) -> Int { state.withLock { $0.ordinals[partition]?.count ?? 0 } }
}

private final class MemorySession: StoreSession {
    private struct Away: Error {}

    private let store: MemoryStore
    private let owner: String
    private(set) var isOpen = false
    let serverText = "memory"
    let isOnStandby = false

    init(_ store: MemoryStore, owner: String) {
        self.store = store
        self.owner = owner
    }

    func open() { isOpen = true }
    func close() { isOpen = false }
    func checkAlive() {}

    func claim(_ claims: [SinkClaim]) -> [SinkRow] {
        store.state.withLock { state in
            claims.map { claim in
                var position = Self.position(claim.place, state)
                if let known = claim.knownEpoch, position.ownerEpoch > known {
                    return SinkRow(position: position, isClaimed: false)
                }
                position.ownerEpoch = max(Int64(clamping: claim.epoch), position.ownerEpoch + 1)
                position.owner = owner
                state.positions[claim.place] = position
                return SinkRow(position: position, isClaimed: true)
            }
        }
    }

    func read(_ places: [SinkPlace]) -> [SinkRow] {
        store.state.withLock { state in
            places.map { SinkRow(position: Self.position($0, state), isClaimed: true) }
        }
    }

    private static func position(_ place: SinkPlace, _ state: MemoryStore.State) -> SinkPosition {
        state.positions[place]
            ?? SinkPosition(input: place.input, partition: place.partition, ownerEpoch: 0)
    }

    func write(
        _ batch: WriteBatch, settle: (BatchOutcome) -> [SinkPosition]
    ) throws(StoreError) -> BatchOutcome {
        let catalogue = SinkCatalogue()
        var work = BatchWork(batch, catalogue)
        var rows: [(partition: Int, ordinal: UInt64)] = []
        batch.walk { item, context, record, ordinal, _ in
            guard let index = catalogue.index(of: record) else { return }
            work.outcome.counts[item].written += 1
            work.outcome.rows[catalogue.sinks[index].name, default: 0] += 1
            rows.append((context.header.partition.number, ordinal))
        }
        work.close(batch)
        let settled = settle(work.outcome)
        try store.state.withLock { state throws(StoreError) in
            for position in settled {
                let place = SinkPlace(input: position.input, partition: position.partition)
                guard Self.position(place, state).ownerEpoch == position.ownerEpoch else {
                    throw .failed(StoreError.Failure(category: .fenced, cause: Away()))
                }
            }
            if state.failures > 0 {
                state.failures -= 1
                throw .failed(StoreError.Failure(category: .retryable, cause: Away()))
            }
            for row in rows { state.ordinals[row.partition, default: []].append(row.ordinal) }
            for position in settled {
                var position = position
                position.forgetBatch()
                position.owner = owner
                let place = SinkPlace(input: position.input, partition: position.partition)
                state.positions[place] = position
            }
        }
        return work.outcome
    }

    func missingDays(of batch: WriteBatch) -> [TableDay] { [] }
    func makeDays(_ days: ArraySlice<TableDay>) {}
    func inputs(of batch: WriteBatch, on days: Set<TableDay>) -> Set<Int> { [] }
}

@Suite("A kind of store that a program brings")
struct OwnKindTests {
    private let memory = MemoryStore()
    private let tape: TestTape
    private let kinds: [StoreKind]
    private let records = HandRecords()

    init() throws {
        tape = try TestTape(NatsServer.shared(), namespace: "wownkind", partitions: 2)
        kinds =
            StoreKind.ofThisProgram + [StoreKind(name: "memory", make: { [memory] _ in memory })]
    }

    /// Starts a writer that takes both partitions.
    private func start() throws -> RunningService {
        let environment = tape.environment.merging([
            "STORE_KIND": "memory", "WRITER_BATCH_WAIT": "20ms", "WRITER_HOT_STATE": "false",
        ]) { $1 }
        let service = try TestService(Main.description(of: kinds), environment)
        let settings = WriterSettings(service.context.configuration, kinds)
        let client = try tape.connect(service)
        let member = HandMembership(records, takes: [0, 1])
        return try service.start { context in
            defer { client.close() }
            return try Writer(
                settings, client: client, context: context, report: WriterReport()
            ) { ports in
                member.join(ports)
                return member
            }.run()
        }
    }

    @Test("has each tick once, in order, after failed writes and another writer")
    func exactOnce() throws {
        let name = try #require(SourceName("test"))
        var sources = try (0..<2).map { partition in
            var source = TestSource(tape, Partition(partition), source: name)
            try source.define("S\(partition)", provider: "test")
            return source
        }
        func publish() throws {
            for index in sources.indices {
                WriterBench.fill(&sources[index], ticks: 25)
                try sources[index].publish(watermark: Timestamp(nanoseconds: WriterBench.start))
            }
        }
        func areStored(_ count: Int) -> Bool {
            eventually { (0..<2).allSatisfy { memory.count($0) == count } }
        }
        try publish()
        let first = try start()
        #expect(areStored(25))
        memory.state.withLock { $0.failures = 3 }
        try publish()
        #expect(areStored(50))
        #expect(memory.state.withLock { $0.failures } == 0)
        #expect(try first.stop() == .success)
        try publish()
        let second = try start()
        #expect(areStored(75))
        #expect(try second.stop() == .success)
        for partition in 0..<2 {
            let ordinals = memory.state.withLock { $0.ordinals[partition] }
            #expect(ordinals == Array(1...75))
        }
    }
}
