public import MarketModel

/// One bar of an answer from history.
public struct HistoricalBar: Hashable, Sendable {
    /// When the bar begins.
    public var time: ProviderTime
    public var open: Price
    public var high: Price
    public var low: Price
    public var close: Price
    public var vwap: Price
    /// In 1e-8; `ProviderBar.undefinedVolume` for bars that are not made of trades.
    public var volume: Int128
    /// `ProviderBar.undefinedCount` for bars that are not made of trades.
    public var trades: Int64
}

/// All bars of an answer. An answer has only one such message.
public struct HistoricalBars: Hashable, Sendable {
    public var request: Int32
    /// The beginning and the end of the requested time, as the provider writes them.
    public var startText: String
    public var endText: String
    public var bars: [HistoricalBar]
}

/// A part of an answer with historical ticks.
public struct HistoricalTicks<Tick: Hashable & Sendable>: Hashable, Sendable {
    public var request: Int32
    public var ticks: [Tick]
    /// No further part follows.
    public var isLast: Bool
}

/// The answer to the question since when there is history of a contract.
public struct HeadTimestamp: Hashable, Sendable {
    public var request: Int32
    /// The first time for which there are data.
    public var time: ProviderTime
}
