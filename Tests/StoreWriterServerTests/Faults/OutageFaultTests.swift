import Foundation
import PostgresClient
import TestSupport
import Testing

@testable import StoreWriter

/// Outages of the database in many forms. The tape keeps what the database does not accept, and
/// nothing is set aside because of an outage.
@Suite("Outages of the database", .serialized)
struct OutageFaultTests {
    /// The length of an outage that has no other end. TEST_OUTAGE_SECONDS makes it longer.
    private static var seconds: Int {
        ProcessInfo.processInfo.environment["TEST_OUTAGE_SECONDS"].flatMap { Int($0) } ?? 2
    }

    /// Expects the writer to notice: it gives up its session and tries again.
    private func notices(_ writer: WriterProcess, since before: Int = 0) -> Bool {
        eventually { writer.count("writer.database.failed") > before }
    }

    /// Starts a writer, and lets it write. The days of the rows are made then: making a day also
    /// waits for a lock, and a writer that is to wait inside a COPY needs the days made.
    private func begin(
        _ name: String, settings: [String] = [], _ changes: [String: String] = [:],
        prepare: (FaultBench) throws -> Void = { _ in }
    ) throws -> (FaultBench, WriterProcess) {
        var faults = try FaultBench(name, settings: settings)
        try prepare(faults)
        let writer = try WriterProcess(faults.bench, changes)
        try faults.publish()
        try #require(faults.isComplete())
        return (faults, writer)
    }

    /// Lets the outage last. The time is a part of the fault itself.
    private func last() { poll(nil, 0, Int32(Self.seconds * 1_000)) }

    enum Restart: String, CaseIterable {
        case fast
        case immediate
    }

    @Test("FAULTS 23: the server restarts", arguments: Restart.allCases)
    func restarts(_ kind: Restart) throws {
        var (faults, writer) = try begin("stop\(kind)")
        if kind == .immediate { faults.server.stopImmediately() }
        try faults.publish()
        if kind == .immediate {
            try #require(notices(writer))
            last()
        }
        try faults.server.restart()
        try faults.stopAndAudit(writer)
    }

    @Test("FAULTS 25: the server takes no writes")
    func readOnly() throws {
        var (faults, writer) = try begin("read_only")
        let admin = try faults.rival()
        try admin.execute("SET default_transaction_read_only = off")
        try admin.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        try admin.execute("SELECT pg_reload_conf()")
        try faults.publish()
        try #require(notices(writer))
        last()
        try admin.execute("ALTER SYSTEM RESET default_transaction_read_only")
        try admin.execute("SELECT pg_reload_conf()")
        try faults.stopAndAudit(writer)
    }

    @Test("FAULTS 27: no connection is left")
    func connectionsUsedUp() throws {
        var (faults, writer) = try begin("max_connections", settings: ["max_connections=12"])
        // Takes every session that the writer loses, before the writer can reconnect.
        var taken: [PostgresConnection] = []
        #expect(
            try eventually {
                do {
                    taken.append(try faults.database.connect(faults.database.migrator))
                } catch let error as PostgresError {
                    guard error.sqlState?.rawValue == "53300" else { throw error }
                    if try faults.sessions("application_name LIKE 'store-writer%'") == 0 {
                        return true
                    }
                    try faults.database.terminate("application_name LIKE 'store-writer%'")
                }
                return false
            })
        try faults.publish()
        try #require(notices(writer))
        last()
        for connection in taken { connection.close() }
        try faults.stopAndAudit(writer)
    }

    @Test("FAULTS 27: a statement is cancelled, as a time-out does")
    func cancelled() throws {
        // Without limits to the wait, as otherwise the group of the table waits apart.
        var (faults, writer) = try begin("cancelled", ["WRITER_OVERFLOW": "drop"])
        let rival = try faults.rival()
        try rival.script("BEGIN; LOCK TABLE trade_rows")
        try faults.publish()
        let waiting = "wait_event_type = 'Lock' AND query LIKE '%COPY trade_rows%'"
        try #require(try faults.hasSession(waiting))
        try faults.database.ofSessions("count(pg_cancel_backend(pid))", waiting)
        try #require(notices(writer))
        rival.close()
        try faults.stopAndAudit(writer)
    }

    @Test("FAULTS 14: a table is locked for long")
    func locked() throws {
        var (faults, writer) = try begin("locked")
        let rival = try faults.rival()
        try rival.script("BEGIN; LOCK TABLE trade_rows")
        try faults.publish()
        try #require(try faults.hasSession("wait_event_type = 'Lock'"))
        try faults.publish(packets: 40)
        last()
        rival.close()
        try faults.stopAndAudit(writer)
    }

    @Test("FAULTS 27: a deadlock with a rival, whose victim is the writer")
    func deadlock() throws {
        // The session that waits longest searches for deadlocks first, and becomes the victim of
        // the one it finds.
        var (faults, writer) = try begin(
            "deadlock", ["WRITER_THREADS": "1", "WRITER_OVERFLOW": "drop"]
        ) {
            try $0.server.psql("ALTER ROLE \($0.database.writer) SET deadlock_timeout = '3s'")
        }
        let rival = try faults.rival()
        try rival.script("SET deadlock_timeout = '1h'")
        try rival.script("BEGIN; LOCK TABLE quote_rows")
        try faults.publish()
        try #require(
            try faults.hasSession("wait_event_type = 'Lock' AND query ~ 'COPY quote_rows'"))
        try rival.script("LOCK TABLE trade_rows", timeout: .seconds(60))
        try #require(notices(writer))
        #expect(writer.log.contains("40P01"), "\(writer.log)")
        rival.close()
        try faults.stopAndAudit(writer)
    }

    @Test("FAULTS 14: the server stands still")
    func paused() throws {
        var (faults, writer) = try begin("paused")
        faults.server.pause()
        try faults.publish(packets: 40)
        last()
        faults.server.resume()
        try faults.stopAndAudit(writer)
    }

    @Test("FAULTS 28: a table is dropped and put back")
    func dropped() throws {
        var (faults, writer) = try begin("dropped")
        try faults.database.psql("ALTER TABLE quote_rows RENAME TO saved")
        try faults.publish()
        #expect(eventually { writer.log.contains("42P01") }, "\(writer.log)")
        #expect(writer.isRunning)
        last()
        try faults.database.psql("ALTER TABLE saved RENAME TO quote_rows")
        try faults.stopAndAudit(writer)
    }
}
