import Foundation
import TestSupport
import Testing

@testable import StoreWriter

@Suite("The lock table, with the settings that are shipped")
struct LockTableTests {
    /// What needs locks needs them by the day, and making a day costs the more the more days there
    /// are. So the test has a quarter of 400 days, ten more for what does not shrink with the
    /// locks, and a quarter of the locks.
    private static let part = 4
    private static let days = 400 / part + 10

    @Test("400 days of plain PostgreSQL are audited and backed up")
    func year() throws {
        let shipped = try String(
            contentsOfFile: "\(ServerPrograms.checkout)/deploy/local/postgresql.conf",
            encoding: .utf8)
        func setting(_ name: String) throws -> Int {
            let lines = shipped.split(separator: "\n").filter { $0.hasPrefix("\(name) ") }
            return try #require(lines.last?.split(separator: " ").last.flatMap { Int($0) })
        }
        // The settings that determine the size of the lock table.
        let server = try PostgresServer(settings: [
            "max_locks_per_transaction=\(try setting("max_locks_per_transaction") / Self.part)",
            "max_connections=\(try setting("max_connections"))",
        ])
        let database = try TestDatabase("lock_table", server: server)
        try database.migrate()
        for first in stride(from: 0, to: Self.days, by: 20) {
            // A single transaction that makes all of them would itself fill the lock table.
            try database.psql(
                """
                SELECT make_time_partition(table_name, now() - n * interval '1 day')
                FROM time_tables(), generate_series(\(first), \(first + 19)) AS n
                """)
        }
        let made = try Int(database.psql("SELECT count(*) FROM time_partitions('trades')")) ?? 0
        #expect(made >= Self.days)
        try Audit.expectAll(in: database)
        let dump = try run(
            ServerPrograms.database("pg_dump"),
            ["-h", "127.0.0.1", "-p", "\(server.port)", "-U", PostgresServer.user, "--schema-only"]
                + ["-d", database.name],
            environment: ["PGPASSWORD": PostgresServer.password])
        #expect(dump.contains("CREATE TABLE md.trade_rows "))
    }
}
