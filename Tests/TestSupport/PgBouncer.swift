/// PgBouncer before a server, in one mode: loopback, a free port. It ends with the value.
package final class PgBouncer: Sendable {
    package enum Mode: String, Sendable {
        case session
        case transaction
    }

    package let port: UInt16
    private let folder: TemporaryFolder
    private let process: ServerProcess

    /// Whether the program is available here: `ServerPrograms.pgBouncer`.
    package static let isThere = ServerPrograms.pgBouncer != nil

    package init(_ mode: Mode, before server: PostgresServer) throws {
        folder = try TemporaryFolder("pgbouncer")
        port = freePort()
        let users = try folder.write(
            "\"\(PostgresServer.user)\" \"\(PostgresServer.password)\"\n", to: "users")
        let configuration = """
            [databases]
            * = host=127.0.0.1 port=\(server.port)
            [pgbouncer]
            listen_addr = 127.0.0.1
            listen_port = \(port)
            auth_type = plain
            auth_file = \(users)
            pool_mode = \(mode.rawValue)
            unix_socket_dir =
            ignore_startup_parameters = options
            """
        let path = try folder.write(configuration, to: "pgbouncer.ini")
        let log = folder.file("log")
        // Like PostgreSQL, it refuses to run as root.
        let started = try ServerProcess(
            ServerPrograms.database("not-root"),
            ["-o", folder.path, try ServerPrograms.require(ServerPrograms.pgBouncer ?? ""), path],
            logPath: log)
        process = started
        guard eventually({ !started.isRunning || started.log.contains("process up") }),
            started.isRunning
        else { throw TestServerFailure(description: "PgBouncer did not start:\n\(started.log)") }
    }
}
