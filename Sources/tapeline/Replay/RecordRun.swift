import MarketModel
import NatsTransport
import Primitives
import ReplayProvider
import ServiceRuntime
import TapeCodec
import TapeProtocol
import Telemetry

/// Carries out `tapeline record`.
struct RecordRun {
    private static let tellNanoseconds: Int64 = 500_000_000

    let command: RecordCommand
    let terminal: Terminal

    func run(_ deployment: Deployment, shutdown: ShutdownSignal) throws(ToolError) -> ExitCode {
        guard !FileSystem.exists(command.output) else {
            throw .refused("\(command.output) is there already: remove it, or name another file")
        }
        do {
            return try record(deployment, shutdown)
        } catch let error as RecordingWriter.Failure {
            throw .refused("\(error)")
        } catch is ReadingStopped {
            throw .refused("interrupted; nothing was kept")
        } catch {
            throw .unreachable("the tape cannot be read: \(error)")
        }
    }

    private func record(_ deployment: Deployment, _ shutdown: ShutdownSignal) throws -> ExitCode {
        let clock = SystemClock()
        let logger = Logger(
            service: "tapeline", level: .error, format: .text(color: false), sink: .standardError)
        let reader = try TapeRangeReader(
            TapeRange(
                nats: deployment.nats, namespace: deployment.names.namespace,
                source: command.source, from: command.from, to: command.to,
                symbols: command.symbols),
            telemetry: TelemetryHub(logger: logger, metrics: MetricRegistry()),
            created: clock.now(), isStopped: { shutdown.isRequested })
        defer { reader.close() }
        let writer = try RecordingWriter(command.output, reader.about)
        var toldAt = clock.monotonic().nanoseconds
        while let packet = try reader.next() {
            if shutdown.isRequested { throw ReadingStopped() }
            try writer.add(packet)
            let now = clock.monotonic().nanoseconds
            guard terminal.isInteractive, !command.asJSON, now >= toldAt + Self.tellNanoseconds
            else { continue }
            toldAt = now
            terminal.raw("\r\(writer.ticks) ticks, up to \(packet.header.sendTime) ")
        }
        guard writer.packets > 0 else {
            throw RecordNothing(source: command.source.text)
        }
        try writer.finish()
        if terminal.isInteractive, !command.asJSON { terminal.line() }
        terminal.line(summary(writer))
        return .success
    }

    private func summary(_ writer: RecordingWriter) -> String {
        guard command.asJSON else {
            return "\(command.output): \(writer.ticks) ticks in \(writer.packets) packets, "
                + "\(writer.bytes) bytes"
        }
        var json = JSONWriter()
        json.object { json in
            json.member("file", command.output)
            json.member("source", command.source.text)
            json.member("ticks", writer.ticks)
            json.member("packets", writer.packets)
            json.member("bytes", writer.bytes)
        }
        return String(decoding: json.bytes, as: UTF8.self)
    }
}

private struct RecordNothing: Error, CustomStringConvertible {
    let source: String
    var description: String { "the source \(source) has nothing there in that time" }
}
