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

    func database(_ name: String, timescale: Bool) throws -> Database {
        try server.createDatabase(name, timescale: timescale)
        try server.psql("CREATE SCHEMA md", database: name)
        try server.psql("ALTER DATABASE \(name) SET search_path TO md, public")
        let folder = "\(ServerPrograms.checkout)/deploy/postgres/migrations"
        for file in ["0001_schema.sql", "0002_hypertables.sql", "0004_bars_replaced.sql"] {
            try server.psql(file: "\(folder)/\(file)", database: name)
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
