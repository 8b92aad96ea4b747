import HotState
import MarketModel
import Primitives
import ServiceRuntime
import StoreSinks
import Synchronization
import TapeCodec
import TestSupport
import Testing

@testable import StoreWriter

/// PostgreSQL, and something that happens between the rows of a batch and the positions after it.
private final class BetweenStore: Store {
    let store: PostgresStore
    let happens = Mutex<(@Sendable () -> Void)?>(nil)

    init(_ store: PostgresStore) { self.store = store }

    var keepsGroups: Bool { true }
    func session(owner: String, beat: ThreadBeat) -> any StoreSession {
        BetweenSession(store.session(owner: owner, beat: beat), self)
    }
    func session(of group: TableGroup, owner: String, beat: ThreadBeat) -> (any StoreSession)? {
        store.session(of: group, owner: owner, beat: beat)
    }
    func startUpkeep(_ threads: inout [ServiceThread]) throws {}
    func startFilling(_ hot: HotOutput, life: Duration) throws -> ServiceThread? { nil }
}

private final class BetweenSession: StoreSession {
    private let session: any StoreSession
    private let store: BetweenStore

    init(_ session: any StoreSession, _ store: BetweenStore) {
        self.session = session
        self.store = store
    }

    var isOpen: Bool { session.isOpen }
    var serverText: String { session.serverText }
    var isOnStandby: Bool { session.isOnStandby }
    func open() throws(StoreError) { try session.open() }
    func close() { session.close() }
    func checkAlive() throws(StoreError) { try session.checkAlive() }
    func claim(_ claims: [SinkClaim]) throws(StoreError) -> [SinkRow] { try session.claim(claims) }
    func read(_ places: [SinkPlace]) throws(StoreError) -> [SinkRow] { try session.read(places) }
    func write(
        _ batch: WriteBatch, settle: (BatchOutcome) -> [SinkPosition]
    ) throws(StoreError) -> BatchOutcome {
        try session.write(batch) { outcome in
            store.happens.withLock { $0?() }
            return settle(outcome)
        }
    }
    func missingDays(of batch: WriteBatch) throws(StoreError) -> [TableDay] {
        try session.missingDays(of: batch)
    }
    func makeDays(_ days: ArraySlice<TableDay>) throws(StoreError) { try session.makeDays(days) }
    func inputs(of batch: WriteBatch, on days: Set<TableDay>) -> Set<Int> {
        session.inputs(of: batch, on: days)
    }
}

@Suite("A group of tables that is left or taken back while a batch is written")
struct ApartMoveTests {
    private static let reason = ApartGroup.Reason(
        table: .trades, text: "no", since: Timestamp(nanoseconds: 5))

    /// Leaves the group of `ticks` where the worker is, without records.
    private func leave(_ scene: WorkerScene, _ worker: StoreWorker) throws {
        try scene.bench.database.psql(
            """
            INSERT INTO apart_groups (sink, input, partition, owner, owner_epoch,
                stream_created_ns, sequence, packet_epoch, packet_ordinal, packet_crc,
                table_group, table_name, reason, since_ns)
            SELECT sink, input, partition, owner, owner_epoch, stream_created_ns, sequence,
                packet_epoch, packet_ordinal, packet_crc, 'ticks', 'trades', 'no', 5
            FROM sink_positions WHERE (input, partition) = ('ticks', 0)
            """)
        var position = try #require(worker.assignment.slots[0].stored(0))
        position.leave(.ticks, Self.reason)
        worker.assignment.slots[0].store(position, of: 0)
        scene.parts.groups.post(0, worker.assignment.slots[0].stored(0))
        #expect(scene.parts.groups.isBlocked(.ticks))
    }

    /// The group of `ticks` is where the worker is, and blocked or not. The next batch has three
    /// trades and a quote of it. While they are written, the group's writer says something else.
    /// What was decided before counts: rows and position agree.
    @Test(
        "what a group's writer says between rows and positions counts for the next batch",
        arguments: [true, false])
    func between(wasBlocked: Bool) throws {
        var between: BetweenStore?
        let scene = try WorkerScene("worker_gm\(wasBlocked ? 1 : 2)", ["WRITER_BATCH_WAIT": "1ms"])
        {
            let store = BetweenStore($0)
            between = store
            return store
        }
        let store = try #require(between)
        let board = scene.parts.groups
        let database = scene.bench.database
        var step = 0
        try scene.live { worker in
            guard scene.answers.count == 1 else { return false }
            switch step {
            case 0:
                try scene.bring(worker)
                step = 1
            case 1 where scene.batches == 1:
                try leave(scene, worker)
                if !wasBlocked { board.unblocked(.ticks, seen: Self.reason.since) }
                store.happens.withLock {
                    $0 = {
                        if wasBlocked {
                            board.unblocked(.ticks, seen: Self.reason.since)
                        } else {
                            board.refused(.ticks, "again", by: .trades)
                        }
                    }
                }
                try scene.bring(worker)
                step = 2
            case 2 where scene.batches == 2: return true
            default: break
            }
            return false
        }
        store.happens.withLock { $0 = nil }
        try database.expect(
            "SELECT (SELECT count(*) FROM trades) + (SELECT count(*) FROM quotes)",
            wasBlocked ? "4" : "8")
        try database.expect("SELECT count(*) FROM apart_groups", wasBlocked ? "1" : "0")
        try database.expect(
            "SELECT written, waiting, missing FROM sink_audit", wasBlocked ? "4|4|0" : "8|0|0")
        try Audit.expect(
            "ticks_stored_once", "rows_as_booked", "books_balanced", in: database)
    }

    @Test("a group that the books do not let come back is tried again later, each time later")
    func refused() throws {
        let scene = try WorkerScene("worker_gm3", ["WRITER_BATCH_WAIT": "1ms"])
        let board = scene.parts.groups
        var step = 0
        try scene.live { worker in
            switch step {
            case 0 where scene.answers.count == 1:
                try scene.bring(worker)
                step = 1
            case 1 where scene.batches == 1:
                try leave(scene, worker)
                // It has read all, and says of one record nothing.
                try scene.bench.database.psql(
                    """
                    UPDATE apart_groups SET sources = '[{"source": "test", "first_ordinal": 5,
                        "last_ordinal": 4, "written": 0, "skipped": 0, "dead_lettered": 0,
                        "epoch": 1, "tape_ordinal": 4, "given_twice": 0, "apart": 0}]';
                    UPDATE sink_source_ordinals SET apart = 1, written = written - 1
                    """)
                board.unblocked(.ticks, seen: Self.reason.since)
                step = 2
            // The session ended with it, and the position was claimed again.
            case 2 where scene.answers.count == 2:
                try scene.bring(worker)
                step = 3
            case 3 where scene.batches == 2: return true
            default: break
            }
            return false
        }
        #expect(step == 3 && scene.batches == 2, "\(scene.reasons)")
        #expect(board.isBlocked(.ticks))
        let left = try #require(board.lastLeft(.ticks))
        #expect(left > Self.reason.since)
    }
}
