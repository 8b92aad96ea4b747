public import Primitives

public enum GapReason: UInt8, Sendable {
    case unknown = 0
    /// The connection to the provider was lost.
    case disconnected = 1
    /// The gateway ended or was fenced while it held ticks that it had not published.
    case gatewayLost = 2
    /// The provider reports that it left out data, or its numbers show it.
    case providerLoss = 3
    /// A policy of the gateway dropped ticks.
    case dropped = 4
    /// The tape lost packets that it had acknowledged. The record's ordinals name them.
    case tapeLost = 5
    /// The provider's regular break.
    case maintenance = 6
    /// A number of the provider has more digits than the tape holds. The detail has its text.
    case scale = 7
}

public enum GapState: UInt8, Sendable {
    case open = 0
    case filling = 1
    case filled = 2
    /// The provider no longer has the data, so the gap stays.
    case abandoned = 3
}

/// States that the data of an interval are missing, or that they have arrived after all.
public struct GapRecord: Hashable, Sendable, HeadedRecord {
    public static let detailBytesMax = 512

    public var header: TickHeader
    /// The interval is [from, to); `to` is undefined as long as the gap is open.
    public var from: Timestamp
    public var to: Timestamp
    /// The first of the lost ordinals, for `tapeLost`; otherwise both ordinals are 0.
    public var firstOrdinal: UInt64
    public var lastOrdinal: UInt64
    /// A raw `DataKind`.
    public var kind: UInt8
    /// A raw `GapReason`.
    public var reason: UInt8
    /// A raw `GapState`.
    public var state: UInt8
    public var detail: String

    public init(
        header: TickHeader, from: Timestamp, to: Timestamp, kind: DataKind, reason: GapReason,
        state: GapState, firstOrdinal: UInt64 = 0, lastOrdinal: UInt64 = 0, detail: String = ""
    ) {
        self.header = header
        self.from = from
        self.to = to
        self.firstOrdinal = firstOrdinal
        self.lastOrdinal = lastOrdinal
        self.kind = kind.rawValue
        self.reason = reason.rawValue
        self.state = state.rawValue
        self.detail = detail
    }

    func list(into fields: inout [RecordField]) {
        fields.add("reason", GapReason.self, reason)
        fields.add("state", GapState.self, state)
        fields.add("of", DataKind.self, kind)
        fields.add("from", from)
        fields.add("to", to)
        if lastOrdinal > 0 {
            fields.add("first_ordinal", .unsigned(firstOrdinal))
            fields.add("last_ordinal", .unsigned(lastOrdinal))
        }
        fields.add("detail", detail)
    }
}
