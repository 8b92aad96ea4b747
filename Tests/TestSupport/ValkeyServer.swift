import Foundation
import Synchronization

/// The Valkey of one test: loopback, a free port, a password, nothing on disk. It ends with the
/// value.
package final class ValkeyServer: Sendable {
    package static let password = "open sesame"

    package let port: UInt16
    private let folder: TemporaryFolder
    private let process: Mutex<ServerProcess>
    private let arguments: [String]
    private let edition: Edition

    package enum Edition: CaseIterable, Sendable {
        /// Debian's, which a checkout has.
        case usual
        /// That of the packages of Python.
        case packaged

        fileprivate var program: String {
            self == .usual
                ? ServerPrograms.database("valkey-server") : ServerPrograms.packagedValkey
        }
    }

    /// `users` are lines of its configuration file, in addition to the user of `cli`.
    package init(
        arguments: [String] = [], users: String = "", edition: Edition = .usual
    ) throws {
        folder = try TemporaryFolder("valkey")
        self.edition = edition
        self.arguments = [try folder.write(users, to: "users.conf")] + arguments
        let (own, all) = (folder, self.arguments)
        let started = try startedOnFreePort { candidate in
            try Self.start(own, candidate, all, edition)
        } waitUntilReady: { server, _ in
            try Self.waitUntilReady(server)
        }
        port = started.port
        process = Mutex(started.server)
    }

    /// Returns the output of the server's own client, which shows independently what the code under
    /// test did.
    @discardableResult
    package func cli(_ arguments: String...) throws -> String { try cli(arguments) }

    @discardableResult
    package func cli(_ arguments: [String]) throws -> String {
        try run(
            ServerPrograms.database("valkey-cli"), ["-p", "\(port)"] + arguments,
            environment: ["REDISCLI_AUTH": Self.password])
    }

    /// Ends it like a crash.
    package func kill() { process.withLock { _ = $0.stop(SIGKILL) } }

    /// Starts it again on the same port, empty.
    package func restart() throws {
        try process.withLock {
            $0.stop(SIGKILL)
            $0 = try Self.start(folder, port, arguments, edition)
            try Self.waitUntilReady($0)
        }
    }

    /// Freezes it: sockets stay open, but nothing answers.
    package func pause() { process.withLock { $0.signal(SIGSTOP) } }
    package func resume() { process.withLock { $0.signal(SIGCONT) } }

    package var log: String { process.withLock { $0.log } }
    package var processID: Int32 { process.withLock { $0.id } }

    /// Removes its folder when the test process ends. Static values have no deinit.
    package func untilExit() { folder.untilExit() }

    private static func start(
        _ folder: TemporaryFolder, _ port: UInt16, _ arguments: [String], _ edition: Edition
    ) throws -> ServerProcess {
        try ServerProcess(
            edition.program,
            // The configuration file is the first argument.
            arguments.prefix(1)
                + ["--bind", "127.0.0.1", "--port", "\(port)", "--save", "", "--appendonly", "no"]
                + ["--dir", folder.path, "--requirepass", password] + arguments.dropFirst(),
            logPath: folder.file("server-\(port).log"))
    }

    private static func waitUntilReady(_ server: ServerProcess) throws {
        let ready = eventually {
            guard server.isRunning else { return true }
            return server.log.contains("Ready to accept connections")
        }
        guard ready, server.isRunning else {
            throw TestServerFailure(description: "Valkey did not start:\n\(server.log)")
        }
    }
}
