import MarketModel
import Primitives
import TapeCodec

/// The sink of `events`: every record without another table becomes a row. These are a gateway's
/// records about subscriptions, requests for repairs, actions of people, and records of kinds that
/// this version does not know, whose bytes are stored.
extension Sink {
    static let events = Sink(
        .events,
        templates: [
            WireFormat.Template.subscriptionRecord, WireFormat.Template.repairRequest,
            WireFormat.Template.actionRecord,
        ], copy: EventRow.copy, time: EventRow.time, row: EventRow.self)
}

private enum EventRow: TableRow {
    static let copy = Sink.copy(
        "events",
        """
        ts, event_time_ns, symbol, input, template, name, detail, payload, \(Sink.tail)
        """)
    private static let columns: Int16 = 19

    @Sendable static func time(
        _ record: Record, _ context: borrowing PacketContext, _ packet: RawSpan
    ) -> Timestamp? {
        guard case .other(let message) = record else { return nil }
        return header(message, context, packet).eventTime
    }

    static func write<Row: RowWriter & ~Copyable>(
        _ record: Record, _ context: borrowing PacketContext, _ packet: RawSpan,
        _ ordinal: UInt64, _ row: inout Row
    ) throws(Row.Failure) -> Bool {
        guard case .other(let message) = record else { return false }
        switch message.template {
        case WireFormat.Template.subscriptionRecord:
            guard let subscription = message.subscriptionRecord(in: packet) else { return false }
            return try known(
                "subscription", subscription.header, detail(subscription), message, context,
                ordinal, &row)
        case WireFormat.Template.repairRequest:
            guard let request = message.repairRequest(in: packet) else { return false }
            return try known(
                "repair_request", request.header, detail(request), message, context, ordinal, &row)
        case WireFormat.Template.actionRecord:
            guard let action = message.actionRecord(in: packet) else { return false }
            return try known(
                "action", action.header, detail(action), message, context, ordinal, &row)
        default:
            try unknown(message, context, packet, ordinal, &row)
            return true
        }
    }

    /// Writes a record of a kind that this version knows. Returns false when its symbol is not
    /// defined.
    private static func known<Row: RowWriter & ~Copyable>(
        _ name: String, _ header: TickHeader, _ detail: JSONWriter, _ message: MessageBounds,
        _ context: borrowing PacketContext, _ ordinal: UInt64, _ row: inout Row
    ) throws(Row.Failure) -> Bool {
        guard let symbol = context.reference(header.symbol) else { return false }
        try row.row(columns: columns)
        row.tickHead(header.eventTime, symbol, context)
        row.text(context.input)
        row.int32(Int32(message.template))
        row.text(name)
        row.jsonb(detail.text)
        row.null()
        row.tickTail(header, symbol, context, ordinal: ordinal)
        return true
    }

    /// Writes a record of an unknown kind with its bytes. Its kind may have no tick header, or may
    /// mean another thing by its symbol: a symbol that is not defined is left out.
    private static func unknown<Row: RowWriter & ~Copyable>(
        _ message: MessageBounds, _ context: borrowing PacketContext, _ packet: RawSpan,
        _ ordinal: UInt64, _ row: inout Row
    ) throws(Row.Failure) {
        let header = header(message, context, packet)
        let symbol = context.reference(header.symbol) ?? context.nobody
        try row.row(columns: columns)
        row.tickHead(header.eventTime, symbol, context)
        row.text(context.input)
        row.int32(Int32(message.template))
        row.text("unknown")
        row.null()
        row.text(packet.extracting(message.body - WireFormat.messageHeaderBytes..<message.end))
        row.tickTail(header, symbol, context, ordinal: ordinal)
    }

    /// Returns the tick header. A record without one counts as received when its packet was sent.
    private static func header(
        _ message: MessageBounds, _ context: borrowing PacketContext, _ packet: RawSpan
    ) -> TickHeader {
        message.tickHeader(in: packet)
            ?? TickHeader(
                symbol: TickHeader.noSymbol, providerTime: .undefined,
                receiveTime: context.header.sendTime)
    }

    // MARK: the column detail, for people

    private static func detail(_ subscription: SubscriptionRecord) -> JSONWriter {
        var json = JSONWriter()
        json.object { json in
            json.member("action", EnumerationName.of(SubscriptionAction.self, subscription.action))
            json.member("kind", EnumerationName.of(DataKind.self, subscription.kind))
            json.member("mode", EnumerationName.of(FeedMode.self, subscription.mode))
            json.member("provider", subscription.provider)
            if !subscription.previousProvider.isEmpty {
                json.member("previous_provider", subscription.previousProvider)
            }
            if !subscription.reason.isEmpty { json.member("reason", subscription.reason) }
        }
        return json
    }

    private static func detail(_ request: RepairRequest) -> JSONWriter {
        var json = JSONWriter()
        json.object { json in
            for (name, time) in [("from", request.from), ("to", request.to)]
            where time.isDefined {
                json.member(name, "\(time)")
            }
            json.member("reason", EnumerationName.of(BarReason.self, request.reason))
            json.member("requester", request.requester)
            if !request.note.isEmpty { json.member("note", request.note) }
        }
        return json
    }

    private static func detail(_ action: ActionRecord) -> JSONWriter {
        var json = JSONWriter()
        json.object { json in
            json.member("stage", EnumerationName.of(ActionStage.self, action.stage))
            // As text: a number in JSON keeps no 64 bits.
            json.member("action", String(action.number))
            json.member("person", action.person)
            json.member("origin", action.origin)
            json.member("command", action.command)
            if !action.reason.isEmpty { json.member("reason", action.reason) }
            if !action.outcome.isEmpty { json.member("outcome", action.outcome) }
        }
        return json
    }
}

extension PacketContext {
    /// The name of the packet's input, as the writer's positions have it.
    fileprivate var input: String { header.kind == .bars ? "bars" : "ticks" }
}
