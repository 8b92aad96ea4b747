/// A group of tables whose rows can wait apart. While all tables take their rows, all groups have
/// one position per input of a partition. When a table is blocked, its group alone stops there, and
/// has a position of its own until it has caught up.
package enum TableGroup: String, Sendable, CaseIterable {
    /// What happens at a venue, and people's changes of it.
    case ticks
    /// What operators derive.
    case bars
    /// What providers and gateways say beside that.
    case rest

    package init(of table: SinkName) {
        self =
            switch table {
            case .trades, .quotes, .depth, .options, .tradeChanges: .ticks
            case .bars, .lateTicks, .indicators: .bars
            case .news, .fundamentals, .providerBars, .gaps, .events: .rest
            }
    }

    /// Its tables.
    package var tables: Set<SinkName> {
        Set(SinkName.allCases.filter { TableGroup(of: $0) == self })
    }
}
