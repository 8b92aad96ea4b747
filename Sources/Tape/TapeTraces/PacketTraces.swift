package import Primitives
package import ServiceRuntime
package import TapeCodec
internal import Synchronization

/// What a service sends of its packets: a share of all, drawn by their ids, and those that it finds
/// late, refused or slow. Any thread may call it. A service without a collector has none.
package final class PacketTraces: Sendable {
    /// The most packets that are sent in a second because they were slow, and the most because
    /// something else was found. A service that is behind finds all of them slow.
    package static let foundPerSecond = 20

    private let namespace: UInt64
    private let settings: TraceSettings
    let exporter: TraceExporter
    private let context: ServiceContext
    private let thread: ServiceThread
    private let found = Mutex(Found())

    private struct Found {
        var second: Int64 = 0
        var slow = 0
        var others = 0
    }

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
        self.settings = settings
        self.context = context
        self.namespace = Checksum.of(namespace)
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
        let reason: PacketTrace.Reason? = took > settings.slowNanoseconds ? .slow : nil
        guard let trace = trace(header, now, reason) else { return nil }
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
        let isSlow = took > settings.slowNanoseconds
        let reason = reading.reason ?? (isSlow ? .slow : nil)
        guard let trace = trace(header, reading.end, reason) else { return }
        exporter.send(
            trace.read(
                reading.step, from: reading.start, to: reading.end, stored: stored(), packet))
    }

    /// Returns the trace of a packet if it is to be sent.
    private func trace(
        _ header: PacketHeader, _ now: Timestamp, _ reason: PacketTrace.Reason?
    ) -> PacketTrace? {
        let id = TraceID(namespace: namespace, header)
        if let reason {
            if mayFind(reason, now) { return PacketTrace(id, header, reason) }
            exporter.leaveOut()
        }
        return id.isSampled(settings.share) ? PacketTrace(id, header, nil) : nil
    }

    private func mayFind(_ reason: PacketTrace.Reason, _ now: Timestamp) -> Bool {
        let second = now.nanoseconds / 1_000_000_000
        return found.withLock { found in
            if found.second != second { found = Found(second: second) }
            if reason == .slow {
                found.slow += 1
                return found.slow <= Self.foundPerSecond
            }
            found.others += 1
            return found.others <= Self.foundPerSecond
        }
    }
}
