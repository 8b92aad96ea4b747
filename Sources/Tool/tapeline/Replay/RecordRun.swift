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
            to: command.to, symbols: command.symbols, hasBars: command.hasBars)
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
        let bars = RecordedStretch(
            complete: try reader.completeBars(), missing: reader.missingBars,
            begin: RecordedRange.barsFrom(of: range), isWanted: command.hasBars)
        try writer.finish(bars: bars.complete)
        progress.end()
        return report(range, writer, reader.missing, bars)
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
        _ range: TapeRange, _ writer: RecordingWriter, _ missing: MissingTicks,
        _ bars: RecordedStretch
    ) -> ExitCode {
        terminal.line(summary(range, writer, missing, bars))
        if !command.asJSON {
            if let remark = command.remark { terminal.line(remark) }
            if let summary = missing.summary { terminal.line("of this, \(summary)") }
            if let summary = bars.missing.summary { terminal.line("of the bars, \(summary)") }
            if let summary = bars.summary { terminal.line(summary) }
        }
        // Without `--from`, the person asked for all that the tape still has, so what was purged is
        // not missing.
        let isShort = [missing, bars.missing].contains {
            $0.lost > 0 || $0.purged > 0 && range.from.isDefined
        }
        return isShort ? .incomplete : .success
    }

    private func summary(
        _ range: TapeRange, _ writer: RecordingWriter, _ missing: MissingTicks,
        _ bars: RecordedStretch
    ) -> String {
        guard command.asJSON else {
            return "\(command.output): \(writer.ticks) ticks of \(range.source)"
                + (command.hasBars ? " and \(writer.bars) bars" : "")
                + " in \(writer.packets) packets, \(writer.bytes) bytes"
        }
        return JSONWriter.made { json in
            json.member("file", command.output)
            json.member("namespace", range.namespace)
            json.member("source", range.source.text)
            json.member("from", range.from.isDefined ? "\(range.from)" : "")
            json.member("to", "\(range.to)")
            json.member("ticks", writer.ticks)
            json.member("bars", writer.bars)
            json.member("packets", writer.packets)
            json.member("bytes", writer.bytes)
            json.member("purged", missing.purged)
            json.member("lost", missing.lost)
            json.member("bars_purged", bars.missing.purged)
            json.member("bars_lost", bars.missing.lost)
            json.key("bars_complete_from")
            if let time = bars.completeFrom {
                json.value(time.nanoseconds == .min ? "" : "\(time)")
            } else {
                json.null()
            }
        }.text
    }
}

/// The bars that were recorded.
private struct RecordedStretch {
    /// Of each partition that is present.
    let complete: [RecordedBars]
    let missing: MissingTicks
    /// From when on bars were read; undefined: from the beginning of the tape.
    let begin: Timestamp
    let isWanted: Bool

    /// The time from which on the bars of all partitions that have any are complete. The lowest
    /// time: from the beginning of the tape. `nil`: there are none.
    var completeFrom: Timestamp? { complete.filter { !$0.isEmpty }.map(\.from).max() }

    /// What a person has to know of the time of the bars; `nil`: nothing.
    var summary: String? {
        guard isWanted else { return nil }
        guard let completeFrom else {
            return missing.purged > 0
                ? "the tape has no bars of that time any more"
                : "the tape has no bars of these partitions"
        }
        let first = begin.isDefined ? begin : Timestamp(nanoseconds: .min)
        var parts: [String] = []
        if completeFrom > first { parts.append("complete from \(completeFrom) on") }
        let empty = complete.count { $0.isEmpty }
        if empty > 0 { parts.append("not there for \(empty) of \(complete.count) partitions") }
        return parts.isEmpty ? nil : "the bars are \(parts.joined(separator: ", and "))"
    }
}
