import MarketModel
import Membership
import MembershipTransport
import NatsTransport
import PostgresClient
import Primitives
import ServiceRuntime
import ServiceTestSupport
import StoreSinks
import TapeCodec
import TapeTransport
import TestSupport
import Testing

@testable import StoreWriter

/// The worker of partition 0 on the test's own thread, with a real database. The test acts between
/// the turns of its loop.
final class WorkerScene {
    let bench: WriterBench
    let service: TestService
    let queue: WorkerQueue
    let rival: PostgresConnection
    private let port = OwnershipPort(partitions: [Partition(0)]) {}
    let parts: StoreWorker.Parts
    private let beat: ThreadBeat
    private var assignment: StoreWorker.Assignment
    private var source: TestSource
    private(set) var answers: [OwnershipAnswer] = []

    init(
        _ name: String, _ changes: [String: String] = [:],
        _ wrap: (PostgresStore) -> any Store = { $0 }
    ) throws {
        bench = try WriterBench(name)
        let environment = bench.environment().merging(["WRITER_THREADS": "1"]) { $1 }
        service = try TestService(Main.description, environment.merging(changes) { $1 })
        let context = service.context
        let settings = WriterSettings(context.configuration)
        let gate = SteadyGate(port)
        port.steady(until: .never)
        gate.open(until: .never)
        let client = try bench.tape.connect(service)
        parts = StoreWorker.Parts(
            settings: settings, context: context, port: port, gate: gate,
            breaker: StoreBreaker(settings.attempts.breaker, context.telemetry),
            report: WriterReport(), metrics: WriterMetrics(context.telemetry.metrics),
            store: wrap(PostgresStore(settings.storeContext(client, context))),
            groups: ApartBoard(), traces: nil)
        beat = context.threads.thread("test")
        queue = try #require(WorkerQueues(settings) { _, _ in }.all.first)
        assignment = StoreWorker.Assignment(
            [Partition(0)], owner: StoreWorker.newOwner(thread: 0))
        source = try bench.source(0)
        rival = try bench.database.connectWriter()
        queue.send(
            .take(
                Partition(0), Claim(tenure: 1, epoch: 1, previous: nil, wasReleased: false)))
    }

    /// Runs a life of the worker. It ends when `act`, which is called before each turn, returns
    /// true, or with a failure that no retry can remedy.
    func live(_ act: (StoreWorker) throws -> Bool) throws {
        let clock = SystemClock()
        let worker = StoreWorker(queue, assignment, parts, beat, begin: clock.monotonic())
        let deadline = clock.deadline(after: patience)
        let outcome = Result {
            var failure: (any Error)?
            try worker.run {
                port.takeAnswers(into: &answers)
                do {
                    return try act(worker) || clock.monotonic() > deadline
                } catch {
                    failure = error
                    return true
                }
            }
            if let failure { throw failure }
        }
        assignment = worker.assignment
        if case .failure(let error) = outcome, !(error is StoreWorker.Death) { throw error }
        port.takeAnswers(into: &answers)
    }

    /// Brings the worker a packet of its present reading, as the intake does.
    func bring(_ worker: StoreWorker, quotes: Int = 1, trades: Int = 3) throws {
        let time = Timestamp(nanoseconds: WriterBench.start)
        let header = TickHeader(symbol: 0, providerTime: time, receiveTime: time)
        let (price, size) = (Price(raw: 1), Quantity(raw: 1))
        for _ in 0..<quotes {
            source.append(
                Quote(
                    header: header, bidPrice: price, bidSize: size, askPrice: price, askSize: size))
        }
        for _ in 0..<trades { source.append(Trade(header: header, price: price, size: size)) }
        let packet = source.seal(watermark: .undefined)
        let position = TapePosition(
            streamCreated: Timestamp(nanoseconds: 77), sequence: packet.header.firstOrdinal,
            packet: packet.header.identity, sources: [])
        let item = QueuedPacket(
            input: 0, reading: worker.assignment.reading, position: position,
            header: packet.header,
            message: try NatsMessage(subject: "x", payload: packet.bytes),
            count: packet.bytes.withRawSpan { parts.settings.sinks.count($0, packet.header) })
        #expect(queue.offer(item, now: SystemClock().monotonic()) == .taken)
    }

    /// The number of transactions so far.
    var batches: Double { service.metric("mds_worker_batches_written_total") ?? 0 }
    var reasons: [String] { service.context.readiness.health.reasons }
    var hasLost: Bool { answers.contains { if case .lost = $0 { true } else { false } } }
}

@Suite("One worker of the writer, and its lives")
struct WorkerLifeTests {
    @Test("after a failed write, a fence that leaves nothing to write makes the worker ready again")
    func readyAfterFence() throws {
        let scene = try WorkerScene("worker_l1")
        var isFenced = false
        try scene.live { worker in
            if scene.answers.count == 1, scene.reasons.isEmpty {
                // As after a write without an answer.
                worker.assignment.isWriteInDoubt = true
                worker.failed(
                    .database(.timeout(operation: "write", peer: "p", after: .seconds(1))))
                #expect(scene.reasons.contains { $0.hasPrefix("database 0") })
            } else if scene.answers.count == 2, !isFenced {
                isFenced = true
                try scene.rival.execute("SELECT claim_position('store', 'ticks', 0, 9, 'other')")
                try scene.bring(worker)
            }
            return scene.hasLost && scene.reasons.isEmpty
        }
        #expect(scene.hasLost && scene.answers.count == 3)
        #expect(scene.reasons.isEmpty)
    }

    @Test("a position that a person accepts between two lives is still the worker's own")
    func acceptedBetweenLives() throws {
        let scene = try WorkerScene("worker_l2")
        try scene.live { worker in
            if scene.answers.count == 1 {
                worker.failed(.database(.unexpected(operation: "o", peer: "p", reason: "dies")))
            }
            return false
        }
        let unread = #"{"sequence":0,"sources":[]}"#
        try scene.rival.execute(
            "SELECT accept_position('store', 'ticks', 0, '\(unread)', '\(unread)', '[]')")
        try scene.live { _ in scene.answers.count > 1 }
        #expect(scene.answers.count == 2 && !scene.hasLost, "\(scene.answers)")
        #expect(scene.service.metric("mds_writer_fenced_total") == nil)
    }

    @Test("a position that is ahead of its owner is claimed again in the same life")
    func movedPosition() throws {
        let scene = try WorkerScene("worker_l4")
        var isMoved = false
        try scene.live { worker in
            if scene.answers.count == 1, !isMoved {
                isMoved = true
                try scene.bench.database.psql(
                    """
                    UPDATE sink_positions SET stream_created_ns = 77, sequence = 1000,
                        packet_epoch = 1, packet_ordinal = 1, packet_crc = 1
                    WHERE input = 'ticks' AND partition = 0
                    """)
                try scene.bring(worker)
            }
            return scene.answers.count == 2
        }
        #expect(scene.answers.count == 2 && !scene.hasLost, "\(scene.answers) \(scene.reasons)")
    }

    @Test("100,000 ticks of a table that is switched off cost no transaction, and are in the books")
    func skippedTicks() throws {
        let scene = try WorkerScene(
            "worker_l3", ["STORE_TABLES": "trades", "WRITER_BATCH_WAIT": "60s"])
        var turns = 0
        try scene.live { worker in
            guard scene.answers.count == 1 else { return false }
            scene.queue.wake()
            turns += 1
            switch turns {
            case 1: for _ in 0..<100 { try scene.bring(worker, quotes: 1_000, trades: 0) }
            case 2..<10: #expect(scene.batches == 0 && scene.queue.waiting.packets == 1)
            // Three trades, among more quotes, take the position along.
            case 10: try scene.bring(worker, quotes: 100, trades: 3)
            default: break
            }
            return scene.batches > 0
        }
        #expect(scene.batches == 1)
        #expect(scene.service.metric("mds_writer_ticks_skipped_total{sink=\"quotes\"}") == 100_100)
        try scene.bench.database.expect(
            "SELECT last_ordinal, written, skipped, missing, gaps FROM sink_audit",
            "100103|3|100100|0|0")
    }
}
