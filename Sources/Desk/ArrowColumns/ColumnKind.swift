/// What a row is.
package enum ColumnKind: Int32, CaseIterable, Sendable {
    case trades = 1
    case quotes = 2
    case depth = 3
    case bars = 4
    case gaps = 5
    case indicators = 6
    case providerBars = 7

    /// The columns of a row, in order.
    package var columns: [ColumnLayout] {
        switch self {
        case .trades: ColumnLayout.trades
        case .quotes: ColumnLayout.quotes
        case .depth: ColumnLayout.depth
        case .bars: ColumnLayout.bars
        case .gaps: ColumnLayout.gaps
        case .indicators: ColumnLayout.indicators
        case .providerBars: ColumnLayout.providerBars
        }
    }
}

/// The texts of a column. Columns with the same texts share a dictionary.
package enum ColumnTexts: Int, CaseIterable, Sendable {
    case symbols, sources, providers, exchanges, conditions, marketMakers, series, names, units
    case actions, operations, sides, resetReasons, barReasons, dataKinds, gapReasons, gapStates
    case barData
}
