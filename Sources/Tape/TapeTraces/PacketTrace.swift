internal import MarketModel
package import Primitives
package import TapeCodec

/// The spans of one packet, as one service knows them: its own, and where it has found something
/// wrong those of the others, computed from the packet. Pure.
package struct PacketTrace: Sendable {
    /// Why a service sends a trace that was not drawn.
    package enum Reason: Equatable, Sendable {
        /// A tick came too late for its bar.
        case late(UInt64)
        /// A store refused rows: they are dead letters.
        case refused(UInt64)
        /// It took longer than `MDS_TRACE_SLOW`.
        case slow
    }

    package let id: TraceID
    package let header: PacketHeader
    /// `nil`: the packet was drawn.
    package let reason: Reason?

    package init(_ id: TraceID, _ header: PacketHeader, _ reason: Reason?) {
        self.id = id
        self.header = header
        self.reason = reason
    }

    /// Returns the spans of the gateway: its ticks came so long before the acknowledgement, which
    /// came at `acknowledged`. `nil`: that is not known, as of a packet of the spool.
    package func published(
        tickNanoseconds: Int64?, acknowledged: Timestamp
    ) -> [Span] {
        let publish = own(.publish, from: header.sendTime, to: acknowledged)
        guard let tickNanoseconds else { return [publish] }
        let received = acknowledged.advanced(byNanoseconds: -tickNanoseconds)
        return [own(.receive, from: received, to: header.sendTime), publish]
    }

    /// Returns the span of a reader. Where there is a reason, the gateway's spans come first,
    /// computed from the packet's bytes and the time at which the tape stored it.
    package func read(
        _ step: TraceStep, from start: Timestamp, to end: Timestamp, stored: Timestamp,
        _ packet: RawSpan
    ) -> [Span] {
        let read = own(step, from: start, to: end)
        guard reason != nil else { return [read] }
        var spans: [Span] = []
        let received = Self.firstReceived(packet)
        if received.isDefined {
            spans.append(
                Span(.receive, of: id, from: received, to: header.sendTime, place).computed())
        }
        if stored.isDefined {
            spans.append(
                Span(.publish, of: id, from: header.sendTime, to: stored, place).computed())
        }
        return spans + [read]
    }

    private func own(_ step: TraceStep, from start: Timestamp, to end: Timestamp) -> Span {
        var span = Span(step, of: id, from: start, to: end, place)
        switch reason {
        case nil: break
        case .late(let ticks):
            span.attributes.append(
                Span.Attribute("tapeline.late", .integer(Int64(clamping: ticks))))
        case .refused(let rows):
            span.attributes.append(
                Span.Attribute("tapeline.refused", .integer(Int64(clamping: rows))))
            span.failure = "the store refused \(rows) rows: 'tapeline dlq list' shows them"
        case .slow: span.attributes.append(Span.Attribute("tapeline.slow", .flag(true)))
        }
        return span
    }

    /// What all spans of a packet have: where it is on the tape.
    private var place: [Span.Attribute] {
        [
            Span.Attribute("messaging.system", .text("nats")),
            Span.Attribute("messaging.batch.message_count", .integer(Int64(header.tickCount))),
            Span.Attribute("tapeline.source", .text(header.source.text)),
            Span.Attribute("tapeline.partition", .integer(Int64(header.partition.number))),
            Span.Attribute("tapeline.ordinal", .integer(Int64(clamping: header.firstOrdinal))),
        ]
    }

    /// Returns when the first tick came that says so; undefined when none does.
    private static func firstReceived(_ packet: RawSpan) -> Timestamp {
        var walk = PacketWalk()
        while let item = walk.next(in: packet) {
            switch item {
            case .trade(let trade): return trade.header.receiveTime
            case .quote(let quote): return quote.header.receiveTime
            case .other(let message):
                if let time = message.tickHeader(in: packet)?.receiveTime { return time }
            case .bar, .control: continue
            }
        }
        return .undefined
    }
}
