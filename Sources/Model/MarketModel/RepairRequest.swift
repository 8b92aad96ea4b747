public import Primitives

/// A request to compute the symbol's windows in [from, to) again from the tape.
public struct RepairRequest: Hashable, Sendable, HeadedRecord {
    public static let requesterBytesMax = 64
    public static let noteBytesMax = 512

    public var header: TickHeader
    public var from: Timestamp
    public var to: Timestamp
    /// A raw `BarReason`. The new versions of the bars carry it.
    public var reason: UInt8
    public var requester: String
    public var note: String

    public init(
        header: TickHeader, from: Timestamp, to: Timestamp, reason: BarReason, requester: String,
        note: String = ""
    ) {
        self.header = header
        self.from = from
        self.to = to
        self.reason = reason.rawValue
        self.requester = requester
        self.note = note
    }

    func list(into fields: inout [RecordField]) {
        fields.add("reason", BarReason.self, reason)
        fields.add("from", from)
        fields.add("to", to)
        fields.add("requester", requester)
        fields.add("note", note)
    }
}
