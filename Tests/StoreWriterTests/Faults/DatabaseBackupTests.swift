import Foundation
import TestSupport
import Testing

/// deploy/backup/database.sh, as the service `backup` of the compose cluster runs it, on a server
/// that loses its disk.
@Suite("Backups of one machine, by PostgreSQL's own programs")
struct DatabaseBackupTests {
    @Test("a lost disk comes back with every row; damaged WAL is reported, and not the end")
    func recover() throws {
        let server = try PostgresServer()
        let folder = try TemporaryFolder("backup")
        let running = try ServerProcess(
            ServerPrograms.database("not-root"), arguments(folder, ["run"]),
            environment: environment(server, folder), logPath: folder.file("log"))
        #expect(eventually { running.log.contains("verified") }, "\(running.log)")
        try server.psql("CREATE TABLE counted AS SELECT generate_series(1, 1000) AS number")
        var pieces: [String] = []
        for _ in 0..<4 {
            try server.psql("INSERT INTO counted SELECT generate_series(1, 1000)")
            pieces.append(try server.psql("SELECT pg_walfile_name(pg_switch_wal())"))
        }
        let wal = folder.file("backup/wal")
        #expect(
            eventually { FileManager.default.fileExists(atPath: "\(wal)/\(pieces[3])") },
            "\(running.log)")
        #expect(running.stop() == 0)
        server.stopImmediately()

        let path = "\(wal)/\(pieces[1])"
        let whole = try Data(contentsOf: URL(fileURLWithPath: path))
        var damaged = whole
        damaged.replaceSubrange(4_096..<8_192, with: Data(repeating: 7, count: 4_096))
        for bytes in [damaged, nil] {
            try FileManager.default.removeItem(atPath: path)
            try bytes?.write(to: URL(fileURLWithPath: path))
            let failure = #expect(throws: ProgramFailure.self) { try recover(server, folder) }
            #expect(failure?.message.contains("missing or damaged") == true)
        }
        try whole.write(to: URL(fileURLWithPath: path))
        #expect(try recover(server, folder).contains("start the server"))
        try server.restart()
        #expect(try eventually { try server.psql("SELECT pg_is_in_recovery()") == "f" })
        #expect(try server.psql("SELECT count(*) FROM counted") == "5000")
    }

    /// Empties the server's folder, and puts the backup there.
    private func recover(_ server: PostgresServer, _ folder: TemporaryFolder) throws -> String {
        try run("/usr/bin/find", [server.dataFolder, "-mindepth", "1", "-delete"])
        return try run(
            ServerPrograms.database("not-root"),
            arguments(folder, ["recover", server.dataFolder]),
            environment: environment(server, folder))
    }

    /// The server's user runs it.
    private func arguments(_ folder: TemporaryFolder, _ words: [String]) -> [String] {
        ["-o", folder.path, "/bin/sh", "\(ServerPrograms.checkout)/deploy/backup/database.sh"]
            + words
    }

    private func environment(
        _ server: PostgresServer, _ folder: TemporaryFolder
    ) -> [String: String] {
        let programs = (ServerPrograms.database("psql") as NSString).deletingLastPathComponent
        let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"
        return [
            "PATH": "\(programs):\(path)", "BACKUP_FOLDER": folder.file("backup"),
            "BACKUP_LOOK": "1", "BACKUP_DATABASE": "", "PGHOST": "127.0.0.1",
            "PGPORT": "\(server.port)", "PGUSER": PostgresServer.user,
            "PGPASSWORD": PostgresServer.password,
        ]
    }
}
