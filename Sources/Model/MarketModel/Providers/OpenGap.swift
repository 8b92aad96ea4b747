public import Primitives

/// Missing data that are recorded as a gap and not filled.
public struct OpenGap: Hashable, Sendable {
    public var instrument: UInt32
    public var kind: DataKind
    /// The gap is [from, to); `to` is undefined as long as it is open.
    public var from: Timestamp
    public var to: Timestamp
    public var reason: GapReason

    public init(
        instrument: UInt32, kind: DataKind, from: Timestamp, to: Timestamp, reason: GapReason
    ) {
        self.instrument = instrument
        self.kind = kind
        self.from = from
        self.to = to
        self.reason = reason
    }
}
