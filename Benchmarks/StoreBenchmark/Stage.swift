import Glibc
import PostgresClient
import StoreSinks
import TestSupport

/// A real server with the shipped schema, in hypertables and in plain tables.
struct Stage {
    static let timeout = Duration.seconds(120)

    let server: PostgresServer

    init() throws {
        server = try PostgresServer(settings: ["max_wal_size=2GB", "shared_buffers=256MB"])
    }

    struct Database {
        let server: PostgresServer
        let name: String

        func connect() throws(PostgresError) -> PostgresConnection {
            var configuration = PostgresConfiguration(
                host: "127.0.0.1", port: server.port, database: name, user: PostgresServer.user,
                password: PostgresServer.password)
            configuration.settings = [
                ("search_path", "md"), ("work_mem", "32MB"), ("temp_buffers", "16MB"),
            ]
            return try PostgresConnection(configuration, timeout: Stage.timeout)
        }

        @discardableResult
        func psql(_ sql: String) throws -> String { try server.psql(sql, database: name) }
    }

    /// The schema could not be made.
    struct Unusable: Error, CustomStringConvertible {
        let description: String
    }

    func database(_ name: String, timescale: Bool) throws -> Database {
        try server.createDatabase(name, timescale: timescale)
        let folder = try TemporaryFolder("store-benchmark")
        let migration = try ServerProcess(
            try ProductPrograms.path("store-writer"), ["migrate"],
            environment: [
                "POSTGRES_PORT": "\(server.port)", "POSTGRES_DB": name,
                "POSTGRES_USER": PostgresServer.user, "POSTGRES_PASSWORD": PostgresServer.password,
                "POSTGRES_MIGRATOR_USER": PostgresServer.user,
                "POSTGRES_MIGRATOR_PASSWORD": PostgresServer.password,
                "WRITER_MIGRATIONS": "\(ServerPrograms.checkout)/deploy/postgres",
            ], logPath: folder.file("log"))
        guard migration.waitUntilExit() == 0 else {
            throw Unusable(description: "the migration failed: \(migration.log)")
        }
        try server.psql("ALTER DATABASE \(name) SET search_path TO md, public")
        // A writer makes partitions of the present. The rows here are older.
        for table in ["trade_rows", "quote_rows", "bars_short", "bar_versions"] where !timescale {
            try server.psql(
                "CREATE TABLE md.\(table)_older PARTITION OF md.\(table) DEFAULT", database: name)
        }
        return Database(server: server, name: name)
    }
}

/// Returns seconds of the wall clock, because the server works on the same machine.
func seconds(_ body: () throws -> Void) rethrows -> Double {
    let start = ContinuousClock.now
    try body()
    return (ContinuousClock.now - start) / .seconds(1)
}

/// Returns the best of several turns.
func best(_ values: [Double]) -> Double { values.min() ?? .infinity }

/// Prints immediately, also into a pipe, because a run takes minutes.
func say(_ line: String) {
    print(line)
    fflush(nil)
}
