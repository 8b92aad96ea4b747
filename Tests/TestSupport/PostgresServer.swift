import Foundation
import Synchronization

/// The PostgreSQL of one test, 17 with TimescaleDB if it asks for no other: loopback, a free port,
/// passwords (SCRAM), no fsync. It ends with the value.
package final class PostgresServer: Sendable {
    package static let user = "postgres"
    package static let password = "open sesame"

    package let port: UInt16
    private let folder: TemporaryFolder
    private let process: Mutex<ServerProcess>
    private let settings: [String]
    private let edition: Edition
    /// The databases that `createMigrated` copies.
    let templates = Mutex<[String: Result<Void, any Error>]>([:])

    /// The edition of TimescaleDB. A database without the extension serves as plain PostgreSQL.
    package enum Edition: Sendable {
        case apache
        case community
        /// PostgreSQL 18 of the packages of Python, without TimescaleDB.
        case packaged

        /// True if it is available here: `ServerPrograms.community`.
        package static let hasCommunity = ServerPrograms.community != nil

        fileprivate var settings: [String] {
            switch self {
            case .apache, .packaged: []
            case .community: ["timescaledb.license=timescale"]
            }
        }

        package func program(_ name: String) throws -> String {
            switch self {
            case .apache: try ServerPrograms.require(ServerPrograms.database(name))
            case .community:
                try ServerPrograms.require("\(ServerPrograms.community ?? "")/bin/\(name)")
            case .packaged: try ServerPrograms.require(ServerPrograms.packaged(name))
            }
        }

        /// What a cluster of its own is made with. Those of TimescaleDB are the same.
        fileprivate var template: (name: String, settings: String) {
            self == .packaged
                ? ("postgres-packaged", "")
                : (
                    "postgres",
                    """
                    shared_preload_libraries = 'timescaledb'
                    timescaledb.telemetry_level = off

                    """
                )
        }
    }

    /// Returns the server that all tests of the process share if they do not harm it. Each makes
    /// its own database.
    package static func shared(_ edition: Edition = .apache) throws -> PostgresServer {
        switch edition {
        case .apache: try sharedServer.get()
        case .community: try sharedCommunityServer.get()
        case .packaged: try sharedPackagedServer.get()
        }
    }

    /// Starts a server from a copy of the process's one fresh cluster. Further `settings` have the
    /// form `name=value`. `files` are copied into the cluster, readable by the server only: paths
    /// by names. `primary` makes it a standby of that server, of which it has the first state: both
    /// are copies of the same cluster. Start it before the primary has written much.
    package init(
        settings: [String] = [], files: [String: String] = [:], edition: Edition = .apache,
        standbyOf primary: PostgresServer? = nil
    ) throws {
        folder = try TemporaryFolder("postgres")
        // A standby allows at least as many connections as the cluster was made for.
        self.settings =
            settings + edition.settings
            + (primary.map { [Self.link(to: $0), "max_connections=100"] } ?? [])
        self.edition = edition
        try run("/bin/cp", ["-a", try PostgresTemplate.path(edition), folder.file("data")])
        for (name, path) in files {
            try run("/usr/bin/install", ["-m", "600", path, folder.file("data/\(name)")])
        }
        // The server's user has to be able to remove it, at the promotion.
        if primary != nil {
            try run(
                "/bin/cp",
                ["-a", folder.file("data/PG_VERSION"), folder.file("data/standby.signal")])
        }
        let (own, all) = (folder, self.settings)
        let started = try startedOnFreePort { candidate in
            try Self.start(own, candidate, all, edition)
        } waitUntilReady: {
            try Self.waitUntilReady($0, $1)
        }
        port = started.port
        process = Mutex(started.server)
    }

    deinit { end(signal: SIGQUIT) }

    private static func link(to primary: PostgresServer) -> String {
        "primary_conninfo=host=127.0.0.1 port=\(primary.port) user=\(user) "
            + "password='\(password)' application_name=standby"
    }

    /// For the shared server, whose static value has no deinit.
    fileprivate func discard() {
        end(signal: SIGQUIT)
        folder.remove()
    }

    private func end(signal number: Int32) {
        resume()
        process.withLock { _ = $0.stop(number) }
    }

    /// Makes a new database, with or without the TimescaleDB extension: empty, or a copy of
    /// `template`, which nobody may connect to: a session, also of the server's own workers, would
    /// hold up the copy. Files are copied, because that is cheaper than a record of each page.
    @discardableResult
    package func createDatabase(
        _ name: String, timescale: Bool = false, template: String = "template0"
    ) throws -> String {
        try psql("CREATE DATABASE \(name) TEMPLATE \(template) STRATEGY file_copy")
        if timescale { try psql("CREATE EXTENSION timescaledb", database: name) }
        return name
    }

    /// Returns the output of the server's own client, which shows independently what the code under
    /// test did.
    @discardableResult
    package func psql(
        _ sql: String, database: String = "postgres", user: String = PostgresServer.user,
        password: String = PostgresServer.password
    ) throws -> String {
        try psql(["-c", sql], database: database, user: user, password: password)
    }

    /// Runs a file as a person would, with variables as `name=value`.
    @discardableResult
    package func psql(
        file: String, variables: [String] = [], database: String,
        user: String = PostgresServer.user,
        password: String = PostgresServer.password
    ) throws -> String {
        let arguments = variables.flatMap { ["-v", $0] } + ["-f", file]
        return try psql(arguments, database: database, user: user, password: password)
    }

    private func psql(
        _ arguments: [String], database: String, user: String, password: String
    ) throws -> String {
        try run(
            ServerPrograms.database("psql"),
            ["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", "\(port)"]
                + ["-U", user, "-d", database] + arguments,
            environment: ["PGPASSWORD": password, "PGCONNECT_TIMEOUT": "10"])
    }

    package var log: String { process.withLock { $0.log } }
    package var processID: Int32 { process.withLock { $0.id } }

    /// The user who runs the server owns this folder.
    package var dataFolder: String { folder.file("data") }
}

// MARK: - What can happen to a server

extension PostgresServer {
    /// Ends the server like a crash: connections break, nothing is flushed, recovery follows.
    package func stopImmediately() { end(signal: SIGQUIT) }

    /// Starts it again on the same port, after `stopImmediately` or in place of the running server.
    package func restart() throws {
        end(signal: SIGINT)
        try process.withLock {
            $0 = try Self.start(folder, port, settings, edition)
            try Self.waitUntilReady($0, port)
        }
    }

    /// Makes a standby the primary.
    package func promote() throws { try psql("SELECT pg_promote()") }

    /// Freezes the server and all its sessions: sockets stay open, but nothing answers.
    package func pause() {
        // The parent first, because it must not start another session meanwhile.
        for id in processes() { kill(id, SIGSTOP) }
    }

    package func resume() {
        for id in processes() { kill(id, SIGCONT) }
    }

    private func processes() -> [Int32] {
        let parent = process.withLock { $0.id }
        return [parent] + children(of: parent)
    }
}

// MARK: - Starting

extension PostgresServer {
    private static func start(
        _ folder: TemporaryFolder, _ port: UInt16, _ settings: [String], _ edition: Edition
    ) throws -> ServerProcess {
        let postgres = try edition.program("postgres")
        let options = ["port=\(port)"] + settings
        return try ServerProcess(
            ServerPrograms.database("not-root"),
            ["-o", folder.file("data"), postgres, "-D", folder.file("data")]
                + options.flatMap { ["-c", $0] },
            logPath: folder.file("server-\(port).log"))
    }

    private static func waitUntilReady(_ server: ServerProcess, _ port: UInt16) throws {
        let ready = eventually {
            guard server.isRunning else { return true }
            // A standby says that it accepts read-only ones.
            return server.log.contains("database system is ready to accept ")
        }
        guard ready, server.isRunning else {
            throw TestServerFailure(description: "PostgreSQL did not start:\n\(server.log)")
        }
    }
}

/// The clusters that `initdb` makes once for a run.
private enum PostgresTemplate {
    static func path(_ edition: PostgresServer.Edition) throws -> String {
        try RunFolder.made(edition.template.name) { try make(edition, in: $0) } + "/data"
    }

    private static func make(_ edition: PostgresServer.Edition, in folder: String) throws {
        let initdb =
            edition == .packaged
            ? ServerPrograms.packaged("initdb") : ServerPrograms.database("initdb")
        let data = "\(folder)/data"
        let secret = "\(folder)/password"
        try "\(PostgresServer.password)\n".write(
            toFile: secret, atomically: false, encoding: .utf8)
        // A client hashes a password so often at each of the thousands of connections.
        let hashes = ["-c", "scram_iterations=16"]
        try run(
            ServerPrograms.database("not-root"),
            ["-o", data, try ServerPrograms.require(initdb), "-D", data]
                + ["-U", PostgresServer.user, "--pwfile=\(secret)", "--auth=scram-sha-256"]
                + ["-E", "UTF8", "--locale=C.UTF-8", "--no-sync"] + hashes)
        let configuration = """

            listen_addresses = '127.0.0.1'
            unix_socket_directories = ''
            fsync = off
            shared_buffers = '32MB'
            max_connections = 60
            max_wal_size = '256MB'
            track_commit_timestamp = on
            """
        let path = "\(data)/postgresql.conf"
        let text =
            try String(contentsOfFile: path, encoding: .utf8) + edition.template.settings
            + configuration
        try text.write(toFile: path, atomically: false, encoding: .utf8)
    }
}

private let sharedServer = Result { try lasting(.apache) }
private let sharedCommunityServer = Result { try lasting(.community) }
private let sharedPackagedServer = Result { try lasting(.packaged) }

private func lasting(_ edition: PostgresServer.Edition) throws -> PostgresServer {
    let server = try PostgresServer(edition: edition)
    AtExit.call { server.discard() }
    return server
}
