public import Primitives

/// Missing data that are recorded as a gap and not filled.
public struct OpenGap: Hashable, Sendable {
    public var instrument: UInt32
    public var kind: DataKind
    /// The gap is [from, to); `to` is undefined as long as it is open.
    public var from: Timestamp
    public var to: Timestamp
    public var reason: GapReason
    /// The ids of the trades that it lacks, of a provider that continues by ids; `nil`: they are
    /// not known.
    public var ids: ClosedRange<UInt64>?

    public init(
        instrument: UInt32, kind: DataKind, from: Timestamp, to: Timestamp, reason: GapReason,
        ids: ClosedRange<UInt64>? = nil
    ) {
        self.ids = ids
        self.instrument = instrument
        self.kind = kind
        self.from = from
        self.to = to
        self.reason = reason
    }
}
