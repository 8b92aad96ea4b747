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
import TapeProtocol
import TestSupport
import Testing

@testable import StoreWriter
@testable import StoreWriterTests

@Suite("The writer's queue and workers")
struct WriterWorkerTests {
    /// A queue of a hundred rows for each of the four workers.
    private static let small = ["WRITER_QUEUE_ROWS": "400", "WRITER_BATCH_ROWS": "50"]

    /// Locks the row of partition 0's ticks, so that its worker waits in its COMMIT.
    private func lock(_ bench: WriterBench) throws -> PostgresConnection {
        let rival = try bench.database.connectWriter()
        try rival.script("BEGIN")
        try rival.execute(TestDatabase.advanceAgain(where: "input = 'ticks' AND partition = 0"))
        return rival
    }

    /// Starts a writer with small queues, and publishes while one worker waits. Returns the ticks,
    /// the writer and the session that holds the worker up.
    private func holdUp(
        _ bench: WriterBench, packets: Int, _ changes: [String: String] = [:]
    ) throws -> (TestTicks, RunningService, PostgresConnection) {
        var ticks = try TestTicks(bench)
        let running = try bench.start(Self.small.merging(changes) { $1 })
        try ticks.store(packets: 2)
        let rival = try lock(bench)
        try ticks.publish(packets: packets)
        return (ticks, running, rival)
    }

    /// Makes the database fail when a position moves.
    private func misbehave(_ bench: WriterBench, where condition: String) throws {
        try bench.database.psql(
            """
            CREATE FUNCTION misbehave() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                IF \(condition) THEN
                    RAISE EXCEPTION 'misbehaves' USING ERRCODE = 'XX000';
                END IF;
                RETURN NEW;
            END $$;
            CREATE TRIGGER misbehave BEFORE UPDATE OF sequence ON sink_positions
                FOR EACH ROW EXECUTE FUNCTION misbehave()
            """)
    }

    private func rows(_ bench: WriterBench, of partition: Int) throws -> Int {
        try Int(
            bench.database.psql(
                "SELECT coalesce(sum(rows), 0) FROM stored_ticks WHERE partition = \(partition)"))
            ?? -1
    }

    @Test("a worker that is held up holds up its own partitions only, and no more than its lane")
    func oneLane() throws {
        let bench = try WriterBench("writer_q1")
        let (ticks, running, rival) = try holdUp(bench, packets: 40)
        #expect(
            try eventually { try (1...3).allSatisfy { try rows(bench, of: $0) == 1_050 } },
            "\(bench.shown)")
        #expect(eventually { running.log.contains("writer.queue.high") })
        func depth(_ thread: Int) -> Double? {
            running.service.metric("mds_coord_queue_depth{thread=\"\(thread)\"}")
        }
        let waiting = try #require(depth(0))
        #expect(waiting >= 80 && waiting <= 100)
        #expect(running.service.metric("mds_coord_queue_capacity{thread=\"0\"}") == 100)
        #expect(depth(1) == 0)
        #expect(try rows(bench, of: 0) == 50)
        try rival.script("ROLLBACK")
        ticks.expectStored()
        #expect(eventually { running.log.contains("writer.queue.low") })
        #expect(running.service.metric("mds_coord_items_submitted_total") == 4_200)
        try bench.stopAndAudit(running)
    }

    @Test("policy drop: what found no room is skipped and named, and the books are balanced")
    func drops() throws {
        let bench = try WriterBench("writer_q2")
        let (begun, running, rival) = try holdUp(
            bench, packets: 40, ["WRITER_OVERFLOW": "drop"])
        var ticks = begun
        let dropped = "mds_writer_queue_dropped_ticks_total"
        // At most the batch in progress and a full queue are not dropped.
        #expect(eventually { (running.service.metric(dropped) ?? 0) >= 800 })
        try rival.script("ROLLBACK")
        try bench.database.expectSoon(
            "SELECT min(last_ordinal), max(last_ordinal) FROM sink_source_ordinals", "1050|1050",
            "\(bench.shown)")
        try ticks.publish(packets: 2)
        try bench.database.expectSoon(
            """
            SELECT count(*), sum(written + skipped) FROM sink_source_ordinals
            WHERE last_ordinal = 1100
            """, "4|4400", "\(bench.shown)")
        // It is reported once a second.
        #expect(eventually { running.log.contains("writer.queue.dropped") })
        #expect(try running.stop() == .success)
        let skipped = try #require(running.service.metric(dropped))
        #expect(try bench.missing() == "0")
        // A burst can also be too much for another queue of this size.
        let named = """
            SELECT DISTINCT reason, (SELECT sum(last_ordinal - first_ordinal + 1) FROM gaps),
                (SELECT sum(skipped) FROM sink_source_ordinals),
                (SELECT bool_or(partition = 0) FROM gaps) FROM gaps
            """
        try bench.database.expect(named, "dropped|\(Int(skipped))|\(Int(skipped))|t")
        // No ordinal in a gap has a row, and all others are stored once.
        try bench.database.expect(
            """
            SELECT count(*) FROM trades t JOIN gaps g USING (source, partition)
            WHERE t.ordinal BETWEEN g.first_ordinal AND g.last_ordinal
            """, "0")
        try bench.database.expect(
            "SELECT sum(rows), sum(ordinals) FROM stored_ticks",
            "\(4_400 - Int(skipped))|\(4_400 - Int(skipped))")
    }

    @Test("policy error: the service ends and says why; the tape keeps everything")
    func error() throws {
        let bench = try WriterBench("writer_q3")
        let (ticks, running, rival) = try holdUp(bench, packets: 20, ["WRITER_OVERFLOW": "error"])
        #expect(eventually { running.log.contains("writer.queue.full") })
        try rival.script("ROLLBACK")
        #expect(try running.exitCode() == .temporary)
        let next = try bench.start()
        ticks.expectStored()
        try bench.stopAndAudit(next)
    }

    @Test("a worker that dies is there again with a new session, and nothing is lost")
    func deaths() throws {
        let bench = try WriterBench("writer_q4")
        try bench.database.psql(
            """
            CREATE TABLE broken (partition integer);
            GRANT SELECT ON broken TO PUBLIC
            """)
        try misbehave(bench, where: "EXISTS (SELECT FROM broken WHERE partition = NEW.partition)")
        var ticks = try TestTicks(bench)
        let member = HandMembership(bench.records, takes: [0, 1, 2, 3])
        let running = try bench.start(membership: member)
        try ticks.store(packets: 2)
        try bench.database.psql("INSERT INTO broken VALUES (1)")
        try ticks.publish(packets: 8)
        #expect(eventually { (running.service.metric("mds_worker_restarts_total") ?? 0) >= 2 })
        #expect(running.log.contains("misbehaves"))
        #expect(
            try eventually { try [0, 2, 3].allSatisfy { try rows(bench, of: $0) == 250 } },
            "\(bench.shown)")
        #expect(try rows(bench, of: 1) == 50)
        #expect(!running.isReady)
        try bench.database.psql("DELETE FROM broken")
        ticks.expectStored()
        #expect(eventually { running.isReady }, "\(running.reasons)")
        #expect(eventually { running.service.metric("mds_coord_workers_alive") == 4 })
        // It continues as the same owner.
        #expect(member.heard.allSatisfy { if case .opened = $0 { true } else { false } })
        try bench.stopAndAudit(running)
    }

    @Test("an owner that dies and is asked for a partition meanwhile gives it")
    func deadGives() throws {
        let bench = try WriterBench("writer_q5")
        try misbehave(bench, where: "true")
        var ticks = try TestTicks(bench)
        let member = HandMembership(bench.records, takes: [0, 1, 2, 3])
        let running = try bench.start(membership: member)
        try ticks.publish(packets: 2)
        #expect(eventually { (running.service.metric("mds_worker_restarts_total") ?? 0) >= 4 })
        for partition in 0..<4 { #expect(member.release(partition)) }
        try bench.database.psql("DROP TRIGGER misbehave ON sink_positions")
        member.take((0..<4).map { Partition($0) })
        ticks.expectStored()
        try bench.stopAndAudit(running)
    }

    @Test("a stop does not wait for a database that stands still")
    func stopsWithoutDatabase() throws {
        let bench = try WriterBench("writer_q7")
        var ticks = try TestTicks(bench)
        let running = try bench.start()
        try ticks.store(packets: 2)
        let rival = try lock(bench)
        try ticks.publish(packets: 4)
        #expect(try eventually { try (1...3).allSatisfy { try rows(bench, of: $0) == 150 } })
        #expect(try running.stop() == .success)
        #expect(running.log.contains("writer.left_behind"))
        #expect(running.log.contains("writer.worker.left_behind"))
        try rival.script("ROLLBACK")
        // Whether the abandoned transaction commits now or is fenced, each row is stored once.
        let next = try bench.start()
        ticks.expectStored()
        try bench.stopAndAudit(next)
    }

    @Test("a stop waits for each thread up to a deadline, and leaves behind what has not ended")
    func stopsWithoutThreads() throws {
        let service = try TestService(Main.description, [:])
        let release = ShutdownSignal()
        defer { release.request("the test is over") }
        func hanging() throws -> ServiceThread {
            try ServiceThread(name: "hangs") { _ = release.wait(timeout: patience) }
        }
        let threads = WriterThreads(
            intake: try hanging(), workers: [try hanging()], others: [try hanging()],
            upkeep: [try hanging()])
        threads.end(service.context, within: .milliseconds(1))
        let left = [threads.intake] + threads.upkeep + threads.workers + threads.others
        #expect(left.allSatisfy { $0?.isFinished == false })
        #expect(service.log.contains("writer.worker.left_behind"))
    }

    @Test("the status page has the queue and each worker's state")
    func status() throws {
        let environment = [
            "MDS_PARTITIONS": "2", "WRITER_THREADS": "2", "WRITER_QUEUE_ROWS": "200",
        ]
        let settings = WriterSettings(try TestService.configuration(Main.description, environment))
        let report = WriterReport()
        report.attach(WorkerQueues(settings) { _, _ in })
        report.set(.idle, thread: 0)
        report.failed("no way", thread: 1)
        report.died(thread: 1)
        #expect(report.alive == 1)
        var json = JSONWriter(capacity: 64)
        json.object { report.write(into: &$0) }
        let page = try JSONValue.parse(json.text)
        let queue = try #require(page["queue"])
        #expect(queue["policy"]?.string == "block" && queue["capacity_rows"]?.int == 200)
        let lane = try #require(queue["lanes"]?.array?.last)
        #expect(lane["thread"]?.int == 1 && lane["capacity_rows"]?.int == 100)
        #expect(lane["high_rows"]?.int == 80 && lane["low_rows"]?.int == 50)
        #expect(lane["rows"]?.int == 0 && lane["is_high"]?.bool == false)
        let workers = try #require(page["workers"]?.array)
        #expect(workers.map { $0["state"]?.string } == ["idle", "dead"])
        #expect(workers.map { $0["restarts"]?.int } == [0, 1])
        #expect(workers.map { $0["last_error"]?.string } == [nil, "no way"])
    }

    @Test(
        "a full port of orders finds room in a queue, whatever the number of partitions",
        arguments: [1, 32, Partition.countRange.upperBound])
    func orders(partitions: Int) {
        let queue = Self.queue(partitions: partitions)
        let port = OwnershipPort(partitions: (0..<partitions).map { Partition($0) }) {}
        for _ in 1..<WorkerQueue.ordersWaitingMax { queue.send(Self.order) }
        #expect(queue.hasRoomForOrders)
        var orders: [OwnershipOrder] = []
        while port.send(Self.order) {}
        port.take(into: &orders)
        for order in orders { queue.send(order) }
        #expect(!queue.hasRoomForOrders)
        orders.removeAll()
        queue.takeOrders(into: &orders)
        #expect(queue.hasRoomForOrders && orders.count == queue.ordersMax - 1)
    }

    @Test("more orders than one turn of the intake can bring are a bug")
    func trapsOrders() async {
        await #expect(processExitsWith: .failure) {
            let queue = WriterWorkerTests.queue(partitions: 1)
            for _ in 0...queue.ordersMax { queue.send(WriterWorkerTests.order) }
        }
    }

    @Test("a queue wakes its worker for the first row, and when it is high before a batch is full")
    func highWakes() throws {
        let queue = WorkerQueue(
            0, limits: WorkerQueue.Packets.Limits(rows: 10, bytes: 1 << 20),
            partitions: 1, overflow: .block, batchRows: 500
        ) { _, _ in }
        for (rows, wakes) in [(1, true), (1, false), (6, true), (1, false)] {
            let item = try Self.item(rows: rows)
            #expect(queue.offer(item, now: .at(0)) == .taken)
            #expect(queue.wait(.zero) == wakes, "\(rows) more rows")
        }
    }

    private static func item(rows: Int) throws -> QueuedPacket {
        var builder = PacketBuilder(
            kind: .ticks, partition: Partition(0), source: try #require(SourceName("test")))
        let packet = builder.seal(
            PacketBuilder.Seal(
                epoch: 1, firstOrdinal: 1, watermark: .undefined,
                sendTime: Timestamp(nanoseconds: 1)))
        return QueuedPacket(
            input: 0, reading: 1,
            position: TapePosition(
                streamCreated: Timestamp(nanoseconds: 1), sequence: 1,
                packet: packet.header.identity, sources: []),
            header: packet.header, message: try NatsMessage(subject: "x", payload: packet.bytes),
            count: RecordCount(rows: rows))
    }

    private static let order = OwnershipOrder.drop(Partition(0), tenure: 1)

    private static func queue(partitions: Int) -> WorkerQueue {
        WorkerQueue(
            0, limits: WorkerQueue.Packets.Limits(rows: 1, bytes: 1),
            partitions: partitions, overflow: .block, batchRows: 1
        ) { _, _ in }
    }
}
