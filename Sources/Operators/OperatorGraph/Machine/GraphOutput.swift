public import MarketModel
package import Primitives
package import StreamCore

/// The output of one packet or repair. A `GraphMachine` appends to it, and the machine's owner
/// empties it.
package struct GraphOutput: Sendable {
    /// The bars. Their `series` is an index in `GraphProgram.series`.
    package var bars: [Bar] = []
    /// Ticks that are in no window of a series, and duplicates. Their `series` is an index in
    /// `GraphProgram.series`, too. Those of aggregates are counted and not listed.
    package var late: [LateTick] = []
    /// The ranges that a record of the packet made dirty.
    package var dirty: [DirtyRange] = []
    /// The values of aggregates and custom operators.
    package var values: [GraphValue] = []
    /// Ticks that nodes with a `LiveEdge` let through.
    package var live: [LiveTick] = []

    package init() {}

    /// Empties all lists and keeps their memory.
    package mutating func removeAll() {
        bars.removeAll(keepingCapacity: true)
        late.removeAll(keepingCapacity: true)
        dirty.removeAll(keepingCapacity: true)
        values.removeAll(keepingCapacity: true)
        live.removeAll(keepingCapacity: true)
    }
}

/// One version of one number of a window, a value of a custom operator, or what is passed on from a
/// provider: a part of a day, or a value that a derivation takes.
package struct GraphValue: Hashable, Sendable {
    /// The machine's index of the symbol.
    package var symbol: UInt32
    /// `<node>.<series>.<function>`, `<node>.<name>` for a custom operator,
    /// `<node>.history.<part>` for a day, or `<node>.<alias>` for a provider's value.
    package var name: String
    /// The value in 1e-9; `IndicatorValue.undefined` when there is none, or none any more.
    package var value: Int128
    /// The time that it covers: [periodStart, periodEnd).
    package var periodStart: Timestamp
    package var periodEnd: Timestamp
    /// A raw `BarReason`.
    package var reason: UInt8
    /// Whether it is passed on from a provider.
    package var isPassedOn = false

    package init(
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

/// A tick as stages and custom operators see it. Its symbol is the machine's index.
public enum GraphTick: Hashable, Sendable {
    case trade(Trade)
    case quote(Quote)

    /// The header of the trade or quote.
    public var header: TickHeader {
        switch self {
        case .trade(let trade): trade.header
        case .quote(let quote): quote.header
        }
    }
}

/// A tick or a provider's bar that a node let through to live readers.
package struct LiveTick: Hashable, Sendable {
    package enum Record: Hashable, Sendable {
        case trade(Trade)
        case quote(Quote)
        case providerBar(ProviderBar)

        package var header: TickHeader {
            switch self {
            case .trade(let trade): trade.header
            case .quote(let quote): quote.header
            case .providerBar(let bar): bar.header
            }
        }
    }

    /// The node's index in the definition.
    package var node: Int
    package var tick: Record

    package init(node: Int, tick: Record) {
        self.node = node
        self.tick = tick
    }
}
