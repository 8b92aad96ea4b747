public import MarketModel

/// A stretch of one symbol's time whose windows have to be computed again from the tape.
public struct DirtyRange: Hashable, Sendable {
    /// The interned symbol.
    public var symbol: UInt32
    /// The range [from, to), in event times.
    public var from: Int64
    public var to: Int64
    /// The raw `BarReason` that the new versions of the bars will carry.
    public var reason: UInt8
    /// The kind of ticks it concerns: `.trade`, `.quote`, `.providerBar`, or `.any` for all.
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

    /// Returns whether windows of this kind of ticks are dirty.
    public func concerns(_ other: DataKind) -> Bool { kind == .any || kind == other }

    /// Returns the range with another time.
    public func widened(to extent: (from: Int64, to: Int64)) -> DirtyRange {
        var wide = self
        (wide.from, wide.to) = extent
        return wide
    }
}

/// Why a tick is in no bar, or only a part of it is.
public enum ExclusionReason: UInt8, Sendable {
    /// The rule for its trade conditions leaves it out.
    case condition = 0
    /// It has fewer shares than a round lot, and the rule leaves these out.
    case oddLot = 1
    /// A node of the graph kept it back, or it is no new tick.
    case filter = 2
    /// It has no price, size or usable time.
    case undefined = 3
}
