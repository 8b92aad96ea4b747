package import MarketModel
package import Primitives
package import StreamCore

/// The key that identifies one bar.
package struct BarKey: Hashable, Sendable {
    package var symbol: SourceSymbol
    package var series: SeriesName
    package var openTime: Timestamp
    package var number: Int64

    package init(symbol: SourceSymbol, series: SeriesName, openTime: Timestamp, number: Int64) {
        self.symbol = symbol
        self.series = series
        self.openTime = openTime
        self.number = number
    }
}

/// The key that identifies one number of a window.
package struct ValueKey: Hashable, Sendable {
    package var symbol: SourceSymbol
    package var name: String
    package var periodStart: Timestamp

    package init(symbol: SourceSymbol, name: String, periodStart: Timestamp) {
        self.symbol = symbol
        self.name = name
        self.periodStart = periodStart
    }
}

/// The output that must exist after a complete tape was computed.
package struct OracleResult: Sendable {
    /// The last version of every bar; its `symbol`, `series`, `generation` and `reason` are 0.
    package internal(set) var bars: [BarKey: Bar] = [:]
    /// The last version of every number, in 1e-9.
    package internal(set) var values: [ValueKey: Int128] = [:]
    /// By the name of a series or of a deduplicating node, in order of the tape.
    package internal(set) var late: [SeriesName: [LoggedTick.ID]] = [:]
    /// By series: ticks that a rule left out of every window, each once.
    package internal(set) var excluded: [SeriesName: Int] = [:]
    /// Trades and quotes that came to the nodes which make a series.
    package internal(set) var received: [SeriesName: Int] = [:]
}

extension Bar {
    /// The bar without the numbers that only its packet explains, and without the reason of its
    /// publication.
    package var plain: Bar {
        var bar = self
        bar.symbol = 0
        bar.series = 0
        bar.generation = 0
        bar.reason = 0
        return bar
    }
}
