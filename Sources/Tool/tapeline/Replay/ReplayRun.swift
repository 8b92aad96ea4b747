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
        let gateway = ToolGateway(deployment, named: "replay-\(command.namespace)")
        let target = try target(deployment, known)
        var settings = command.environment(of: known.source, partitions: target.partitions)
            .merging(gateway.server) { $1 }.merging(gateway.reader) { $1 }
        settings["MDS_STREAM_BYTES"] = target.streamBytes
        if command.prints {
            for line in ToolGateway.printed(settings, program) { terminal.line(line) }
            return .success
        }
        try Checkout.require(program)
        if target.isNew { try setUp(target, deployment) }
        let run = GatewayRun(
            terminal: terminal, program: program, provider: "replay", title: "replay",
            // A new namespace has no readers, so nothing is purged and a full tape does not
            // recover.
            adviceWhenFull: "give it a namespace with more MDS_STREAM_BYTES, or register a group "
                + "there that reads",
            asJSON: command.asJSON, packetsInAll: known.packets)
        let ended = try run.run(gateway, settings, shutdown)
        let end =
            switch ended {
            case .interrupted(let records): interrupted(records)
            case .done(let progress): finish(progress, known)
            }
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
        let sizes = try SetupCommand().sizes(
            environment.merging([SetupCommand.streamBytes: target.streamBytes]) { $1 })
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

    private func finish(_ progress: GatewayProgress, _ known: Known) -> ExitCode {
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

    private func json(_ progress: GatewayProgress, _ known: Known) -> String {
        JSONWriter.made { json in
            json.member("namespace", command.namespace)
            json.member("source", known.source.text)
            json.member("state", progress.state)
            json.member("records", progress.records)
            json.member("unknown", progress.unknown)
            json.member("purged", progress.purged)
            json.member("lost", progress.lost)
        }.text
    }
}
