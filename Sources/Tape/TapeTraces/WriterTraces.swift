internal import MarketModel
internal import Primitives
internal import ServiceRuntime
internal import Synchronization
internal import TapeCodec

/// The part of `PacketTraces` that knows what a writer has written. Any thread may call it.
final class WriterTraces: Sendable {
    private let choice: TraceChoice
    private let exporter: TraceExporter
    private let clock = SystemClock()
    private let written: Mutex<WrittenPackets>

    init(_ choice: TraceChoice, _ exporter: TraceExporter) {
        self.choice = choice
        self.exporter = exporter
        written = Mutex(WrittenPackets(slowNanoseconds: choice.slowNanoseconds))
    }

    /// Takes a packet that was written and not drawn.
    func wrote(
        _ header: PacketHeader, _ step: TraceStep, _ way: PacketTrace.Way,
        _ reason: PacketTrace.Reason?
    ) {
        let packet = WrittenPackets.Packet(
            header: header, step: step, way: way, reason: reason, since: clock.monotonic())
        if let outcome = written.withLock({ $0.wrote(packet) }) { send(outcome) }
    }

    /// Takes a packet of an operator that was written.
    func worked(_ header: PacketHeader, _ packet: RawSpan) {
        var sources: [SourceOrdinal] = []
        var late: [WrittenPackets.LateTick] = []
        var cursor = RecordCursor()
        while let record = cursor.next(in: packet) {
            guard case .other(let message) = record else { continue }
            if let source = message.sourceOrdinal(in: packet) { sources.append(source) }
            guard let tick = message.lateTick(in: packet),
                tick.reason != LateTickReason.duplicate.rawValue
            else { continue }
            late.append(WrittenPackets.LateTick(source: tick.source, ordinal: tick.ordinal))
        }
        for outcome in written.withLock({ $0.worked(header, sources, late: late) }) {
            send(outcome)
        }
    }

    /// Sends what has waited long enough for an operator, or with `isLast` all that waits.
    func flush(isLast: Bool = false) {
        let now = isLast ? nil : clock.monotonic()
        for outcome in written.withLock({ $0.due(now: now) }) { send(outcome) }
    }

    private func send(_ outcome: WrittenPackets.Outcome) {
        switch outcome {
        case .found(let packet, let reason, let worked):
            let trace = PacketTrace(choice.id(of: packet.header), packet.header, reason)
            exporter.send(trace.read(packet.step, packet.way, worked: worked))
        case .foundBefore(let packet, let reason):
            guard choice.mayFind(reason, packet.way.end) else { return exporter.leaveOut() }
            let trace = PacketTrace(choice.id(of: packet.header), packet.header, nil)
            exporter.send(trace.completed(packet.step, packet.way))
        }
    }
}
