import Foundation
import TestSupport
import Testing

/// deploy/backup/pgbackrest.sh with its configuration, on a server that loses its disk.
@Suite("Backups on a host, by pgBackRest")
struct PgBackRestTests {
    @Test("a lost disk is recovered to its end and to a time, and successes are noted")
    func recover() throws {
        let bench = try PgBackRestBench("backup_host")
        try bench.setUp()
        try bench.rows(1, to: 100)
        #expect(try bench.script("full").contains("bytes of the database"))
        #expect(try bench.noted() == "base t t, log t f")
        try bench.passSecond()
        try bench.rows(101, to: 200)
        let moment = try bench.server.psql("SELECT clock_timestamp()")
        try bench.rows(201, to: 300)
        try bench.script("check")
        try bench.loseDisk()
        try bench.script("recover", bench.server.dataFolder)
        try bench.start()
        #expect(try bench.stored() == "1-300 300")
        // It continues: rows of the next timeline arrive in the same repository.
        try bench.rows(301, to: 400)
        try bench.script("check")
        try bench.loseDisk()
        // Nothing is put into the folder of a time that no backup covers.
        #expect(throws: ProgramFailure.self) {
            try bench.script("recover", bench.server.dataFolder, "2020-01-01 00:00:00Z")
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: bench.server.dataFolder) == [])
        for folder in ["data", "\(bench.server.dataFolder)/it's"] {
            let failure = #expect(throws: ProgramFailure.self) {
                try bench.script("recover", folder)
            }
            #expect(failure?.message.contains("\(folder)") == true)
        }
        try bench.script("recover", bench.server.dataFolder, moment)
        try bench.start()
        #expect(try bench.stored() == "1-200 200")
    }
}

/// A server of its own, and the shipped configuration with the paths of a test.
final class PgBackRestBench {
    let server: PostgresServer
    let database: TestDatabase
    private let folder: TemporaryFolder
    private let queue: String
    private let store: ObjectStore?

    init(
        _ name: String, queue: String = "4GiB", settings: [String] = [], store: ObjectStore? = nil
    ) throws {
        folder = try TemporaryFolder("pgbackrest")
        self.queue = queue
        self.store = store
        for part in ["socket", "spool", "log", "repository", "lock"] {
            try FileManager.default.createDirectory(
                atPath: folder.file(part), withIntermediateDirectories: false)
        }
        // The server's user has to be able to write there.
        try run(ServerPrograms.database("not-root"), ["-o", folder.path, "/bin/true"])
        server = try PostgresServer(
            settings: ["unix_socket_directories=\(folder.file("socket"))"] + settings)
        database = try TestDatabase(name, timescale: true, server: server)
        try database.migrate()
        try database.psql("CREATE TABLE counted (number integer)")
        try configure()
    }

    private func configure() throws {
        let parts = "\(ServerPrograms.checkout)/deploy/backup/pgbackrest"
        var text = try String(contentsOfFile: "\(parts)/pgbackrest.conf", encoding: .utf8)
        text += "pg1-user=postgres\n[global]\nlock-path=\(folder.file("lock"))\n"
        let repository = store == nil ? "disk.conf" : "s3.conf"
        text += try String(contentsOfFile: "\(parts)/\(repository)", encoding: .utf8)
        let place =
            store?.settings
            ?? [("=/backup/pgbackrest", "=\(folder.file("repository"))")]
        for (shipped, own) in place + [
            ("=/var/lib/postgresql/17/main", "=\(server.dataFolder)"), ("=5432", "=\(server.port)"),
            ("=/var/run/postgresql", "=\(folder.file("socket"))"),
            ("=/var/spool/pgbackrest", "=\(folder.file("spool"))"),
            ("=/var/log/pgbackrest", "=\(folder.file("log"))"),
            ("queue-max=4GiB", "queue-max=\(queue)"),
        ] {
            try #require(text.contains(shipped))
            text = text.replacing(shipped, with: own)
        }
        try folder.write(text, to: "pgbackrest.conf")
    }

    /// Runs the script as the server's user. Returns what it says.
    @discardableResult
    func script(_ arguments: String...) throws -> String {
        let programs = (ServerPrograms.database("psql") as NSString).deletingLastPathComponent
        let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"
        return try run(
            ServerPrograms.database("not-root"),
            ["-o", folder.path, "/bin/sh"]
                + ["\(ServerPrograms.checkout)/deploy/backup/pgbackrest.sh"] + arguments,
            environment: [
                "PATH": "\(programs):\(path)", "PGHOST": "127.0.0.1", "PGPORT": "\(server.port)",
                "PGUSER": PostgresServer.user, "PGPASSWORD": PostgresServer.password,
                "BACKUP_DATABASE": database.name,
                "PGBACKREST_CONFIG": folder.file("pgbackrest.conf"),
                "PGBACKREST_LOG_PATH": folder.file("log"),
            ])
    }

    /// As a person does it: the first run asks for a restart.
    func setUp() throws {
        let failure = #expect(throws: ProgramFailure.self) { try script("setup") }
        #expect(failure?.message.contains("restart the server") == true)
        try server.restart()
        #expect(try script("setup").contains("WAL arrives"))
    }

    func rows(_ first: Int, to last: Int) throws {
        try database.psql("INSERT INTO counted SELECT generate_series(\(first), \(last))")
    }

    func stored() throws -> String {
        try database.psql(
            "SELECT concat(min(number), '-', max(number), ' ', count(*)) FROM counted")
    }

    /// Returns per kind whether its time is of this test, and whether its size is known.
    func noted() throws -> String {
        try database.psql(
            """
            SELECT string_agg(concat(kind, ' ', finished_at > now() - interval '5 min', ' ',
                bytes > 1e6 IS TRUE), ', ' ORDER BY kind) FROM backups
            """)
    }

    /// pgBackRest knows the end of a backup by the second; a time of that second is not after it.
    func passSecond() throws {
        let ended = try server.psql("SELECT extract(epoch FROM clock_timestamp())::bigint")
        try server.expectSoon("SELECT floor(extract(epoch FROM clock_timestamp())) > \(ended)", "t")
    }

    func loseDisk() throws {
        server.stopImmediately()
        try run("/usr/bin/find", [server.dataFolder, "-mindepth", "1", "-delete"])
    }

    /// Starts a restored server, and waits until it accepts writes.
    func start() throws {
        try server.restart()
        try server.expectSoon("SELECT pg_is_in_recovery()", "f", "\(server.log.suffix(4_000))")
    }

    /// Carries out `body` while a file is in the repository's place.
    func withoutRepository(_ body: () throws -> Void) throws {
        let files = FileManager.default
        let place = folder.file("repository"), away = folder.file("away")
        try files.moveItem(atPath: place, toPath: away)
        try folder.write("", to: "repository")
        try body()
        try files.removeItem(atPath: place)
        try files.moveItem(atPath: away, toPath: place)
    }

    /// Recovers into another folder than the configured one. Returns what a server there has.
    func storedElsewhere() throws -> String {
        let place = folder.file("elsewhere")
        try script("recover", place)
        // The port of the server that has ended.
        let settings = [
            "port=\(server.port)", "unix_socket_directories=\(folder.file("socket"))",
            "archive_mode=off",
        ]
        let other = try ServerProcess(
            ServerPrograms.database("not-root"),
            ["-o", place, ServerPrograms.database("postgres"), "-D", place]
                + settings.flatMap { ["-c", $0] }, logPath: folder.file("elsewhere.log"))
        let isReady = eventually {
            other.log.contains("ready to accept connections") || !other.isRunning
        }
        #expect(isReady && other.isRunning, "\(other.log.suffix(4_000))")
        defer { other.stop(SIGINT) }
        return try stored()
    }

    /// Carries out `body` while the newest piece of WAL in the repository is damaged.
    func withoutLastWAL(_ body: () throws -> Void) throws {
        let folder = self.folder.file("repository/archive/tapeline/17-1/0000000100000000")
        let newest = try FileManager.default.contentsOfDirectory(atPath: folder)
            .filter { $0.hasSuffix(".zst") && !$0.contains(".backup") }.max()
        let path = "\(folder)/\(try #require(newest))"
        let whole = try Data(contentsOf: URL(fileURLWithPath: path))
        try Data("no WAL".utf8).write(to: URL(fileURLWithPath: path))
        try body()
        try whole.write(to: URL(fileURLWithPath: path))
    }

    /// Writes WAL that has to wait. Returns what pgBackRest has logged about it.
    func fillQueue() throws -> String {
        try rows(1, to: 10)
        try server.psql("SELECT pg_switch_wal()")
        let path = folder.file("log/tapeline-archive-push-async.log")
        return try String(contentsOfFile: path, encoding: .utf8)
    }

    func isQueueEmpty() throws -> Bool {
        // The server tries again now, and not a minute after the last failure.
        try server.psql("SELECT pg_reload_conf()")
        return try server.psql(
            "SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'") == "0"
    }
}

extension PgBackRestBench {
    /// A bucket of PyPI's moto, which `s3.conf` is filled in for.
    final class ObjectStore {
        static let obstacle = PythonServer.obstacle(of: "object-store") ?? Certificates.obstacle

        private let certificates: Certificates
        private let server: PythonServer

        init() throws {
            certificates = try Certificates()
            try certificates.make("store", name: "127.0.0.1")
            server = try PythonServer(
                "\(ServerPrograms.checkout)/Tests/StoreWriterServerTests/Faults/object_store.py",
                [certificates.certificate("store"), certificates.key("store"), "backups"],
                of: "object-store")
        }

        /// What is shipped, and what stands there instead.
        var settings: [(shipped: String, own: String)] {
            [
                ("=s3.eu-central-1.amazonaws.com", "=127.0.0.1:\(server.port())"),
                ("=eu-central-1", "=us-east-1"), ("=BUCKET", "=backups"), ("=ACCESS-KEY", "=key"),
                ("=SECRET-KEY", "=secret"), ("uri-style=host", "uri-style=path"),
                ("=PASSPHRASE", "=of a test"),
                (
                    "#repo1-storage-ca-file=/etc/pgbackrest/ca.crt",
                    "repo1-storage-ca-file=\(certificates.certificate("authority"))"
                ),
            ]
        }

        func contents() throws -> [String: Int] {
            try JSONDecoder().decode(
                [String: Int].self, from: Data(try server.command("look").utf8))
        }
    }
}
