import DeploymentWatch
import Primitives
import ServiceRuntime

/// Runs a gateway whose provider delivers the past, until everything is on the tape.
struct GatewayRun {
    private static let turn = Duration.milliseconds(200)
    private static let probeTimeout = Duration.seconds(2)
    /// The time the gateway has to publish what it holds and to report its progress.
    private static let endTimeout = Duration.seconds(20)
    /// How many ports are tried, because a port found free may be taken meanwhile.
    private static let portsMax = 64

    enum End {
        /// A person stopped it.
        case interrupted(records: UInt64)
        case done(GatewayProgress)
    }

    let terminal: Terminal
    /// The path of the gateway's program.
    let program: String
    /// The provider, by its name on the gateway's page.
    let provider: String
    /// What it does, in messages: "replay".
    let title: String
    /// What to do when the tape takes no more ticks.
    let adviceWhenFull: String
    let asJSON: Bool
    /// The keys of the environment that name the user that writes.
    var writerKeys = "NATS_USER and NATS_PASSWORD"
    /// The number of packets in a file. `nil` for a range, whose times show the progress.
    var packetsInAll: UInt64?

    /// Returns when everything is on the tape and the gateway has ended.
    func run(
        _ gateway: ToolGateway, _ given: [String: String], _ shutdown: ShutdownSignal
    ) throws(ToolError) -> End {
        let port = try freePort()
        let log = try gateway.makeLog()
        var settings = given
        settings["OPS_PORT"] = "\(port)"
        settings["LOG_FORMAT"] = "json"
        let child: ChildProcess
        do {
            // The gateway must end with this program, because nothing else would stop it.
            child = try ChildProcess(
                executable: program, arguments: [], environment: settings, logPath: log.path,
                options: [.ownGroup, .endsWithParent])
        } catch {
            throw .runtime(error)
        }
        defer { child.stop(grace: Self.endTimeout) }
        return try follow(child, port, log, shutdown)
    }

    private func freePort() throws(ToolError) -> UInt16 {
        for _ in 0..<Self.portsMax {
            let port = UInt16.random(in: StackPorts.range)
            if StackPorts.isFree(port) { return port }
        }
        throw .noFreePort
    }

    private func follow(
        _ gateway: ChildProcess, _ port: UInt16, _ log: GatewayLog, _ shutdown: ShutdownSignal
    ) throws(ToolError) -> End {
        var line = ProgressLine(terminal, asJSON: asJSON)
        defer { line.end() }
        var records: UInt64 = 0
        var told: String?
        var toldProblem: String?
        var hasToldSlowed = false
        while true {
            if shutdown.wait(timeout: Self.turn) {
                line.end()
                gateway.stop(grace: Self.endTimeout)
                return .interrupted(records: records)
            }
            if let ended = gateway.exitStatus {
                line.end()
                throw .refused("the gateway ended (\(ended))\(log.lastMessages) (log: \(log.path))")
            }
            if records == 0, let refusal = log.refusal {
                line.end()
                throw .refused(refused(refusal) + " (log: \(log.path))")
            }
            guard
                let progress = GatewayProgress.ask(
                    port, for: provider, of: gateway.id, timeout: Self.probeTimeout)
            else { continue }
            records = progress.records
            line.show { progress.line(packetsInAll: packetsInAll) }
            if let room = progress.room, room != told {
                told = room
                line.end()
                terminal.problem("the \(title) waits: \(room); \(adviceWhenFull)")
            }
            // A load at the pace of its readers waits every few seconds, so that is told once.
            if let slowed = progress.slowed, !hasToldSlowed {
                hasToldSlowed = true
                line.end()
                terminal.problem(
                    "the \(title) \(slowed.text); it goes on at the pace of this group: "
                        + "'tapeline groups list' shows it")
            }
            if progress.state != "failed", let problem = progress.problem, problem != toldProblem {
                toldProblem = problem
                line.end()
                terminal.problem("the \(title) waits and tries again: \(problem)")
            }
            if progress.state == "failed" {
                line.end()
                throw .refused(
                    "\(progress.problem ?? "the \(title) failed") (log: \(log.path))")
            }
            guard progress.isDone else { continue }
            line.end()
            try end(gateway, log)
            return .done(progress)
        }
    }

    private func end(_ gateway: ChildProcess, _ log: GatewayLog) throws(ToolError) {
        guard gateway.stop(grace: Self.endTimeout)?.isSuccess == true else {
            throw .refused("the gateway did not end in order\(log.lastMessages): see \(log.path)")
        }
        try log.remove()
    }

    /// On a server configured as ours, reading and writing take different users.
    private func refused(_ complaint: String) -> String {
        let isReading = complaint.contains(".CONSUMER.") || complaint.contains("MSG.NEXT")
        return isReading
            ? "NATS does not let the \(title) read (\(complaint)): name a user that may read, as "
                + "'tool', by REPLAY_NATS_USER and REPLAY_NATS_PASSWORD"
            : "NATS does not let the \(title) write (\(complaint)): name the gateway's user by "
                + writerKeys
    }
}
