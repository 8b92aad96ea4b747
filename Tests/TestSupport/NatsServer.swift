import Foundation
import Synchronization

/// The real nats-server of one test, with JetStream in its own folder, on a free loopback port. The
/// server ends, and its folder is removed, with the value.
package final class NatsServer: Sendable {
    package struct User: Sendable {
        package let name: String
        package let password: String
        /// Lines of a `permissions { ... }` block. `nil` allows everything.
        package let permissions: String?

        package init(name: String, password: String, permissions: String? = nil) {
            self.name = name
            self.password = password
            self.permissions = permissions
        }
    }

    package struct Options: Sendable {
        /// When the stores are synced to disk: "always", "1s", and so on.
        package var syncInterval = "2m"
        package var users: [User] = []
        package var jetStream = true
        /// The folder of the streams. `nil` means the server's own folder.
        package var store: String?
        /// The server's name, which is unique in a cluster.
        package var name = "test"
        /// Lines that are appended to the server's configuration file.
        package var extra = ""

        package init() {}
    }

    package struct StartFailed: Error, CustomStringConvertible {
        package let log: String
        package var description: String { "nats-server did not start; its log:\n\(log)" }
    }

    private static let triesMax = 5

    package let port: UInt16
    package let folder: TemporaryFolder
    private let process: Mutex<ServerProcess>

    package var url: String { "nats://127.0.0.1:\(port)" }
    package var address: String { "127.0.0.1:\(port)" }

    /// Returns the server that all tests of the process share if they do not harm it, and count
    /// nothing of the whole server. Each has its own namespace.
    package static func shared() throws -> NatsServer { try sharedServer.get() }

    package convenience init(syncInterval: String) throws {
        var options = Options()
        options.syncInterval = syncInterval
        try self.init(options)
    }

    /// Starts the server and waits until it answers. Takes another port if the chosen one was lost.
    package init(_ options: Options = Options()) throws {
        let folder = try TemporaryFolder("nats")
        var tries = 0
        while true {
            let port = freePort()
            try folder.write(Self.configuration(options, port, folder), to: "nats.conf")
            do {
                process = Mutex(try Self.start(folder, port))
                self.port = port
                self.folder = folder
                return
            } catch let error as StartFailed {
                tries += 1
                guard tries < Self.triesMax, error.log.contains("address already in use") else {
                    throw error
                }
            }
        }
    }

    package var log: String { process.withLock { $0.log } }
    package var processID: Int32 { process.withLock { $0.id } }
    package var isRunning: Bool { process.withLock { $0.isRunning } }

    /// Ends the server in order with SIGTERM. `start()` starts it again.
    package func stop() { process.withLock { _ = $0.stop() } }

    /// Ends the server with SIGKILL, like a crash. `start()` starts it again.
    package func kill() { process.withLock { _ = $0.stop(SIGKILL) } }

    /// Starts it again on the same port and store.
    package func start() throws {
        try process.withLock { $0 = try Self.start(folder, port) }
    }

    package func restart() throws {
        stop()
        try start()
    }

    /// Replaces text of the configuration file. It takes effect after a restart or `reload()`.
    package func rewriteConfiguration(_ old: String, _ new: String) throws {
        let text = try String(contentsOfFile: folder.file("nats.conf"), encoding: .utf8)
        try folder.write(text.replacingOccurrences(of: old, with: new), to: "nats.conf")
    }

    package func reload() { signal(SIGHUP) }

    /// Suspends the server with its port and connections until `resume()`.
    package func pause() { signal(SIGSTOP) }
    package func resume() { signal(SIGCONT) }

    /// Starts lame duck mode, as before planned maintenance: clients are asked to leave.
    package func lameDuck() { signal(SIGUSR2) }

    package func signal(_ number: Int32) { process.withLock { $0.signal(number) } }

    // MARK: parts

    private static func configuration(
        _ options: Options, _ port: UInt16, _ folder: TemporaryFolder
    ) -> String {
        var lines = ["server_name: \(options.name)", "listen: \"127.0.0.1:\(port)\""]
        if options.jetStream {
            lines.append(
                // Streams reserve their maximum size. By default that is limited to the free space
                // of the disk.
                "jetstream { store_dir: \"\(options.store ?? folder.file("store"))\", "
                    + "max_file_store: 1TB, sync_interval: \"\(options.syncInterval)\" }")
        }
        if !options.users.isEmpty {
            let users = options.users.map { user in
                let permissions = user.permissions.map { ", permissions: { \($0) }" } ?? ""
                return "{ user: \"\(user.name)\", password: \"\(user.password)\"\(permissions) }"
            }
            lines.append("authorization { users: [ \(users.joined(separator: ", ")) ] }")
        }
        lines.append(options.extra)
        return lines.joined(separator: "\n") + "\n"
    }

    private static func start(_ folder: TemporaryFolder, _ port: UInt16) throws -> ServerProcess {
        let process = try ServerProcess(
            ServerPrograms.nats, ["-c", folder.file("nats.conf")], logPath: folder.file("log"))
        let answered = eventually { !process.isRunning || greets(port) }
        // Another server may own the port and answer while ours gives up.
        let isOurs = eventually { !process.isRunning || process.log.contains("Server is ready") }
        guard answered, isOurs, process.isRunning else {
            process.stop(SIGKILL)
            throw StartFailed(log: process.log)
        }
        return process
    }

    /// Returns whether a NATS server's greeting comes.
    private static func greets(_ port: UInt16) -> Bool {
        guard let descriptor = LoopbackSocket.connect(to: port) else { return false }
        defer { close(descriptor) }
        var timeout = timeval(tv_sec: 1, tv_usec: 0)
        unsafe setsockopt(
            descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout,
            socklen_t(MemoryLayout<timeval>.size))
        var bytes = [UInt8](repeating: 0, count: 4)
        let count = unsafe recv(descriptor, &bytes, 4, 0)
        return count == 4 && bytes == Array("INFO".utf8)
    }
}

private let sharedServer = Result { () throws -> NatsServer in
    let server = try NatsServer()
    server.folder.untilExit()
    return server
}
