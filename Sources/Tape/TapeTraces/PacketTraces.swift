package import Primitives
package import ServiceRuntime
package import TapeCodec

/// What a service sends of its packets: a share of all, drawn by their ids, and those that it finds
/// late, refused or slow. Any thread may call it. A service without a collector has none.
package final class PacketTraces: Sendable {
    private let choice: TraceChoice
    let exporter: TraceExporter
    private let context: ServiceContext
    private let thread: ServiceThread
    private let writer: WriterTraces

    /// How long a service that ends waits for the last spans. The exporter ends in time.
    private static let endTimeout = Duration.seconds(1)

    /// Returns `nil` where no collector is named (`OTEL_EXPORTER_OTLP_ENDPOINT`).
    package static func begin(
        _ context: ServiceContext, namespace: String
    ) throws -> PacketTraces? {
        try TraceSettings(context.configuration).map {
            try PacketTraces($0, context, namespace: namespace)
        }
    }

    package init(
        _ settings: TraceSettings, _ context: ServiceContext, namespace: String
    ) throws {
        self.context = context
        let choice = TraceChoice(
            namespace: namespace, share: settings.share,
            slowNanoseconds: settings.slowNanoseconds)
        self.choice = choice
        let exporter = try TraceExporter(settings, context)
        self.exporter = exporter
        let writer = WriterTraces(choice, exporter)
        self.writer = writer
        thread = try ServiceThread(name: "traces") { exporter.run { writer.flush() } }
    }

    /// Sends what waits, and ends.
    package func end() {
        writer.flush(isLast: true)
        exporter.close()
        if !thread.join(timeout: Self.endTimeout) { context.leaveThreadBehind() }
    }

    /// Notes a packet that was acknowledged just now. Its first tick came so long before; `nil`:
    /// not known. Returns its trace if the exporter has it.
    @discardableResult
    package func published(
        _ header: PacketHeader, tickNanoseconds: Int64?, now: Timestamp
    ) -> TraceID? {
        guard header.kind == .ticks, header.tickCount > 0 else { return nil }
        let took = tickNanoseconds ?? now.nanoseconds(since: header.sendTime)
        switch choice.verdict(header, took: took, nil, now: now) {
        case .send(let trace):
            let isSent = exporter.send(
                trace.published(tickNanoseconds: tickNanoseconds, acknowledged: now))
            return isSent ? trace.id : nil
        case .pass: return nil
        case .leaveOut:
            exporter.leaveOut()
            return nil
        }
    }

    /// What a reader has done with a packet.
    package struct Reading: Sendable {
        package let step: TraceStep
        package let start: Timestamp
        package let end: Timestamp
        /// What was found; `nil`: nothing.
        package var reason: PacketTrace.Reason?

        package init(
            _ step: TraceStep, from start: Timestamp, to end: Timestamp,
            _ reason: PacketTrace.Reason? = nil
        ) {
            self.step = step
            self.start = start
            self.end = end
            self.reason = reason
        }
    }

    /// Notes what a reader has done with a packet. It is slow when the end comes too long after its
    /// first tick, or if no tick says when it came, after it was sealed. `stored`: when the tape
    /// stored it; undefined: not known. A writer also passes the packets of operators.
    package func read(
        _ header: PacketHeader, _ packet: RawSpan, _ reading: Reading,
        stored: @autoclosure () -> Timestamp
    ) {
        let isWriter = if case .store = reading.step { true } else { false }
        if header.kind == .bars, isWriter { return writer.worked(header, packet) }
        guard header.kind == .ticks, header.tickCount > 0 else { return }
        let received = PacketTrace.firstReceived(packet)
        let took = reading.end.nanoseconds(since: min(received, header.sendTime))
        let verdict = choice.verdict(header, took: took, reading.reason, now: reading.end)
        switch verdict {
        case .leaveOut: return exporter.leaveOut()
        case .pass where !isWriter: return
        case .pass, .send: break
        }
        let way = PacketTrace.Way(
            received: received, stored: stored(), from: reading.start, to: reading.end)
        guard case .send(let trace) = verdict else {
            return writer.wrote(header, reading.step, way, nil)
        }
        if isWriter, !trace.isDrawn {
            writer.wrote(header, reading.step, way, trace.reason)
        } else {
            exporter.send(trace.read(reading.step, way))
        }
    }
}
