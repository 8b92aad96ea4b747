internal import Glibc
import MarketModel
import NatsTransport
import Primitives
import Recordings
import ReplayProvider
import ServiceRuntime
import TapeProtocol
import TapeTransport

/// Carries out `tapeline replay`: starts a gateway that ends when the recording is on the tape.
struct ReplayRun {
    private static let turn = Duration.milliseconds(200)
    private static let probeTimeout = Duration.seconds(2)
    /// The time the gateway has to publish what it holds and to report its progress.
    private static let endTimeout = Duration.seconds(20)
    /// How many ports are tried, because a port found free may be taken meanwhile.
    private static let portsMax = 64

    let command: ReplayCommand
    let terminal: Terminal
    /// The path of the gateway's program.
    let program: String

    /// The properties of the input that are known before the replay.
    private struct Known {
        let source: SourceName
        /// The number of packets that are replayed. `nil` if the input is not a file.
        var packets: UInt64?
        /// The bytes of the file, or of the tape that is read.
        var bytes: UInt64 = 0
    }

    /// The configuration of the namespace's streams, present or to be made.
    private struct Target {
        let partitions: Int
        let streamBytes: String
        let isNew: Bool
    }

    func run(_ deployment: Deployment, shutdown: ShutdownSignal) throws(ToolError) -> ExitCode {
        guard let known = try look(deployment, shutdown) else { return interrupted(nil) }
        let gateway = ReplayGateway(deployment, namespace: command.namespace)
        let target = try target(deployment, known)
        var settings = command.environment(of: known.source, partitions: target.partitions)
            .merging(gateway.servers) { $1 }
        settings["MDS_STREAM_BYTES"] = target.streamBytes
        if command.prints {
            for line in ReplayGateway.printed(settings, program) { terminal.line(line) }
            return .success
        }
        guard FileSystem.isExecutable(program) else {
            throw .missing(path: program, verb: "build")
        }
        if target.isNew { try setUp(target, deployment) }
        let port = try freePort()
        let log = try gateway.makeLog()
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
        let end = try follow(child, port, log, known, shutdown)
        if target.isNew, !command.asJSON, end != .temporary {
            terminal.line(
                "\(command.namespace) is new: its services need MDS_PARTITIONS="
                    + "\(target.partitions) and MDS_STREAM_BYTES=\(target.streamBytes)")
        }
        return end
    }

    // MARK: before

    /// Returns `nil` if interrupted.
    private func look(
        _ deployment: Deployment, _ shutdown: ShutdownSignal
    ) throws(ToolError) -> Known? {
        switch command.input {
        case .namespace(let origin, _, _):
            let source = try RecordedSource.find(
                command.source, deployment.nats, namespace: origin)
            let room = try room(of: origin, deployment)
            return Known(source: source, bytes: room?.bytes ?? 0)
        case .file(let path): return try check(path, shutdown)
        }
    }

    private func target(
        _ deployment: Deployment, _ known: Known
    ) throws(ToolError) -> Target {
        let room = try room(of: command.namespace, deployment)
        let partitions = command.partitions ?? room?.partitions ?? TapeNames.defaultPartitions
        let given = ConfigurationFiles.environment()["MDS_STREAM_BYTES"] ?? ""
        let needed = TapeRoom.needed(for: known.bytes, partitions: partitions)
        return Target(
            partitions: partitions,
            streamBytes: given.isEmpty ? "\(room?.bytesMax ?? needed)" : given, isNew: room == nil)
    }

    /// Makes the streams as the user of this command, because the gateway's user may not make
    /// streams.
    private func setUp(_ target: Target, _ deployment: Deployment) throws(ToolError) {
        let names = TapeNames(namespace: command.namespace, partitions: target.partitions)
        guard let names else { throw .usage("\(command.namespace) cannot be a namespace") }
        let environment = ConfigurationFiles.environment()
        var maker = deployment
        maker.names = names
        let sizes = try SetupCommand(given: [SetupCommand.streamBytes: target.streamBytes])
            .sizes(environment)
        let client = try maker.connect()
        defer { client.close() }
        let problems = try SetupRun(names: names, sizes: sizes).run(client).problems
        guard problems.isEmpty else { throw .refused(problems.joined(separator: "; ")) }
    }

    private func room(
        of namespace: String, _ deployment: Deployment
    ) throws(ToolError) -> TapeRoom? {
        do {
            return try TapeRoom.find(
                deployment.nats, namespace: namespace, telemetry: RecordedSource.telemetry)
        } catch {
            throw ToolError(reading: error)
        }
    }

    private func check(_ path: String, _ shutdown: ShutdownSignal) throws(ToolError) -> Known? {
        guard unsafe access(path, R_OK) == 0 else { throw FileSystem.failure("read", path) }
        let size = UInt64(max(0, FileSystem.byteCount(of: path) ?? 0))
        var progress = ProgressLine(terminal, asJSON: command.asJSON)
        defer { progress.end() }
        do throws(RecordingError) {
            let file = try RecordingFile(path)
            let source = command.source ?? file.about.source
            guard !command.prints else { return Known(source: source, bytes: size) }
            while try file.step() {
                if shutdown.isRequested { return nil }
                progress.show {
                    "checking\(ProgressLine.share(UInt64(file.offset), of: size)), "
                        + "\(file.ticks) records"
                }
            }
            return Known(
                source: source, packets: file.packets - file.barPackets, bytes: size)
        } catch {
            throw .unreadable("\(error)")
        }
    }

    private func freePort() throws(ToolError) -> UInt16 {
        for _ in 0..<Self.portsMax {
            let port = UInt16.random(in: StackPorts.range)
            if StackPorts.isFree(port) { return port }
        }
        throw .noFreePort
    }

    // MARK: while it runs

    private func follow(
        _ gateway: ChildProcess, _ port: UInt16, _ log: ReplayLog, _ known: Known,
        _ shutdown: ShutdownSignal
    ) throws(ToolError) -> ExitCode {
        var line = ProgressLine(terminal, asJSON: command.asJSON)
        defer { line.end() }
        var records: UInt64 = 0
        var told: String?
        while true {
            if shutdown.wait(timeout: Self.turn) {
                line.end()
                gateway.stop(grace: Self.endTimeout)
                return interrupted(records)
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
                let progress = ReplayProgress.ask(
                    port, of: gateway.id, timeout: Self.probeTimeout)
            else { continue }
            records = progress.records
            line.show { progress.line(packetsInAll: known.packets) }
            // A new namespace has no readers, so nothing is purged and a full tape does not
            // recover.
            if let room = progress.room, room != told {
                told = room
                line.end()
                terminal.problem(
                    "the replay waits: \(room); give it a namespace with more MDS_STREAM_BYTES, or "
                        + "register a group there that reads")
            }
            if progress.state == "failed" {
                line.end()
                throw .refused("\(progress.problem ?? "the replay failed") (log: \(log.path))")
            }
            guard progress.isDone else { continue }
            line.end()
            let end = gateway.stop(grace: Self.endTimeout)
            guard end?.isSuccess == true else {
                throw .refused(
                    "the gateway did not end in order\(log.lastMessages): see \(log.path)")
            }
            try log.remove()
            return finish(progress, known)
        }
    }

    /// On a server configured as ours, reading and writing take different users.
    private func refused(_ complaint: String) -> String {
        let isReading = complaint.contains(".CONSUMER.") || complaint.contains("MSG.NEXT")
        return isReading
            ? "NATS does not let the replay read (\(complaint)): name a user that may read, as "
                + "'tool', by REPLAY_NATS_USER and REPLAY_NATS_PASSWORD"
            : "NATS does not let the replay write (\(complaint)): name the gateway's user by "
                + "NATS_USER and NATS_PASSWORD"
    }

    // MARK: after

    /// `records` is `nil` before any was sent.
    private func interrupted(_ records: UInt64?) -> ExitCode {
        let again =
            switch command.input {
            case .file: "the same command goes on where it was"
            case .namespace(_, let from, let to):
                "the same command goes on where it was, with "
                    + (from.isDefined ? "--from \(from) " : "") + "--to \(to)"
            }
        terminal.problem(
            records.map { "interrupted at \($0) records; \(again)" } ?? "interrupted; \(again)")
        return .temporary
    }

    private func finish(_ progress: ReplayProgress, _ known: Known) -> ExitCode {
        var missing: [String] = []
        if progress.purged > 0 { missing.append("\(progress.purged) ticks had been purged before") }
        if progress.lost > 0 { missing.append("\(progress.lost) ticks in between are lost") }
        if progress.unknown > 0 {
            missing.append("\(progress.unknown) records of a kind that no provider has were left")
        }
        if command.asJSON {
            terminal.line(json(progress, known))
        } else {
            terminal.line(
                "\(progress.records) records of \(known.source) are on the tape of "
                    + command.namespace)
            if !missing.isEmpty {
                terminal.line("of what was asked for, \(missing.joined(separator: ", "))")
            }
        }
        let isShort = progress.lost > 0 || progress.unknown > 0 || progress.purged > 0 && hasBegin
        return isShort ? .incomplete : .success
    }

    /// Without `--from`, the person asked for all that the tape still has.
    private var hasBegin: Bool {
        if case .namespace(_, let from, _) = command.input { return from.isDefined }
        return false
    }

    private func json(_ progress: ReplayProgress, _ known: Known) -> String {
        var json = JSONWriter()
        json.object { json in
            json.member("namespace", command.namespace)
            json.member("source", known.source.text)
            json.member("state", progress.state)
            json.member("records", progress.records)
            json.member("unknown", progress.unknown)
            json.member("purged", progress.purged)
            json.member("lost", progress.lost)
        }
        return String(decoding: json.bytes, as: UTF8.self)
    }
}
