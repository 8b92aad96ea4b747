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
    /// Publishes `packets` packets of `ticks` ticks on each partition.
    private func publish(
        _ sources: inout [TestSource], packets: Int, ticks: Int = 25
    ) throws {
        for _ in 0..<packets {
            for index in sources.indices {
                WriterBench.fill(&sources[index], ticks: ticks)
                try sources[index].publish(watermark: Timestamp(nanoseconds: WriterBench.start))
            }
        }
    }

    private func sources(_ bench: WriterBench, _ partitions: Int = 4) throws -> [TestSource] {
        try (0..<partitions).map { try bench.source($0) }
    }

    @Test("all ticks are rows, once, and the books agree; a restart goes on")
    func restarts() throws {
        let bench = try WriterBench("writer_1")
        var sources = try sources(bench)
        let first = try bench.start()
        try publish(&sources, packets: 20)
        #expect(bench.isComplete([500, 500, 500, 500]))
        #expect(first.isReady, "\(first.reasons)")
        #expect(try first.stop() == .success)
        try publish(&sources, packets: 10)
        let second = try bench.start(["WRITER_THREADS": "4", "WRITER_BATCH_ROWS": "1"])
        #expect(bench.isComplete([750, 750, 750, 750]))
        #expect(try second.stop() == .success)
        #expect(try bench.missing() == "0")
        #expect(
            try bench.database.psql("SELECT DISTINCT owner_epoch FROM sink_positions") == "2")
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
        var sources = try sources(bench)
        try publish(&sources, packets: 4)
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

    @Test("killed at random points: nothing is lost and nothing is there twice", arguments: [1, 2])
    func killed(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let bench = try WriterBench("writer_4\(seed)")
        var sources = try sources(bench)
        for _ in 0..<4 {
            try publish(&sources, packets: 10)
            let service = try TestService(Main.description, bench.environment())
            let client = try bench.tape.connect(service)
            // A short queue, so that what waits is many batches: one of 25 rows from each worker.
            let running = try bench.start(
                ["WRITER_BATCH_ROWS": "25", "WRITER_QUEUE_ROWS": "100"], client: client)
            let batches = Double(random.next() % 12)
            #expect(
                eventually {
                    running.service.metric("mds_worker_batches_written_total") ?? 0 >= batches
                })
            client.close()
            _ = try running.stop()
        }
        try publish(&sources, packets: 5)
        let last = try bench.start()
        #expect(bench.isComplete([1_125, 1_125, 1_125, 1_125]), "\(bench.shown)")
        #expect(try last.stop() == .success)
        #expect(try bench.missing() == "0")
    }

    @Test("the database dies in the middle and comes back")
    func databaseRestarts() throws {
        let server = try PostgresServer()
        let bench = try WriterBench("writer_4", server: server)
        var sources = try sources(bench)
        let running = try bench.start()
        try publish(&sources, packets: 10)
        #expect(bench.isComplete([250, 250, 250, 250]))
        for round in 1...2 {
            server.stopImmediately()
            try publish(&sources, packets: 10)
            #expect(eventually { !running.isReady })
            #expect(running.reasons.contains { $0.hasPrefix("database ") })
            try server.restart()
            let wanted = 250 + round * 250
            #expect(bench.isComplete([wanted, wanted, wanted, wanted]), "\(bench.shown)")
            #expect(eventually { running.isReady }, "\(running.reasons)")
        }
        #expect((running.service.metric("mds_writer_database_failures_total") ?? 0) >= 2)
        #expect(try running.stop() == .success)
        #expect(try bench.missing() == "0")
    }

    @Test("sessions that are ended while they write are followed by others")
    func terminated() throws {
        let bench = try WriterBench("writer_5")
        var sources = try sources(bench)
        let running = try bench.start(["WRITER_BATCH_ROWS": "30"])
        for round in 0..<8 {
            try publish(&sources, packets: 4)
            // Ends the sessions in any state, including a COMMIT.
            try bench.database.psql(
                """
                SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                WHERE usename = '\(bench.database.writer)'
                """)
            if round % 3 == 2 { #expect(eventually { running.isReady }) }
        }
        #expect(bench.isComplete([800, 800, 800, 800]), "\(bench.shown)")
        #expect(try running.stop() == .success)
        #expect(try bench.missing() == "0")
        #expect((running.service.metric("mds_writer_database_failures_total") ?? 0) > 0)
    }

    @Test("a lost session that is still about to commit is waited for, not repeated")
    func lateCommit() throws {
        let bench = try WriterBench("writer_6")
        var sources = try sources(bench, 1)
        let running = try bench.start(["WRITER_THREADS": "1"])
        try publish(&sources, packets: 4)
        #expect(bench.isComplete([100]))
        // The session that will be lost in the middle of its COMMIT: rows and position are written,
        // but not visible yet. It has the writer's own epoch.
        let lost = try bench.database.connectWriter()
        try lost.script("BEGIN", timeout: patience)
        try lost.script(
            "SELECT sequence FROM sink_positions WHERE input = 'ticks'", timeout: patience)
        try lost.execute(advanceAgain, timeout: patience)
        try bench.database.psql(
            """
            SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
            WHERE usename = '\(bench.database.writer)' AND application_name = 'store-writer'
            """)
        try publish(&sources, packets: 4)
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
        try lost.script("COMMIT", timeout: patience)
        #expect(bench.isComplete([200]), "\(bench.shown)")
        #expect(try running.stop() == .success)
        #expect(try bench.missing() == "0")
    }

    /// Like `advance_positions` with the present position: takes the row's lock.
    private let advanceAgain = """
        SELECT advance_positions('store', (SELECT jsonb_agg(jsonb_build_object('input', input,
            'partition', partition, 'owner_epoch', owner_epoch, 'stream_created_ns',
            stream_created_ns, 'sequence', sequence, 'packet_epoch', packet_epoch,
            'packet_ordinal', packet_ordinal, 'packet_crc', packet_crc))
            FROM sink_positions WHERE input = 'ticks'))
        """

    @Test("a schema that is not there: not ready, and it starts when it is")
    func noSchema() throws {
        let bench = try WriterBench("writer_7")
        try bench.database.psql("ALTER TABLE trade_rows RENAME TO elsewhere")
        var sources = try sources(bench)
        let running = try bench.start()
        try publish(&sources, packets: 2)
        #expect(eventually { running.reasons.contains { $0.contains("trade_rows") } })
        #expect(!running.hasEnded)
        try bench.database.psql("ALTER TABLE elsewhere RENAME TO trade_rows")
        #expect(bench.isComplete([50, 50, 50, 50]))
        #expect(try running.stop() == .success)
        #expect(try bench.missing() == "0")
    }

    @Test("what is tried again is counted, by how it went")
    func retries() throws {
        let bench = try WriterBench("writer_retries")
        var sources = try sources(bench)
        let running = try bench.start()
        func retries(_ outcome: String) -> Double? {
            running.service.metric("mds_worker_retries_total{outcome=\"\(outcome)\"}")
        }
        try publish(&sources, packets: 2)
        #expect(bench.isComplete([50, 50, 50, 50]))
        #expect(retries("succeeded") == 0 && retries("failed") == 0)
        try bench.database.psql(
            """
            CREATE FUNCTION later() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                RAISE EXCEPTION 'not now' USING ERRCODE = 'serialization_failure'; END $$;
            CREATE TRIGGER later BEFORE INSERT ON trade_rows
                FOR EACH STATEMENT EXECUTE FUNCTION later()
            """)
        try publish(&sources, packets: 2)
        #expect(eventually { retries("failed") ?? 0 > 0 }, "\(running.log)")
        #expect(retries("succeeded") == 0)
        try bench.database.psql("DROP TRIGGER later ON trade_rows")
        #expect(bench.isComplete([100, 100, 100, 100]))
        #expect(eventually { retries("succeeded") ?? 0 > 0 })
        #expect(try running.stop() == .success)
        #expect(try bench.missing() == "0")
    }

    @Test("NATS dies in the middle and comes back")
    func natsRestarts() throws {
        let nats = try NatsServer()
        let bench = try WriterBench("writer_8", nats: nats)
        var sources = try sources(bench)
        let running = try bench.start()
        try publish(&sources, packets: 8)
        nats.kill()
        #expect(eventually { !running.isReady })
        try nats.start()
        #expect(eventually { bench.tape.client.connection.isConnected })
        try publish(&sources, packets: 8)
        #expect(bench.isComplete([400, 400, 400, 400]), "\(bench.shown)")
        #expect(eventually { running.isReady }, "\(running.reasons)")
        #expect(try running.stop() == .success)
        #expect(try bench.missing() == "0")
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
            checked(bytes), on: bench.tape.names.ticks(Partition(2), source.source),
            of: bench.tape)
        source.skip = 5
        WriterBench.fill(&source, ticks: 4)
        try source.publish(watermark: Timestamp(nanoseconds: 0))
        let running = try bench.start(["WRITER_SINKS": "trades,quotes,bars"])
        #expect(
            try eventually {
                try bench.database.psql(
                    """
                    SELECT source, partition, first_ordinal, last_ordinal, written, skipped,
                        missing, gaps, given_twice
                    FROM sink_audit
                    """) == "test|2|1|19|14|1|0|4|0"
            })
        #expect(try running.stop() == .success)
    }

    private func checked(_ packet: [UInt8]) -> [UInt8] {
        var bytes = packet
        func put(_ value: UInt64, _ count: Int, at offset: Int) {
            for index in 0..<count {
                bytes[offset + index] = UInt8(truncatingIfNeeded: value >> (index * 8))
            }
        }
        put(UInt64(bytes.count), 4, at: WireFormat.HeaderOffset.byteCount)
        let checksum = bytes.withRawSpan {
            Checksum.of($0.extracting(WireFormat.HeaderOffset.checkedBytes..<$0.byteCount))
        }
        put(checksum, 8, at: WireFormat.HeaderOffset.checksum)
        return bytes
    }

    @Test("a tape that was made anew stops the readers with the reason")
    func otherTape() throws {
        let nats = try NatsServer()
        let bench = try WriterBench("writer_10", nats: nats)
        var sources = try sources(bench, 1)
        let first = try bench.start()
        try publish(&sources, packets: 2)
        #expect(bench.isComplete([50]))
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
