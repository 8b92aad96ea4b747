public import MarketModel

/// A tick that was there already is left out, and listed.
///
/// A key with `id` asks the provider: a tick to which it gave none is nobody's duplicate, because
/// two trades of one moment, price and size are the same in everything else. Without `id` in the
/// key equal ticks are left out whatever they are.
public struct DeduplicateRule: Hashable, Sendable {
    /// Two ticks of one symbol with the same values here are the same tick. Never empty.
    public var key: [TickField]
    /// For how long one is remembered, in receive time as it stands on the tape.
    public var timeToLive: Int64
    /// Remembered ticks of one partition; beyond, the oldest is forgotten, and counted.
    public var entriesMax: Int

    public static let timeToLiveMax: Int64 = 3_600_000_000_000
    /// A checkpoint with so many fits in `CheckpointLimits.bytesMax`, with room for the rest.
    public static let entriesLimit = 2_097_152

    public init(key: [TickField], timeToLive: Int64, entriesMax: Int = 262_144) {
        self.key = key
        self.timeToLive = timeToLive
        self.entriesMax = entriesMax
    }

    /// Only the provider's number tells a duplicate.
    public var asksForID: Bool { key.contains(.id) }
}

/// Lets so many ticks through per time, by receive times as they stand on the tape.
public struct ThrottleRule: Hashable, Sendable {
    public enum Scope: String, CaseIterable, Hashable, Sendable {
        case symbol
        /// All symbols of the partition together.
        case partition
    }

    /// 1 to a million.
    public var count: Int
    /// 1 ms to an hour.
    public var per: Int64
    public var scope: Scope

    public init(count: Int, per: Int64, scope: Scope = .symbol) {
        self.count = count
        self.per = per
        self.scope = scope
    }
}

/// Where a tick goes on: the first branch whose condition it meets.
public struct RouteBranch: Hashable, Sendable {
    public var name: String
    /// Nil: whatever met no other one.
    public var condition: TickExpression?

    public init(name: String, condition: TickExpression?) {
        self.name = name
        self.condition = condition
    }
}

/// One number of a window.
public enum AggregateFunction: String, CaseIterable, Hashable, Sendable {
    case first
    case last
    case min
    case max
    case sum
    case count
    case mean
    /// Of trades: the mean weighted by size.
    case vwap
    /// Of quotes: the mean of ask - bid.
    case spread
}

/// Numbers of windows, published as indicator values named `<node>.<series>.<function>`.
public struct AggregateRule: Hashable, Sendable {
    /// The windows, and the field that `first` to `mean` are computed of.
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
    /// Tumbling or sliding, their widths and hops multiples of that one's; at most `ratioMax`
    /// windows go into one.
    public var series: BarSeriesSet

    public static let ratioMax: Int64 = 1_440

    public init(from: SeriesName, series: BarSeriesSet) {
        self.from = from
        self.series = series
    }
}

/// One number over a universe of symbols.
public enum BreadthMeasure: Hashable, Sendable {
    /// Symbols that closed above their previous close, less those below.
    case advanceDecline
    /// Advancing over declining ones.
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
    /// Empty: every symbol that has bars.
    public var universe: [Symbol]
    public var measures: [BreadthMeasure]
    /// Days that a provider tells of count as well, where the graph's own bars do not make them.
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
