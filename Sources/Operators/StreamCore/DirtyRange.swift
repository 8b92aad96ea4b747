public import MarketModel

/// A stretch of one symbol's time whose windows have to be computed again from the tape.
public struct DirtyRange: Hashable, Sendable {
    /// The interned symbol.
    public var symbol: UInt32
    /// [from, to), event times.
    public var from: Int64
    public var to: Int64
    /// A raw `BarReason`: what the new versions of the bars will give.
    public var reason: UInt8
    /// Of what: `.trade`, `.quote`, or `.any` for both.
    public var kind: DataKind

    public init(
        symbol: UInt32, from: Int64, to: Int64, reason: UInt8, kind: DataKind = .any
    ) {
        self.symbol = symbol
        self.from = from
        self.to = to
        self.reason = reason
        self.kind = kind
    }

    public func concerns(_ other: DataKind) -> Bool { kind == .any || kind == other }
}

/// Why a tick is in no bar, or not with everything it says.
public enum ExclusionReason: UInt8, Sendable {
    case condition = 0
    case oddLot = 1
    /// A node of the graph kept it back; or it is no new tick.
    case filter = 2
    case undefined = 3
}
