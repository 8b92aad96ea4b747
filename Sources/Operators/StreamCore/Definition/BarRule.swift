public import MarketModel

/// The number of a tick that a machine uses as its price.
public enum InputField: UInt8, Hashable, Sendable {
    /// A trade's price, with its size.
    case trade = 0
    /// The bid of a quote. Quotes have no size, so such bars have no volume and no VWAP.
    case bid = 1
    case ask = 2
    /// (bid + ask) / 2, rounded down to 1e-9.
    case middle = 3
    /// ask - bid.
    case spread = 4
    /// The middle of the best rows of a book, as of a quote.
    case bookMiddle = 5
    /// The same, weighted by the sizes of the other side.
    case microprice = 6
    /// The share of the bids in the sizes of the best rows, less that of the asks.
    case imbalance = 7

    public var kind: DataKind {
        switch self {
        case .trade: .trade
        case .bid, .ask, .middle, .spread: .quote
        case .bookMiddle, .microprice, .imbalance: .depth
        }
    }
}

/// The treatment of odd lots, which are trades below a size.
public enum OddLotRule: Hashable, Sendable {
    /// They count as other trades do.
    case count
    /// They add to volume and VWAP, and to nothing else.
    case volumeOnly(below: OddLotLimit)
    /// They are left out, and counted as that.
    case exclude(below: OddLotLimit)
}

/// The size below which a trade is an odd lot.
public enum OddLotLimit: Hashable, Sendable {
    /// The same for all symbols.
    case size(Quantity)
    /// The symbol's round lot at the time of the trade, by the definition in the trade's packet.
    case lot
}

/// The rule by which one node of a graph makes its series of bars from ticks.
public struct BarRule: Hashable, Sendable {
    public var series: BarSeriesSet
    public var field: InputField
    /// The table of sale conditions; `nil` when a trade's conditions change nothing.
    public var conditions: ConditionRules?
    public var oddLots: OddLotRule
    /// Behind a join, how long after a quote a trade may be paired with it, in nanoseconds; 0
    /// without a join. The compiler of a graph sets it.
    public var quoteAge: Int64 = 0

    public init(
        series: BarSeriesSet, field: InputField = .trade, conditions: ConditionRules? = nil,
        oddLots: OddLotRule = .count
    ) {
        self.series = series
        self.field = field
        self.conditions = conditions
        self.oddLots = oddLots
    }

    /// The ticks that decide its windows.
    public var needs: TickNeeds { TickNeeds(field.kind, quoteAge: quoteAge) }

    /// Whether every complete trade counts as it is: no check of conditions or sizes.
    public var isPlain: Bool { conditions == nil && oddLots == .count && field == .trade }
}
