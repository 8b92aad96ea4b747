internal import MarketModel
package import Primitives
package import TapeCodec

/// The spans of one packet, as one service knows them: its own, and where it has found something
/// wrong those of the others, computed. Pure.
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
    /// `nil`: nothing was found.
    package let reason: Reason?
    /// Whether the packet was drawn, so that each service sends its own span.
    package let isDrawn: Bool

    package init(
        _ id: TraceID, _ header: PacketHeader, _ reason: Reason?, isDrawn: Bool = false
    ) {
        self.id = id
        self.header = header
        self.reason = reason
        self.isDrawn = isDrawn
    }

    /// What a reader knows of a packet's way.
    package struct Way: Sendable {
        /// When its first tick came; undefined: no tick says so.
        package let received: Timestamp
        /// When the tape stored it; undefined: not known.
        package let stored: Timestamp
        /// When the reader began with it.
        package let start: Timestamp
        package let end: Timestamp

        package init(
            received: Timestamp, stored: Timestamp, from start: Timestamp, to end: Timestamp
        ) {
            self.received = received
            self.stored = stored
            self.start = start
            self.end = end
        }

        /// Returns when the packet's time begins: when its first tick came, or it was sealed.
        func begin(_ header: PacketHeader) -> Timestamp { min(received, header.sendTime) }
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

    /// Returns the span of a reader. If it has found the packet, and nothing says that the others
    /// send their spans, theirs come first, computed from the packet and from the tape. The writer
    /// passes when the operator had the packet at the latest; undefined: it does not know that. The
    /// operator cannot know when the packet is written.
    package func read(
        _ step: TraceStep, _ way: Way, worked: Timestamp = .undefined
    ) -> [Span] {
        var read = own(step, from: way.start, to: way.end)
        guard reason != nil, !isDrawn else { return [read] }
        var others: [Span] = []
        if way.received.isDefined {
            others.append(Span(.receive, of: id, from: way.received, to: header.sendTime, place))
        }
        others.append(span(.publish, from: header.sendTime, to: way.stored))
        if case .store = step {
            let start = way.stored.isDefined ? way.stored : header.sendTime
            others.append(span(.process, from: start, to: worked))
        } else {
            read.attributes.append(Span.Attribute("tapeline.written", .text("not known yet")))
        }
        return others.map { $0.computed(in: step) } + [read.below(step)]
    }

    /// Returns the writer's span of a packet that the operator found, below the spans that the
    /// operator computed.
    func completed(_ step: TraceStep, _ way: Way) -> [Span] {
        [own(step, from: way.start, to: way.end).below(.process)]
    }

    /// Returns a span that says so if its end is not known.
    private func span(_ step: TraceStep, from start: Timestamp, to end: Timestamp) -> Span {
        guard !end.isDefined else { return Span(step, of: id, from: start, to: end, place) }
        return Span(
            step, of: id, from: start, to: start,
            place + [Span.Attribute("tapeline.known", .flag(false))])
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
    package static func firstReceived(_ packet: RawSpan) -> Timestamp {
        var cursor = RecordCursor()
        while let record = cursor.next(in: packet) {
            switch record {
            case .trade(let trade): return trade.header.receiveTime
            case .quote(let quote): return quote.header.receiveTime
            case .other(let message):
                if let time = message.tickHeader(in: packet)?.receiveTime { return time }
            case .bar: continue
            case .malformed: return .undefined
            }
        }
        return .undefined
    }
}
