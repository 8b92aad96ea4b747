import Foundation
import TestSupport
import Testing

@testable import StoreWriter

@Suite("The lock table, with the settings that are shipped")
struct LockTableTests {
    @Test("400 days of plain PostgreSQL are audited and backed up")
    func year() throws {
        let shipped = try String(
            contentsOfFile: "\(ServerPrograms.checkout)/deploy/local/postgresql.conf",
            encoding: .utf8)
        // The settings that determine the size of the lock table.
        let settings = shipped.split(separator: "\n").filter {
            $0.hasPrefix("max_locks_per_transaction") || $0.hasPrefix("max_connections")
        }.map { $0.filter { $0 != " " } }
        let server = try PostgresServer(settings: settings)
        let database = try TestDatabase("lock_table", server: server)
        try database.migrate()
        for month in 0..<20 {
            // A single transaction that makes all of them would itself fill the lock table.
            try database.psql(
                """
                SELECT make_time_partition(
                    table_name, now() - (\(month) * 20 + n) * interval '1 day')
                FROM time_tables(), generate_series(0, 19) AS n
                """)
        }
        #expect(
            try (Int(database.psql("SELECT count(*) FROM time_partitions('trades')")) ?? 0) >= 400)
        let audit = try server.psql(
            file: "\(TestDatabase.deployed)/audit.sql", variables: ["schema=md"],
            database: database.name)
        let rows = audit.split(separator: "\n").filter { $0.contains("|") }
        #expect(rows.count == 6 && rows.allSatisfy { $0.contains("|t|") }, "\(audit)")
        let dump = try run(
            ServerPrograms.database("pg_dump"),
            ["-h", "127.0.0.1", "-p", "\(server.port)", "-U", PostgresServer.user, "--schema-only"]
                + ["-d", database.name],
            environment: ["PGPASSWORD": PostgresServer.password])
        #expect(dump.contains("CREATE TABLE md.trades "))
    }
}
