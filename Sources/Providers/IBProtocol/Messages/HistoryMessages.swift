package import MarketModel

/// One bar of an answer from history.
package struct HistoricalBar: Hashable, Sendable {
    /// When the bar begins.
    package var time: ProviderTime
    package var open: Price
    package var high: Price
    package var low: Price
    package var close: Price
    package var vwap: Price
    /// In 1e-8; `ProviderBar.undefinedVolume` for bars that are not made of trades.
    package var volume: Int128
    /// `ProviderBar.undefinedCount` for bars that are not made of trades.
    package var trades: Int64
}

/// All bars of an answer. An answer has only one such message.
package struct HistoricalBars: Hashable, Sendable {
    package var request: Int32
    package var bars: [HistoricalBar]
}

/// A part of an answer with historical ticks.
package struct HistoricalTicks<Tick: Hashable & Sendable>: Hashable, Sendable {
    package var request: Int32
    package var ticks: [Tick]
    /// No further part follows.
    package var isLast: Bool
}

/// The answer to the question since when there is history of a contract.
package struct HeadTimestamp: Hashable, Sendable {
    package var request: Int32
    /// The first time for which there are data.
    package var time: ProviderTime
}
