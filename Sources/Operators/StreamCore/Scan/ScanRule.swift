public import MarketModel

/// Lists the symbols whose bar of a window meets a condition, once per window of a series of bars,
/// or computes one number of the bars of several symbols.
public struct ScanRule: Hashable, Sendable {
    /// A tumbling series by time of the graph, with windows of at least `widthMin`.
    public var series: SeriesName
    /// The symbols to look at. Empty means every symbol that has bars.
    public var universe: [Symbol]
    /// The sources and groups whose symbols count. Empty means all.
    public var sources: [SourceName]
    /// The condition on the numbers of a bar; with `derivation` the number.
    public var condition: TickExpression
    /// The inputs of the number that is computed; `nil`: symbols are listed.
    public let derivation: Derivation?
    /// The numbers that are published of each listed symbol, each one of `fields`.
    public var numbers: [TickField]
    /// When more symbols meet the condition than `most`, those with the greatest of these numbers
    /// are listed; of equal ones the first by name.
    public var rank: TickField
    /// The number of symbols that are listed at most.
    public var most: Int

    /// The greatest `most`. Symbols beyond are counted, and not listed.
    public static let mostMax = 50
    /// The least width of windows in nanoseconds: a minute.
    public static let widthMin: Int64 = 60_000_000_000
    /// The numbers of a bar.
    public static let fields: [TickField] = [
        .open, .high, .low, .close, .volume, .vwap, .count,
    ]
    /// The names of the two numbers of a window before those of its symbols: how many symbols met
    /// the condition, and how many of these are not listed.
    public static let ofWindow = ["met", "left_out"]

    public init(
        series: SeriesName, universe: [Symbol] = [], sources: [SourceName] = [],
        condition: TickExpression, numbers: [TickField], rank: TickField = .volume,
        most: Int = Self.mostMax
    ) {
        self.series = series
        self.universe = universe
        self.sources = sources
        self.condition = condition
        self.numbers = numbers
        self.rank = rank
        self.most = min(max(most, 1), Self.mostMax)
        derivation = nil
    }

    /// Computes the number that the expression makes of the derivation's inputs.
    public init(
        series: SeriesName, sources: [SourceName] = [], deriving expression: TickExpression,
        _ derivation: Derivation
    ) {
        self.series = series
        universe = derivation.symbols
        self.sources = sources
        condition = expression
        numbers = []
        rank = .volume
        most = 1
        self.derivation = derivation
    }

    /// The last parts of all its values' names, after the node's name. `ScanValue.number` is an
    /// index here.
    public var names: [String] {
        derivation == nil ? Self.ofWindow + numbers.map(\.rawValue) : [Derivation.name]
    }
}
