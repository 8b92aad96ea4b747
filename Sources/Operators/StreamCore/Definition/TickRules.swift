public import MarketModel

/// The rule of a stage that lets each tick through once, and lists its duplicates with the late
/// ticks.
///
/// With `id` in the key, a tick to which the provider gave no id passes. Two different trades may
/// have the same time, price and size, so the other values cannot tell whether it is a duplicate.
/// Without `id` in the key, only the first of several equal ticks passes.
///
/// A provider's bar may be equal only to one of the same length and kind of data, whatever the key.
public struct DeduplicateRule: Hashable, Sendable {
    /// Two ticks of one symbol with the same values here are the same tick. Never empty.
    public var key: [TickField]
    /// How long a tick is remembered, in nanoseconds of the receive times of its source or group
    /// on the tape.
    public var timeToLive: Int64
    /// Remembered ticks of one partition. Beyond, the oldest is forgotten, and counted.
    public var entriesMax: Int

    /// The longest `timeToLive`, in nanoseconds: an hour.
    public static let timeToLiveMax: Int64 = 3_600_000_000_000
    /// The greatest `entriesMax`. A checkpoint with so many entries fits in
    /// `CheckpointLimits.bytesMax`, with room for the rest.
    public static let entriesLimit = 2_097_152

    public init(key: [TickField], timeToLive: Int64, entriesMax: Int = 262_144) {
        self.key = key
        self.timeToLive = timeToLive
        self.entriesMax = entriesMax
    }

    /// Whether a tick without the provider's id passes.
    public var asksForID: Bool { key.contains(.id) }
}

/// The rule of a stage that lets so many ticks through per span of time, by the receive times on
/// the tape. Each source or group is judged by itself.
public struct ThrottleRule: Hashable, Sendable {
    public enum Scope: String, CaseIterable, Hashable, Sendable {
        case symbol
        /// All symbols of a source or group in the partition together.
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

/// The rule of a stage that gives each trade the fields of a quote.
public struct JoinRule: Hashable, Sendable {
    /// How long after a quote a trade may be paired with it, in nanoseconds of the receive times of
    /// its source or group on the tape.
    public var maxAge: Int64

    public static let maxAgeRange: ClosedRange<Int64> = 1_000_000...3_600_000_000_000

    public init(maxAge: Int64) { self.maxAge = maxAge }
}

/// The rule of a node that makes numbers of books.
public struct BookRule: Hashable, Sendable {
    /// The best rows of each side whose sizes count.
    public var levels: Int

    /// As many rows as the latest values show.
    public static let levelsRange = 1...20
    /// How long a book is known after its last reset or repetition, in nanoseconds of the receive
    /// times of its changes. A gateway repeats each book every minute; half as long is left for one
    /// that comes late. So a book follows from as much of the tape.
    public static let knownFor: Int64 = 90_000_000_000

    public init(levels: Int) { self.levels = levels }
}

/// One output of a route, which is a stage with several outputs. A tick goes to the first branch
/// whose condition it meets.
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

/// The rule of a node that publishes numbers of windows, as values named
/// `<node>.<series>.<function>`.
public struct AggregateRule: Hashable, Sendable {
    /// The windows, and the field from which `first` to `mean` are computed.
    public var bars: BarRule
    public var functions: [AggregateFunction]

    public init(bars: BarRule, functions: [AggregateFunction]) {
        self.bars = bars
        self.functions = functions
    }
}

/// The rule of a node that makes bars from bars: each bar of `series` is made of the bars of `from`
/// in its window.
public struct ResampleRule: Hashable, Sendable {
    /// A tumbling series of the input node; for a provider's bars their length, such as `5s`.
    public var from: SeriesName
    /// Which of a provider's bars come in; `nil` when bars of the graph do.
    public var provider: ProviderBarChoice?
    /// Tumbling or sliding. Their widths and hops are multiples of the width of `from`, and at most
    /// `ratioMax` of its windows go into one.
    public var series: BarSeriesSet

    /// Bars of `from` in one window: the minutes of a day.
    public static let ratioMax: Int64 = 1_440

    public init(from: SeriesName, series: BarSeriesSet) {
        self.from = from
        self.series = series
    }

    /// Makes a rule for a provider's bars.
    public init(_ provider: ProviderBarChoice, series: BarSeriesSet) {
        self.init(from: provider.bars.name, series: series)
        self.provider = provider
    }
}

/// Which of a provider's bars a node takes. A symbol may have bars of several lengths, and of
/// several kinds of data.
public struct ProviderBarChoice: Hashable, Sendable {
    /// Their windows, one after the other from midnight UTC on, under the name of the length. The
    /// lateness is how long after its end a bar may still come, or come again with other values.
    public var bars: BarSeries
    /// The data of which the provider made them.
    public var data: ProviderBarKind

    /// The data of which a graph takes bars, by their names there.
    public static let choices: [(name: String, data: ProviderBarKind)] = [
        ("trades", .trades), ("midpoint", .midpoint), ("bid", .bid), ("ask", .ask),
    ]

    public init(_ bars: BarSeries, of data: ProviderBarKind) {
        self.bars = bars
        self.data = data
    }
}

/// One number over a universe of symbols.
public enum BreadthMeasure: Hashable, Sendable {
    /// The number of symbols that closed above their previous close, less those that closed below.
    case advanceDecline
    /// Advancing symbols divided by declining ones.
    case advanceDeclineRatio
    /// The number of symbols whose high is above those of the `days` days before.
    case newHighs(days: Int)
    /// The number of symbols whose low is below those of the `days` days before.
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
    /// The sources and groups whose symbols count. Empty means all.
    public var sources: [SourceName]
    /// Whether days from a provider count as well, where the graph's own bars do not cover them.
    public var warmsUp: Bool

    /// Symbols that one node measures, each counted once for each of its sources. One beyond is
    /// refused and counted.
    public static let universeMax = 16_384
    /// The greatest number of days that a measure looks back.
    public static let daysMax = 400

    public init(
        series: SeriesName, universe: [Symbol], measures: [BreadthMeasure],
        sources: [SourceName] = [], warmsUp: Bool = false
    ) {
        self.series = series
        self.universe = universe
        self.measures = measures
        self.sources = sources
        self.warmsUp = warmsUp
    }
}
