import MarketModel
import NatsTransport
import PostgresClient
import Primitives
import ServiceRuntime
import ServiceTestSupport
import TapeCodec
import TapeProtocol
import TapeTransport
import TestSupport
import Testing

@testable import StoreWriter

@Suite("The store writer between a real tape and a real database")
struct WriterTests {
    @Test("all ticks are rows, once, and the books agree; a restart goes on")
    func restarts() throws {
        let bench = try WriterBench("writer_1")
        var ticks = try TestTicks(bench)
        let first = try bench.start()
        try ticks.store(packets: 20)
        #expect(first.isReady, "\(first.reasons)")
        #expect(try first.stop() == .success)
        try ticks.publish(packets: 10)
        let second = try bench.start(["WRITER_THREADS": "4", "WRITER_BATCH_ROWS": "1"])
        ticks.expectStored()
        try bench.stopAndAudit(second)
        try bench.database.expect("SELECT DISTINCT owner_epoch FROM sink_positions", "2")
        let rows = second.service.metric("sink_writes_total{sink=\"trades\"}") ?? 0
        let quotes = second.service.metric("sink_writes_total{sink=\"quotes\"}") ?? 0
        #expect(rows + quotes == 1_000)
        #expect((second.service.metric("mds_worker_batches_written_total") ?? 0) > 0)
    }

    @Test("it tells how far the database is, for ticks and bars")
    func tellsPositions() throws {
        let bench = try WriterBench("writer_told")
        let listener = try PositionListener(
            bench.tape.client, source: try #require(SourceName("test")))
        var ticks = try TestTicks(bench)
        try ticks.publish(packets: 4)
        let running = try bench.start()
        var heard = SourceRecord()
        #expect(
            eventually {
                if let news = listener.takeRisen() { heard.rise(to: news) }
                return heard.heads.count == 4
                    && heard.heads.values.allSatisfy { $0.lastOrdinal == 100 }
            })
        #expect(try running.stop() == .success)
    }

    @Test("the database dies in the middle and comes back")
    func databaseRestarts() throws {
        let server = try PostgresServer()
        let bench = try WriterBench("writer_4", server: server)
        var ticks = try TestTicks(bench)
        let running = try bench.start()
        try ticks.store(packets: 10)
        server.stopImmediately()
        try ticks.publish(packets: 10)
        #expect(eventually { !running.isReady })
        #expect(running.reasons.contains { $0.hasPrefix("database ") })
        try server.restart()
        ticks.expectStored()
        #expect(eventually { running.isReady }, "\(running.reasons)")
        #expect((running.service.metric("mds_writer_database_failures_total") ?? 0) >= 1)
        try bench.stopAndAudit(running)
    }

    @Test("a lost session that is still about to commit is waited for, not repeated")
    func lateCommit() throws {
        let bench = try WriterBench("writer_6")
        var ticks = try TestTicks(bench, partitions: 1)
        let running = try bench.start(["WRITER_THREADS": "1"])
        try ticks.store(packets: 4)
        // The session that will be lost in the middle of its COMMIT: rows and position are written,
        // but not visible yet. It has the writer's own epoch.
        let lost = try bench.database.connectWriter()
        try lost.script("BEGIN")
        try lost.script("SELECT sequence FROM sink_positions WHERE input = 'ticks'")
        try lost.execute(TestDatabase.advanceAgain(where: "input = 'ticks'"))
        try bench.database.terminate("application_name = 'store-writer'")
        try ticks.publish(packets: 4)
        // The new session's claim waits for the lock of the old one's advance.
        #expect(
            try eventually {
                try bench.database.psql(
                    """
                    SELECT count(*) FROM pg_stat_activity
                    WHERE wait_event_type = 'Lock' AND query LIKE '%claim_position%'
                    """) != "0"
            })
        #expect(try bench.stored() == "test|0|100|100|1|100")
        try lost.script("COMMIT")
        ticks.expectStored()
        try bench.stopAndAudit(running)
    }

    @Test("what is tried again is counted, by how it went")
    func retries() throws {
        let bench = try WriterBench("writer_retries")
        var ticks = try TestTicks(bench)
        let running = try bench.start()
        func retries(_ outcome: String) -> Double? {
            running.service.metric("mds_worker_retries_total{outcome=\"\(outcome)\"}")
        }
        try ticks.store(packets: 2)
        #expect(retries("succeeded") == 0 && retries("failed") == 0)
        try bench.database.psql(
            """
            CREATE FUNCTION later() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                RAISE EXCEPTION 'not now' USING ERRCODE = 'serialization_failure'; END $$;
            CREATE TRIGGER later BEFORE INSERT ON trade_rows
                FOR EACH STATEMENT EXECUTE FUNCTION later()
            """)
        try ticks.publish(packets: 2)
        #expect(eventually { retries("failed") ?? 0 > 0 }, "\(running.log)")
        #expect(retries("succeeded") == 0)
        try bench.database.psql("DROP TRIGGER later ON trade_rows")
        ticks.expectStored()
        #expect(eventually { retries("succeeded") ?? 0 > 0 })
        try bench.stopAndAudit(running)
    }

    @Test("NATS dies in the middle and comes back")
    func natsRestarts() throws {
        let nats = try NatsServer()
        let bench = try WriterBench("writer_8", nats: nats)
        var ticks = try TestTicks(bench)
        let running = try bench.start()
        try ticks.publish(packets: 8)
        nats.kill()
        #expect(eventually { !running.isReady })
        try nats.start()
        #expect(eventually { bench.tape.client.connection.isConnected })
        try ticks.store(packets: 8)
        #expect(eventually { running.isReady }, "\(running.reasons)")
        try bench.stopAndAudit(running)
    }

    @Test("ticks of a table that is switched off, and holes, show in the audit")
    func audit() throws {
        let bench = try WriterBench("writer_9")
        var source = try bench.source(2)
        WriterBench.fill(&source, ticks: 10)
        var bytes = source.seal(watermark: Timestamp(nanoseconds: 0)).bytes
        // A tick of a later version after the ten.
        bytes += [16, 0, 0x77, 0x80, 0x9e, 0x7a, 2, 0] + [UInt8](repeating: 1, count: 16)
        bytes[WireFormat.HeaderOffset.tickCount] = 11
        try TestSource.put(
            PacketBuilder.checked(bytes), on: bench.tape.names.ticks(Partition(2), source.source),
            of: bench.tape)
        source.skip = 5
        WriterBench.fill(&source, ticks: 4)
        try source.publish(watermark: Timestamp(nanoseconds: 0))
        let running = try bench.start(["STORE_TABLES": "trades,quotes,bars"])
        try bench.database.expectSoon(
            """
            SELECT source, partition, first_ordinal, last_ordinal, written, skipped,
                missing, gaps, given_twice
            FROM sink_audit
            """, "test|2|1|19|14|1|0|4|0")
        #expect(try running.stop() == .success)
    }

    @Test("a tape that was made anew stops the readers with the reason")
    func otherTape() throws {
        let nats = try NatsServer()
        let bench = try WriterBench("writer_10", nats: nats)
        var ticks = try TestTicks(bench, partitions: 1)
        let first = try bench.start()
        try ticks.store(packets: 2)
        try first.stop()
        for stream in 0..<4 {
            _ = try bench.tape.client.connection.request(
                [], to: "$JS.API.STREAM.DELETE.\(bench.tape.names.tickStream(stream))",
                timeout: patience)
        }
        try bench.tape.client.ensureTickStreams(bytesMax: TestTape.streamBytes)
        let second = try bench.start()
        #expect(
            eventually { second.reasons.contains { $0.contains("the stream was created again") } },
            "\(second.reasons)")
        #expect(
            eventually { second.reasons.allSatisfy { $0.hasPrefix("ticks of partition 0") } },
            "\(second.reasons)")
        #expect(try second.stop() == .success)
    }
}
