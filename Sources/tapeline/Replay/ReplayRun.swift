internal import Glibc
import MarketModel
import NatsTransport
import Primitives
import ReplayProvider
import ServiceRuntime

/// Carries out `tapeline replay`: a gateway of its own that ends when the recording is on the tape.
struct ReplayRun {
    private static let turn = Duration.milliseconds(500)
    private static let probeTimeout = Duration.seconds(2)
    /// The gateway puts on the tape what it holds, and says how far it is.
    private static let endTimeout = Duration.seconds(20)

    let command: ReplayCommand
    let terminal: Terminal
    /// The gateway's program.
    let program: String

    func run(_ deployment: Deployment, shutdown: ShutdownSignal) throws(ToolError) -> ExitCode {
        let settings = command.environment.merging(servers(deployment)) { $1 }
        if command.prints {
            for line in Self.printed(settings, program) { terminal.line(line) }
            return .success
        }
        guard FileSystem.isExecutable(program) else {
            throw .missing(path: program, verb: "build")
        }
        if case .file(let path) = command.input { try check(path, shutdown) }
        let port = try freePort()
        let log = "/tmp/tapeline-replay-\(command.namespace)-\(getpid()).log"
        let gateway: ChildProcess
        do {
            gateway = try ChildProcess(
                executable: program, arguments: [],
                environment: settings.merging(["OPS_PORT": "\(port)"]) { $1 }, logPath: log,
                options: .ownGroup)
        } catch {
            throw .runtime(error)
        }
        defer { gateway.stop(grace: Self.endTimeout) }
        return try follow(gateway, port, log, shutdown)
    }

    private func check(_ path: String, _ shutdown: ShutdownSignal) throws(ToolError) {
        do throws(RecordingError) {
            _ = try RecordingFile.check(path) { shutdown.isRequested }
        } catch {
            throw .unreadable("\(error)")
        }
    }

    private func freePort() throws(ToolError) -> UInt16 {
        for _ in 0..<64 {
            let port = UInt16.random(in: StackPorts.range)
            if StackPorts.isFree(port) { return port }
        }
        throw .noFreePort
    }

    /// Where the tool itself connects, in the gateway's words.
    private func servers(_ deployment: Deployment) -> [String: String] {
        var environment = ["NATS_URL": deployment.nats.urls.joined(separator: ",")]
        // A namespace that is there was made with some number of bytes.
        environment["MDS_STREAM_BYTES"] = ConfigurationFiles.environment()["MDS_STREAM_BYTES"]
        environment["NATS_USER"] = deployment.nats.user
        environment["NATS_PASSWORD"] = deployment.nats.password
        environment["NATS_TLS_CA"] = deployment.nats.tls?.caFile
        environment["NATS_TLS_CERTIFICATE"] = deployment.nats.tls?.certFile
        environment["NATS_TLS_KEY"] = deployment.nats.tls?.keyFile
        return environment
    }

    /// For a shell; a password is not printed.
    static func printed(_ settings: [String: String], _ program: String) -> [String] {
        settings.sorted { $0.key < $1.key }.map { key, value in
            let shown = key == "NATS_PASSWORD" ? "…" : value
            return "\(key)='\(shown)' \\"
        } + [program]
    }

    // MARK: while it runs

    private func follow(
        _ gateway: ChildProcess, _ port: UInt16, _ log: String, _ shutdown: ShutdownSignal
    ) throws(ToolError) -> ExitCode {
        while true {
            if shutdown.wait(timeout: Self.turn) {
                gateway.stop(grace: Self.endTimeout)
                throw .refused("interrupted; the same command goes on where it was")
            }
            if let ended = gateway.exitStatus {
                throw .refused("the gateway ended (\(ended)): see \(log)")
            }
            guard let progress = Progress(port, timeout: Self.probeTimeout) else { continue }
            if terminal.isInteractive, !command.asJSON {
                terminal.raw("\r\(progress.state), \(progress.records) records  ")
            }
            if progress.state == "failed" {
                throw .refused("\(progress.problem ?? "the replay failed") (log: \(log))")
            }
            guard progress.isDone else { continue }
            let end = gateway.stop(grace: Self.endTimeout)
            guard end?.isSuccess == true else {
                throw .refused("the gateway did not end in order: see \(log)")
            }
            unsafe unlink(log)
            finish(progress)
            return .success
        }
    }

    private func finish(_ progress: Progress) {
        guard command.asJSON else {
            if terminal.isInteractive { terminal.line() }
            terminal.line(
                "\(progress.records) records of \(command.source) are on the tape of "
                    + "\(command.namespace)")
            return
        }
        var json = JSONWriter()
        json.object { json in
            json.member("namespace", command.namespace)
            json.member("source", command.source.text)
            json.member("state", progress.state)
            json.member("records", progress.records)
        }
        terminal.line(String(decoding: json.bytes, as: UTF8.self))
    }

    /// What the gateway says of itself.
    private struct Progress {
        let state: String
        let records: UInt64
        let problem: String?
        /// All of it was taken and put on the tape.
        let isDone: Bool

        init?(_ port: UInt16, timeout: Duration) {
            guard let status = Self.status(port, timeout),
                let replay = status.at("gateway", "providers", "replay")
            else { return nil }
            let gateway = status["gateway"]
            state = replay["state"]?.string ?? "waiting"
            records = replay["records"]?.uint64 ?? 0
            problem = replay["problem"]?.string
            isDone =
                state == "finished" && gateway?["finished"]?.bool == true
                && gateway?["waiting"]?.uint64 == 0
        }

        private static func status(_ port: UInt16, _ timeout: Duration) -> JSONValue? {
            do throws(ServiceError) {
                let answer = try HTTPProbe.get(
                    host: StackPlan.loopback, port: port, path: "/status", timeout: timeout)
                return parsedJSON(answer.body)
            } catch {
                // It has not opened its port yet.
                return nil
            }
        }
    }
}
