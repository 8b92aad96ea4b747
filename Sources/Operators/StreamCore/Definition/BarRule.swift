public import MarketModel

/// Which number of a tick a machine adds up as its price.
public enum InputField: UInt8, Hashable, Sendable {
    /// A trade's price, with its size.
    case trade = 0
    /// Of quotes; they have no size, so that such bars have no volume and no VWAP.
    case bid = 1
    case ask = 2
    /// (bid + ask) / 2, rounded down to 1e-9.
    case middle = 3
    /// ask - bid.
    case spread = 4

    public var kind: DataKind { self == .trade ? .trade : .quote }
}

/// What becomes of trades below a round lot.
public enum OddLotRule: Hashable, Sendable {
    case count
    /// They add to volume, VWAP and nothing else.
    case volumeOnly(below: Quantity)
    /// Left out, and counted as that.
    case exclude(below: Quantity)
}

/// How the series of one node of the graph are made.
public struct BarRule: Hashable, Sendable {
    public var series: BarSeriesSet
    public var field: InputField
    /// Nil: a trade's conditions change nothing.
    public var conditions: ConditionRules?
    public var oddLots: OddLotRule

    public init(
        series: BarSeriesSet, field: InputField = .trade, conditions: ConditionRules? = nil,
        oddLots: OddLotRule = .count
    ) {
        self.series = series
        self.field = field
        self.conditions = conditions
        self.oddLots = oddLots
    }

    /// Trades are taken without looking at anything but their price and size.
    public var isPlain: Bool { conditions == nil && oddLots == .count && field == .trade }
}
