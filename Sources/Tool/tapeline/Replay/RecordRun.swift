import MarketModel
import NatsTransport
import Primitives
import Recordings
import ReplayProvider
import ServiceRuntime
import TapeCodec
import TapeProtocol

/// Carries out `tapeline record`.
struct RecordRun {
    let command: RecordCommand
    let terminal: Terminal

    func run(_ deployment: Deployment, shutdown: ShutdownSignal) throws(ToolError) -> ExitCode {
        guard !FileSystem.exists(command.output) else {
            throw .refused("\(command.output) is there already: remove it, or name another file")
        }
        let namespace = deployment.names.namespace
        let source = try RecordedSource.find(
            command.source, deployment.nats, namespace: namespace)
        let range = TapeRange(
            nats: deployment.nats, namespace: namespace, source: source, from: command.from,
            to: command.to, symbols: command.symbols)
        do {
            return try record(range, shutdown)
        } catch RecordingWriter.Failure.system(let operation, let path, let code) {
            throw .file(operation: operation, path: path, code)
        } catch let error as RecordingWriter.Failure {
            throw .refused("\(error)")
        } catch is ReadingStopped {
            terminal.problem("interrupted; nothing was kept")
            return .temporary
        } catch {
            throw ToolError(reading: error)
        }
    }

    private func record(_ range: TapeRange, _ shutdown: ShutdownSignal) throws -> ExitCode {
        var progress = ProgressLine(terminal, asJSON: command.asJSON)
        defer { progress.end() }
        try settle(range, shutdown, &progress)
        let reader = try RecordedRange(
            range, telemetry: RecordedSource.telemetry, created: SystemClock().now(),
            isStopped: { shutdown.isRequested })
        defer { reader.close() }
        let writer = try RecordingWriter(command.output, reader.about)
        var begin = Timestamp.undefined
        while let packet = try reader.next() {
            if shutdown.isRequested { throw ReadingStopped() }
            try writer.add(packet)
            let sent = packet.header.sendTime
            if !begin.isDefined { begin = sent }
            progress.show {
                "recording\(ProgressLine.share(sent, from: begin, to: range.to)), "
                    + "\(writer.ticks) ticks, \(writer.bytes) bytes, up to \(sent)"
            }
        }
        guard writer.ticks > 0 else {
            throw ToolError.refused(
                "the source \(range.source) has no tick there in that time: nothing was kept")
        }
        try writer.finish()
        progress.end()
        return report(range, writer, reader.missing)
    }

    /// Waits briefly, because what was sent last may still be on its way to the tape.
    private func settle(
        _ range: TapeRange, _ shutdown: ShutdownSignal, _ progress: inout ProgressLine
    ) throws {
        let settled = range.to.advanced(byNanoseconds: RecordedRange.settledNanoseconds)
        let wait = settled.nanoseconds(since: SystemClock().now())
        guard wait > 0 else { return }
        progress.show { "waiting until what was sent before \(range.to) is on the tape" }
        if shutdown.wait(timeout: .nanoseconds(wait)) { throw ReadingStopped() }
    }

    private func report(
        _ range: TapeRange, _ writer: RecordingWriter, _ missing: MissingTicks
    ) -> ExitCode {
        terminal.line(summary(range, writer, missing))
        // Without `--from`, the person asked for all that the tape still has, so purged ticks are
        // not missing.
        let isShort = missing.lost > 0 || missing.purged > 0 && range.from.isDefined
        if !command.asJSON, let summary = missing.summary { terminal.line("of this, \(summary)") }
        return isShort ? .incomplete : .success
    }

    private func summary(
        _ range: TapeRange, _ writer: RecordingWriter, _ missing: MissingTicks
    ) -> String {
        guard command.asJSON else {
            return "\(command.output): \(writer.ticks) ticks of \(range.source) in "
                + "\(writer.packets) packets, \(writer.bytes) bytes"
        }
        var json = JSONWriter()
        json.object { json in
            json.member("file", command.output)
            json.member("namespace", range.namespace)
            json.member("source", range.source.text)
            json.member("from", range.from.isDefined ? "\(range.from)" : "")
            json.member("to", "\(range.to)")
            json.member("ticks", writer.ticks)
            json.member("packets", writer.packets)
            json.member("bytes", writer.bytes)
            json.member("purged", missing.purged)
            json.member("lost", missing.lost)
        }
        return String(decoding: json.bytes, as: UTF8.self)
    }
}
