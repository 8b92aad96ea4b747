import PostgresClient
import TestSupport
import Testing

@testable import StoreWriter

/// The rows of a transaction and its position are stored together or not at all.
@Suite("The end of a transaction, and a writer or session that ends with it", .serialized)
struct CommitFaultTests {
    @Test("FAULTS 3: killed inside of a COPY")
    func killedInCopy() throws {
        var faults = try FaultBench("kill_copy")
        let killed = try WriterProcess(faults.bench)
        // The partition of the day is made before the COPY, so the first rows have to be stored
        // earlier.
        try faults.publish()
        try #require(faults.isComplete())
        let rival = try faults.rival()
        try rival.script("BEGIN; LOCK TABLE quote_rows", timeout: patience)
        try faults.publish()
        try #require(try faults.waits("wait_event_type = 'Lock' AND query ~ 'COPY quote_rows'"))
        killed.kill()
        rival.close()
        try faults.expectAudit(try WriterProcess(faults.bench))
    }

    @Test("FAULTS 3: killed when rows and positions are written, before the COMMIT")
    func killedBeforeCommit() throws {
        var faults = try FaultBench("kill_before")
        let holder = try faults.hold(.beforeCommit)
        let killed = try WriterProcess(faults.bench)
        try faults.publish()
        try #require(try faults.waits(FaultBench.isHeld))
        killed.kill()
        holder.close()
        try faults.expectAudit(try WriterProcess(faults.bench))
    }

    @Test("FAULTS 2: killed inside of the COMMIT, which may or may not happen")
    func killedInCommit() throws {
        var faults = try FaultBench("kill_in")
        let holder = try faults.hold(.inCommit)
        let killed = try WriterProcess(faults.bench)
        try faults.publish()
        try #require(try faults.waits(FaultBench.isHeld))
        killed.kill()
        holder.close()
        try faults.expectAudit(try WriterProcess(faults.bench))
    }

    @Test("FAULTS 2: killed after the COMMIT, before it knows")
    func killedAfterCommit() throws {
        var faults = try FaultBench("kill_after")
        let holder = try faults.hold(.inCommit)
        let killed = try WriterProcess(faults.bench)
        try faults.publish()
        try #require(try faults.waits(FaultBench.isHeld))
        killed.pause()
        holder.close()
        // The transaction was committed for a writer that never reads the answer.
        #expect(try eventually { try faults.bench.database.psql("TABLE stored_ticks") != "" })
        killed.kill()
        try faults.expectAudit(try WriterProcess(faults.bench))
    }

    @Test("FAULTS 4: its session is ended inside of the COMMIT")
    func terminatedInCommit() throws {
        var faults = try FaultBench("end_in")
        let holder = try faults.hold(.inCommit)
        let writer = try WriterProcess(faults.bench)
        try faults.publish()
        try #require(try faults.waits(FaultBench.isHeld))
        try faults.terminate(FaultBench.isHeld)
        holder.close()
        try faults.expectAudit(writer)
    }

    @Test("FAULTS 4: its session is ended when the COMMIT has happened, and no answer was read")
    func terminatedAfterCommit() throws {
        var faults = try FaultBench("end_after")
        let holder = try faults.hold(.inCommit)
        let writer = try WriterProcess(faults.bench)
        try faults.publish()
        try #require(try faults.waits(FaultBench.isHeld))
        writer.pause()
        holder.close()
        #expect(try eventually { try faults.bench.database.psql("TABLE stored_ticks") != "" })
        try faults.terminate()
        #expect(try eventually { try faults.sessions("true") == 0 })
        writer.resume()
        try faults.expectAudit(writer)
    }

    /// Slows the table down, until `slowness` is emptied, so that the writer is reliably met in the
    /// middle.
    private func slowDown(_ table: String, _ faults: FaultBench) throws {
        try faults.bench.database.psql(
            """
            CREATE TABLE slowness (seconds float8);
            GRANT SELECT ON slowness TO public;
            INSERT INTO slowness VALUES (0.05);
            CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                PERFORM pg_sleep(seconds) FROM slowness;
                RETURN NEW;
            END
            $$;
            CREATE TRIGGER slow BEFORE INSERT ON \(table) FOR EACH ROW EXECUTE FUNCTION slow();
            """)
    }

    @Test("paused in the middle of a COPY, it does not hold up its successor")
    func pausedInCopy() throws {
        var faults = try FaultBench("pause_copy")
        try slowDown("trade_rows", faults)
        let paused = try WriterProcess(faults.bench, member: "paused")
        try faults.publish()
        #expect(
            try eventually {
                try faults.bench.database.psql(
                    "SELECT count(*) FROM pg_stat_progress_copy WHERE tuples_processed > 2") != "0"
            })
        paused.pause()
        try faults.bench.database.psql("DELETE FROM slowness")
        try expectSuccessor(of: paused, &faults)
    }

    @Test("paused with bars on their way, it does not hold up its successor")
    func pausedWithBars() throws {
        var faults = try FaultBench("pause_bars")
        try slowDown("bars_short", faults)
        let paused = try WriterProcess(faults.bench, member: "paused")
        try faults.publishBars()
        try #require(try faults.waits("wait_event = 'PgSleep'"))
        paused.pause()
        try faults.bench.database.psql("DELETE FROM slowness")
        try faults.publishBars()
        try expectSuccessor(of: paused, &faults)
    }

    private func expectSuccessor(of paused: WriterProcess, _ faults: inout FaultBench) throws {
        let successor = try WriterProcess(faults.bench, member: "successor")
        try faults.publish()
        #expect(faults.isComplete(), "\(faults.bench.shown)\n\(successor.log)")
        #expect(try faults.hasAllBars(), "\(successor.log)")
        #expect(!successor.log.contains("55P03"), "it waited for a lock: \(successor.log)")
        paused.resume()
        try faults.publish()
        #expect(faults.isComplete(), "\(faults.bench.shown)\n\(successor.log)\n\(paused.log)")
        #expect(paused.stop() == 0, "\(paused.log)")
        try faults.expectAudit(successor)
    }
}
