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
        choice = TraceChoice(
            namespace: namespace, share: settings.share,
            slowNanoseconds: settings.slowNanoseconds)
        let exporter = try TraceExporter(settings, context)
        self.exporter = exporter
        thread = try ServiceThread(name: "traces") { exporter.run() }
    }

    /// Sends what waits, and ends.
    package func end() {
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
        guard let trace = trace(header, took, nil, now) else { return nil }
        let isSent = exporter.send(
            trace.published(tickNanoseconds: tickNanoseconds, acknowledged: now))
        return isSent ? trace.id : nil
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

    /// Notes what a reader has done with a packet. It is slow when the end comes too long after the
    /// packet was sealed. `stored`: when the tape stored it, which is asked of those that are sent;
    /// undefined: not known.
    package func read(
        _ header: PacketHeader, _ packet: RawSpan, _ reading: Reading,
        stored: @autoclosure () -> Timestamp
    ) {
        guard header.kind == .ticks, header.tickCount > 0 else { return }
        let took = reading.end.nanoseconds(since: header.sendTime)
        guard let trace = trace(header, took, reading.reason, reading.end) else { return }
        exporter.send(
            trace.read(
                reading.step, from: reading.start, to: reading.end, stored: stored(), packet))
    }

    /// Returns the trace of a packet if it is to be sent.
    private func trace(
        _ header: PacketHeader, _ took: Int64, _ found: PacketTrace.Reason?, _ now: Timestamp
    ) -> PacketTrace? {
        switch choice.verdict(header, took: took, found, now: now) {
        case .send(let trace): return trace
        case .pass: return nil
        case .leaveOut:
            exporter.leaveOut()
            return nil
        }
    }
}
