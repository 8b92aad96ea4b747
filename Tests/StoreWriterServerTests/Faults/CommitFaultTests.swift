import PostgresClient
import TestSupport
import Testing

@testable import StoreWriter

/// The rows of a transaction and its position are stored together or not at all.
@Suite("The end of a transaction, and a writer or session that ends with it", .serialized)
struct CommitFaultTests {
    /// A writer with trades and quotes copies the trades first.
    @Test(
        "FAULTS 3: killed before the first row, and inside of a COPY",
        arguments: ["trade_rows", "quote_rows"])
    func killedInCopy(table: String) throws {
        var faults = try FaultBench("kill_\(table)")
        var writer = try WriterProcess(faults.bench)
        // The partition of the day is made before the COPY, so the first rows have to be stored
        // earlier.
        try faults.publish()
        try #require(faults.isComplete())
        for _ in 0..<FaultBench.rounds {
            let rival = try faults.rival()
            try rival.script("BEGIN; LOCK TABLE \(table)")
            try faults.publish()
            try #require(
                try faults.hasSession("wait_event_type = 'Lock' AND query ~ 'COPY \(table)'"))
            writer.kill()
            rival.close()
            writer = try WriterProcess(faults.bench)
            try #require(faults.isComplete(), "\(faults.bench.shown)\n\(writer.log)")
        }
        try faults.stopAndAudit(writer)
    }

    struct Ending: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let name: String
        var moment = FaultBench.Moment.inCommit
        /// Whether the transaction has happened by then, for a writer that read no answer.
        var isCommitted = false
        /// Whether the writer is killed. Else its session is ended.
        var isKilled = false
    }

    @Test(
        "a writer, or its session, that ends with a transaction",
        arguments: [
            Ending(
                testDescription: "FAULTS 3: killed when all rows are written, before the position",
                name: "kill_position", moment: .beforePosition, isKilled: true),
            Ending(
                testDescription: "FAULTS 3: killed when all is written, before the COMMIT",
                name: "kill_before", moment: .beforeCommit, isKilled: true),
            Ending(
                testDescription: "FAULTS 2: killed inside of the COMMIT, which may happen or not",
                name: "kill_in", isKilled: true),
            Ending(
                testDescription: "FAULTS 2: killed after the COMMIT, before it knows",
                name: "kill_after", isCommitted: true, isKilled: true),
            Ending(
                testDescription: "FAULTS 4: its session is ended inside of the COMMIT",
                name: "end_in"),
            Ending(
                testDescription: "FAULTS 4: its session is ended after it, and no answer was read",
                name: "end_after", isCommitted: true),
        ])
    func ended(_ one: Ending) throws {
        var faults = try FaultBench(one.name)
        try faults.prepareHold(one.moment)
        var writer = try WriterProcess(faults.bench)
        for _ in 0..<FaultBench.rounds {
            let before = try faults.database.psql("TABLE stored_ticks")
            let holder = try faults.hold()
            try faults.publish()
            try #require(try faults.hasSession(FaultBench.isHeld))
            if one.isCommitted {
                writer.pause()
                holder.close()
                #expect(try eventually { try faults.database.psql("TABLE stored_ticks") != before })
            }
            if one.isKilled {
                writer.kill()
            } else {
                try faults.database.terminate(one.isCommitted ? "true" : FaultBench.isHeld)
            }
            holder.close()
            if one.isKilled {
                writer = try WriterProcess(faults.bench)
            } else if one.isCommitted {
                #expect(try eventually { try faults.sessions("true") == 0 })
                writer.resume()
            }
            try #require(faults.isComplete(), "\(faults.bench.shown)\n\(writer.log)")
        }
        try faults.stopAndAudit(writer)
    }

    @Test(
        "paused inside of a COPY, or with bars on their way, it does not hold up its successor",
        arguments: [false, true])
    func paused(withBars: Bool) throws {
        var faults = try FaultBench(withBars ? "pause_bars" : "pause_copy")
        // So slow that the writer is reliably met in the middle, until `slowness` is emptied.
        try faults.database.psql(
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
            CREATE TRIGGER slow BEFORE INSERT ON \(withBars ? "bars_short" : "trade_rows")
                FOR EACH ROW EXECUTE FUNCTION slow();
            """)
        let paused = try WriterProcess(faults.bench, member: "paused")
        if withBars {
            try faults.publishBars()
            try #require(try faults.hasSession("wait_event = 'PgSleep'"))
        } else {
            try faults.publish()
            let copied = "SELECT count(*) FROM pg_stat_progress_copy WHERE tuples_processed > 2"
            #expect(try eventually { try faults.database.psql(copied) != "0" })
        }
        paused.pause()
        try faults.database.psql("DELETE FROM slowness")
        if withBars { try faults.publishBars() }
        let successor = try WriterProcess(faults.bench, member: "successor")
        try faults.publish()
        #expect(faults.isComplete(), "\(faults.bench.shown)\n\(successor.log)")
        #expect(try faults.hasAllBars(), "\(successor.log)")
        #expect(!successor.log.contains("55P03"), "it waited for a lock: \(successor.log)")
        paused.resume()
        try faults.publish()
        #expect(faults.isComplete(), "\(faults.bench.shown)\n\(successor.log)\n\(paused.log)")
        #expect(paused.stop() == 0, "\(paused.log)")
        try faults.stopAndAudit(successor)
    }
}
