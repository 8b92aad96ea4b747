import Foundation
import TestSupport
import Testing
import ValkeyClient

@testable import TapelineTool
@testable import TapelineToolTests

/// `deploy/compose/valkey.sh`, by which compose and Kubernetes start Valkey, with the real server.
@Suite("deploy/compose/valkey.sh")
struct ValkeyScriptTests {
    private let folder: TemporaryFolder
    private let port: UInt16

    init() throws {
        folder = try .ofScript("valkey-script")
        port = freePort()
        try folder.write("pwriter", to: "secrets/valkey")
        try folder.write("preader", to: "secrets/valkey-reader")
        let shipped = "\(ServerPrograms.checkout)/deploy/valkey"
        try FileManager.default.copyItem(
            atPath: "\(shipped)/users.conf", toPath: folder.file("conf/users.conf"))
        let settings = try String(contentsOfFile: "\(shipped)/valkey.conf", encoding: .utf8)
        try folder.write(
            "\(settings)\nbind 127.0.0.1\nport \(port)\ndir \"\(folder.path)\"\n",
            to: "conf/tapeline.conf")
    }

    private func start() throws -> ServerProcess {
        let programs = FileSystem.folder(of: ServerPrograms.database("valkey-server"))
        return try ServerProcess(
            "/bin/sh", ["\(ServerPrograms.checkout)/deploy/compose/valkey.sh"],
            environment: [
                "PATH": "\(programs):/usr/bin:/bin", "VALKEY_PORT": "\(port)",
                "VALKEY_CONFIGURATION": folder.file("valkey.conf"),
                "VALKEY_USERS": folder.file("users.acl"), "VALKEY_FOLDER": folder.file("conf"),
                "SECRETS_FOLDER": folder.file("secrets"), "VALKEY_RELOAD_EVERY": "0.05",
            ], logPath: folder.file("log"))
    }

    private func connect(_ user: String, _ password: String) throws(ValkeyError) -> ValkeyConnection
    {
        try ValkeyConnection(
            ValkeyConfiguration(host: "127.0.0.1", port: port, user: user, password: password))
    }

    private func takes(_ user: String, _ password: String) -> Bool {
        do {
            try connect(user, password).close()
            return true
        } catch {
            return false
        }
    }

    @Test("a changed password counts in the running server, which keeps what it has")
    func reloads() throws {
        let server = try start()
        #expect(eventually { takes("writer", "pwriter") }, "\(server.log)")
        _ = try connect("writer", "pwriter").command(["SET", "md:hot:1", "kept"])
        try folder.spoil("valkey", of: server) { #expect(takes("writer", "pwriter")) }
        try folder.write("panother", to: "secrets/valkey")
        #expect(eventually { takes("writer", "panother") }, "\(server.log)")
        #expect(!takes("writer", "pwriter") && !takes("writer", ""))
        #expect(takes("reader", "preader") && server.isRunning)
        let kept = try connect("writer", "panother").command(["GET", "md:hot:1"])
        #expect(kept.text == "kept", "\(server.log)")
        // The script says so after it was done.
        #expect(eventually { server.log.contains("reads its users again: OK") }, "\(server.log)")
    }

    @Test("without a password it does not start")
    func missing() throws {
        try FileManager.default.removeItem(atPath: folder.file("secrets/valkey-reader"))
        let server = try start()
        #expect(server.waitUntilExit() == 1)
        #expect(server.log.contains("valkey-reader is missing or empty"), "\(server.log)")
    }
}
