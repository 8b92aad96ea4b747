import PostgresClient
import TestSupport

/// The database of one test on the shared server.
struct TestDatabase {
    let server: PostgresServer
    let name: String

    init(_ name: String, timescale: Bool = false) throws {
        server = try PostgresServer.shared()
        self.name = try server.createDatabase(name, timescale: timescale)
    }

    var configuration: PostgresConfiguration { server.configuration(database: name) }

    func connect(
        onNotice: @escaping (String) -> Void = { _ in }
    ) throws(PostgresError) -> PostgresConnection {
        try PostgresConnection(configuration, timeout: patience, onNotice: onNotice)
    }

    /// Connects to the database, after it got a table `t` with these columns.
    func connect(toTable columns: String) throws(PostgresError) -> PostgresConnection {
        let connection = try connect()
        try connection.script("CREATE TABLE t (\(columns))")
        return connection
    }

    @discardableResult
    func psql(_ sql: String) throws -> String { try server.psql(sql, database: name) }
}

extension PostgresServer {
    func configuration(database: String = "postgres") -> PostgresConfiguration {
        PostgresConfiguration(
            host: "127.0.0.1", port: port, database: database, user: PostgresServer.user,
            password: PostgresServer.password)
    }
}
