public import MarketModel

/// Leaves out and lists ticks that came before.
///
/// With `id` in the key, a tick to which the provider gave no id passes: two different trades of
/// one moment, price and size are equal in everything else. Without `id` in the key all equal ticks
/// but the first are left out.
public struct DeduplicateRule: Hashable, Sendable {
    /// Two ticks of one symbol with the same values here are the same tick. Never empty.
    public var key: [TickField]
    /// How long a tick is remembered, in nanoseconds of the receive time on the tape.
    public var timeToLive: Int64
    /// Remembered ticks of one partition. Beyond, the oldest is forgotten, and counted.
    public var entriesMax: Int

    public static let timeToLiveMax: Int64 = 3_600_000_000_000
    /// A checkpoint with so many entries fits in `CheckpointLimits.bytesMax`, with room for the
    /// rest.
    public static let entriesLimit = 2_097_152

    public init(key: [TickField], timeToLive: Int64, entriesMax: Int = 262_144) {
        self.key = key
        self.timeToLive = timeToLive
        self.entriesMax = entriesMax
    }

    /// Whether only the provider's id tells a duplicate.
    public var asksForID: Bool { key.contains(.id) }
}

/// Lets so many ticks through per span of time, by the receive times on the tape.
public struct ThrottleRule: Hashable, Sendable {
    public enum Scope: String, CaseIterable, Hashable, Sendable {
        case symbol
        /// All symbols of the partition together.
        case partition
    }

    /// The number of ticks, 1 to a million.
    public var count: Int
    /// The span in nanoseconds, 1 ms to an hour.
    public var per: Int64
    public var scope: Scope

    public init(count: Int, per: Int64, scope: Scope = .symbol) {
        self.count = count
        self.per = per
        self.scope = scope
    }
}

/// One way on for a tick. A tick takes the first branch whose condition it meets.
public struct RouteBranch: Hashable, Sendable {
    public var name: String
    /// The condition; `nil` for the branch of all other ticks.
    public var condition: TickExpression?

    public init(name: String, condition: TickExpression?) {
        self.name = name
        self.condition = condition
    }
}

/// A function that makes one number of a window.
public enum AggregateFunction: String, CaseIterable, Hashable, Sendable {
    case first
    case last
    case min
    case max
    case sum
    case count
    case mean
    /// The mean weighted by size; for trades.
    case vwap
    /// The mean of ask - bid; for quotes.
    case spread
}

/// Numbers of windows, published as indicator values named `<node>.<series>.<function>`.
public struct AggregateRule: Hashable, Sendable {
    /// The windows, and the field from which `first` to `mean` are computed.
    public var bars: BarRule
    public var functions: [AggregateFunction]

    public init(bars: BarRule, functions: [AggregateFunction]) {
        self.bars = bars
        self.functions = functions
    }
}

/// Bars from bars: each window of `series` is made of those of `from`.
public struct ResampleRule: Hashable, Sendable {
    /// A tumbling series of the input node.
    public var from: SeriesName
    /// Tumbling or sliding. Their widths and hops are multiples of the width of `from`, and at most
    /// `ratioMax` of its windows go into one.
    public var series: BarSeriesSet

    public static let ratioMax: Int64 = 1_440

    public init(from: SeriesName, series: BarSeriesSet) {
        self.from = from
        self.series = series
    }
}

/// One number over a universe of symbols.
public enum BreadthMeasure: Hashable, Sendable {
    /// The number of symbols that closed above their previous close, less those that closed below.
    case advanceDecline
    /// Advancing symbols divided by declining ones.
    case advanceDeclineRatio
    case newHighs(days: Int)
    case newLows(days: Int)
    /// The share of symbols whose close is above the mean of their last `days` daily closes.
    case aboveAverage(days: Int)
}

/// Measures over all symbols of a universe, once per window of a series of bars.
public struct BreadthRule: Hashable, Sendable {
    /// A tumbling series by time of the graph.
    public var series: SeriesName
    /// The symbols to measure. Empty means every symbol that has bars.
    public var universe: [Symbol]
    public var measures: [BreadthMeasure]
    /// Whether days from a provider count as well, where the graph's own bars do not cover them.
    public var warmsUp: Bool

    public static let universeMax = 16_384
    public static let daysMax = 400

    public init(
        series: SeriesName, universe: [Symbol], measures: [BreadthMeasure], warmsUp: Bool = false
    ) {
        self.series = series
        self.universe = universe
        self.measures = measures
        self.warmsUp = warmsUp
    }
}
