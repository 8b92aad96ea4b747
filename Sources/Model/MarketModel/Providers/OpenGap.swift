public import Primitives

/// Data that are missing, on record as such, and not filled in.
public struct OpenGap: Hashable, Sendable {
    public var instrument: UInt32
    public var kind: DataKind
    /// [from, to); `to` is undefined while it lasts.
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
