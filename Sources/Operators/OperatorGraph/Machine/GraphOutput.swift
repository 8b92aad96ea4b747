public import MarketModel
public import Primitives
public import StreamCore

/// What one packet made: a machine appends to it, and its owner empties it.
public struct GraphOutput: Sendable {
    /// Of every bar the index in `GraphProgram.series` is its series.
    public var bars: [Bar] = []
    /// Ticks that are in no window of a series, or were there already; by `GraphProgram.series`,
    /// too. Those of aggregates are counted and not listed.
    public var late: [LateTick] = []
    /// What has to be computed again because of something in the packet.
    public var dirty: [DirtyRange] = []
    public var values: [GraphValue] = []
    /// Ticks that nodes with a `LiveEdge` let through.
    public var live: [LiveTick] = []

    public init() {}

    public mutating func removeAll() {
        bars.removeAll(keepingCapacity: true)
        late.removeAll(keepingCapacity: true)
        dirty.removeAll(keepingCapacity: true)
        values.removeAll(keepingCapacity: true)
        live.removeAll(keepingCapacity: true)
    }
}

/// One version of one number of a window, or what a custom operator told.
public struct GraphValue: Hashable, Sendable {
    /// The interned symbol.
    public var symbol: UInt32
    /// `<node>.<series>.<function>`, or `<node>.<name>` of a custom operator.
    public var name: String
    /// In 1e-9; `IndicatorValue.undefined` when there is none, or none any more.
    public var value: Int128
    /// What it is about: [periodStart, periodEnd).
    public var periodStart: Timestamp
    public var periodEnd: Timestamp
    /// A raw `BarReason`.
    public var reason: UInt8

    public init(
        symbol: UInt32, name: String, value: Int128, periodStart: Timestamp, periodEnd: Timestamp,
        reason: UInt8
    ) {
        self.symbol = symbol
        self.name = name
        self.value = value
        self.periodStart = periodStart
        self.periodEnd = periodEnd
        self.reason = reason
    }
}

/// A tick as stages and custom operators see it: its symbol is the interned index.
public enum GraphTick: Hashable, Sendable {
    case trade(Trade)
    case quote(Quote)

    public var header: TickHeader {
        switch self {
        case .trade(let trade): trade.header
        case .quote(let quote): quote.header
        }
    }
}

public struct LiveTick: Hashable, Sendable {
    /// Its index in the definition.
    public var node: Int
    public var tick: GraphTick

    public init(node: Int, tick: GraphTick) {
        self.node = node
        self.tick = tick
    }
}
