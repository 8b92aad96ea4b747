import Foundation
import TestSupport
import Testing

/// deploy/backup/database.sh, as the service `backup` of the compose cluster runs it, on a server
/// that loses its disk.
@Suite("Backups of one machine, by PostgreSQL's own programs")
struct DatabaseBackupTests {
    @Test("a lost disk comes back; WAL that a recovery needs and cannot read is reported")
    func recover() throws {
        let bench = try MachineBench()
        try bench.backUp {
            try bench.server.psql("CREATE TABLE counted (number integer)")
            for _ in 0..<5 { try bench.insert() }
            // In a piece that is not complete.
            try bench.server.psql("INSERT INTO counted VALUES (1)")
        }
        // One in the middle, and the last one before the newest.
        for piece in [bench.pieces[1], bench.pieces[3]] {
            for bytes in [Data(repeating: 7, count: 4_096), nil] {
                try bench.damage(piece, bytes) {
                    let failure = #expect(throws: ProgramFailure.self) { try bench.recover() }
                    let said = failure?.message ?? ""
                    let place = bytes == nil ? piece : "error in WAL record at"
                    #expect(said.contains("missing or damaged") && said.contains(place), "\(said)")
                }
            }
        }
        // The base backup has this one, and verified it.
        try bench.damage(bench.sharedPiece(), Data(repeating: 7, count: 4_096)) {
            let said = try bench.recover()
            #expect(said.contains("start the server"))
        }
        try bench.start()
        try bench.server.expect("SELECT count(*) FROM counted", "5001")
    }

    @Test("the backups of another server are set apart, and spoil no recovery")
    func otherServer() throws {
        let bench = try MachineBench()
        try bench.backUp {
            try bench.server.psql("CREATE TABLE counted (number integer)")
            for _ in 0..<4 { try bench.insert() }
        }
        try bench.start()
        try bench.server.psql("SELECT pg_drop_replication_slot('tapeline_backup')")
        try bench.claimOtherServer()
        let before = bench.pieces
        try bench.backUp { try bench.insert() }
        let apart = try #require(try bench.names("").first { $0.hasPrefix("of-7-") })
        #expect(try bench.names(apart).sorted() == ["base", "wal"])
        #expect(try Set(bench.names("wal")).isDisjoint(with: before))
        try bench.recover()
        try bench.start()
        try bench.server.expect("SELECT count(*) FROM counted", "5000")
    }

    @Test("what a recovery does not read may be damaged: after its time, and on an old timeline")
    func notNeeded() throws {
        let bench = try MachineBench()
        var moment = ""
        try bench.backUp {
            try bench.server.psql("CREATE TABLE counted (number integer)")
            for _ in 0..<2 { try bench.insert() }
            moment = try bench.server.psql("SELECT clock_timestamp()")
            for _ in 0..<3 { try bench.insert() }
        }
        try bench.damage(bench.pieces[3], nil) {
            try bench.recover(moment)
            try bench.start()
            try bench.server.expect("SELECT count(*) FROM counted", "2000")
            let before = bench.pieces
            try bench.backUp { for _ in 0..<3 { try bench.insert() } }
            // With the base backup of the first timeline, both timelines are read.
            try bench.removeNewestBase()
            try bench.recover()
            let next = try #require(bench.pieces.dropFirst(before.count).first)
            #expect(next.hasPrefix("00000002"))
            try bench.damage(next, nil) {
                let failure = #expect(throws: ProgramFailure.self) { try bench.recover() }
                #expect(failure?.message.contains(next) == true, "\(failure?.message ?? "")")
            }
            try bench.recover()
            try bench.start()
            try bench.server.expect("SELECT count(*) FROM counted", "5000")
        }
    }
}

/// A server of its own, and a folder of backups.
private final class MachineBench {
    let server: PostgresServer
    private let folder: TemporaryFolder
    /// The pieces of WAL that were completed by `insert`.
    private(set) var pieces: [String] = []

    init() throws {
        server = try PostgresServer()
        folder = try TemporaryFolder("backup")
        // WAL is received only after the base backup, as on a busy machine.
        try folder.write(
            """
            #!/bin/sh
            until [ -e "$BACKUP_FOLDER/base/.last" ]; do sleep 0.05; done
            exec "\(ServerPrograms.database("pg_receivewal"))" "$@"
            """, to: "pg_receivewal")
        try run("/bin/chmod", ["0755", folder.file("pg_receivewal")])
    }

    private var wal: String { folder.file("backup/wal") }

    func names(_ part: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder.file("backup/\(part)"))
    }

    private func newestBase() throws -> String {
        "base/\(try #require(try names("base").filter { $0.hasSuffix("Z") }.max()))"
    }

    /// A piece that is in the base backup and was received, too.
    func sharedPiece() throws -> String {
        let received = try Set(names("wal"))
        return try #require(try names("\(newestBase())/pg_wal").filter(received.contains).max())
    }

    /// Makes the base backup one of another server, by the identifier in its manifest.
    func claimOtherServer() throws {
        let path = folder.file("backup/\(try newestBase())/backup_manifest")
        var text = try String(contentsOfFile: path, encoding: .utf8)
        let own = try server.psql("SELECT system_identifier FROM pg_control_system()")
        try #require(text.contains(": \(own),"))
        text = text.replacing(": \(own),", with: ": 7,")
        try text.write(toFile: path, atomically: true, encoding: .utf8)
    }

    /// Carries out `body` while the script makes a base backup and receives the WAL. Then it and
    /// the server end.
    func backUp(_ body: () throws -> Void) throws {
        let running = try ServerProcess(
            ServerPrograms.database("not-root"), arguments(["run"]), environment: environment,
            logPath: folder.file("log"))
        #expect(eventually { running.log.contains("verified") }, "\(running.log)")
        try body()
        let isReceived = try eventually {
            try server.psql(
                """
                SELECT count(*) FROM pg_stat_replication
                WHERE application_name = 'pg_receivewal' AND flush_lsn >= pg_current_wal_lsn()
                """) == "1"
        }
        #expect(isReceived, "\(running.log)")
        #expect(running.stop() == 0)
        server.stopImmediately()
    }

    /// Adds 1,000 rows, and completes a piece of WAL.
    func insert() throws {
        try server.psql("INSERT INTO counted SELECT generate_series(1, 1000)")
        pieces.append(try server.psql("SELECT pg_walfile_name(pg_switch_wal())"))
    }

    /// Carries out `body` while a piece has these bytes in its midst, or is missing.
    func damage(_ piece: String, _ bytes: Data?, _ body: () throws -> Void) throws {
        let place = URL(fileURLWithPath: "\(wal)/\(piece)")
        let whole = try Data(contentsOf: place)
        try FileManager.default.removeItem(at: place)
        if let bytes {
            var damaged = whole
            damaged.replaceSubrange(4_096..<4_096 + bytes.count, with: bytes)
            try damaged.write(to: place)
        }
        try body()
        try whole.write(to: place)
    }

    func removeNewestBase() throws {
        try FileManager.default.removeItem(atPath: folder.file("backup/\(try newestBase())"))
    }

    func start() throws {
        try server.restart()
        try server.expectSoon("SELECT pg_is_in_recovery()", "f")
    }

    /// Empties the server's folder, and puts the backup there.
    @discardableResult
    func recover(_ time: String...) throws -> String {
        try run("/usr/bin/find", [server.dataFolder, "-mindepth", "1", "-delete"])
        return try run(
            ServerPrograms.database("not-root"),
            arguments(["recover", server.dataFolder] + time), environment: environment)
    }

    /// The server's user runs it.
    private func arguments(_ words: [String]) -> [String] {
        ["-o", folder.path, "/bin/sh", "\(ServerPrograms.checkout)/deploy/backup/database.sh"]
            + words
    }

    private var environment: [String: String] {
        let programs = (ServerPrograms.database("psql") as NSString).deletingLastPathComponent
        let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"
        return [
            "PATH": "\(folder.path):\(programs):\(path)", "BACKUP_FOLDER": folder.file("backup"),
            "BACKUP_LOOK": "1", "BACKUP_DATABASE": "", "PGHOST": "127.0.0.1",
            "PGPORT": "\(server.port)", "PGUSER": PostgresServer.user,
            "PGPASSWORD": PostgresServer.password,
        ]
    }
}
