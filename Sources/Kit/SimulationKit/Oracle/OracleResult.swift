public import MarketModel
public import Primitives

/// The key that identifies one bar.
public struct BarKey: Hashable, Sendable {
    public var symbol: Symbol
    public var series: SeriesName
    public var openTime: Timestamp
    public var number: Int64

    public init(symbol: Symbol, series: SeriesName, openTime: Timestamp, number: Int64) {
        self.symbol = symbol
        self.series = series
        self.openTime = openTime
        self.number = number
    }
}

/// The key that identifies one number of a window.
public struct ValueKey: Hashable, Sendable {
    public var symbol: Symbol
    public var name: String
    public var periodStart: Timestamp

    public init(symbol: Symbol, name: String, periodStart: Timestamp) {
        self.symbol = symbol
        self.name = name
        self.periodStart = periodStart
    }
}

/// The output that must exist after a complete tape was computed.
public struct OracleResult: Sendable {
    /// The last version of every bar; its `symbol`, `series`, `generation` and `reason` are 0.
    public internal(set) var bars: [BarKey: Bar] = [:]
    /// The last version of every number, in 1e-9.
    public internal(set) var values: [ValueKey: Int128] = [:]
    /// By the name of a series or of a deduplicating node, in order of the tape.
    public internal(set) var late: [SeriesName: [LoggedTick.ID]] = [:]
    /// By series: ticks that a rule left out of every window, each once.
    public internal(set) var excluded: [SeriesName: Int] = [:]
    /// Trades and quotes that came to the nodes which make a series.
    public internal(set) var received: [SeriesName: Int] = [:]
}

extension Bar {
    /// The bar without the numbers that only its packet explains, and without the reason of its
    /// publication.
    public var plain: Bar {
        var bar = self
        bar.symbol = 0
        bar.series = 0
        bar.generation = 0
        bar.reason = 0
        return bar
    }
}
