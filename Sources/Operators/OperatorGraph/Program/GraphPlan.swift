internal import MarketModel
internal import StreamCore

/// A definition taken apart: which stages a tick goes through and which machines it ends in.
///
/// Every place in the graph from which some node takes ticks is one bit of 64; a stage asks for the
/// bit of its input and sets that of its output. Trades and quotes have bits of their own.
struct GraphPlan: Sendable {
    var trades = TickPlan()
    var quotes = TickPlan()
    var deduplicates: [DeduplicateRule] = []
    var throttles: [ThrottleRule] = []
    var conditions: [TickExpression] = []
    var branches: [BranchPlan] = []
    /// By custom operator, its node.
    var customs: [Int] = []
    var leaves: [LeafPlan] = []
    var resamples: [ResamplePlan] = []
    var histories: [HistoryPlan] = []
}

extension GraphPlan {
    /// What becomes of one symbol's ticks may depend on those of others.
    var mixesSymbols: Bool {
        throttles.contains { $0.scope == .partition } || !customs.isEmpty
    }
}

/// What a node over all partitions wants to know of days that a provider tells of: each partition
/// passes its symbols' on as values.
struct HistoryPlan: Sendable {
    var rule: BreadthRule
    var calendar: SessionCalendar?
    /// `<node>.history.high` and so on, in the order in which they are told.
    var names: [String]
}

/// What happens to ticks of one kind.
struct TickPlan: Sendable {
    /// In order: the input of each is nothing or an earlier one.
    var stages: [StagePlan] = []
    var leaves: [LeafInput] = []
    var points: [GraphInput] = []

    var isUsed: Bool { !stages.isEmpty || !leaves.isEmpty }

    /// The bit of a place from which a node takes ticks; 0 when none does.
    func bit(of input: GraphInput) -> UInt64 {
        points.firstIndex(of: input).map { 1 << UInt64($0) } ?? 0
    }
}

/// Plain words, so that walking over stages moves no reference counts.
struct StagePlan: Sendable, BitwiseCopyable {
    enum Kind: UInt8, Sendable, BitwiseCopyable {
        case deduplicate, throttle, filter, route, custom
    }

    var kind: Kind
    var isLive: Bool
    var node: UInt16
    /// Among the stages of its kind; of a route the first of its branches.
    var index: Int
    var branchCount = 0
    /// The series under which a deduplicator lists; `noSeries` when it has no name for it.
    var series = Self.noSeries
    var input: UInt64
    var output: UInt64

    static let noSeries = UInt16.max
}

struct BranchPlan: Sendable, BitwiseCopyable {
    /// Among the conditions; nil: whatever met no other one.
    var condition: Int?
    var output: UInt64
}

/// Where a machine's ticks come from.
struct LeafInput: Sendable, BitwiseCopyable {
    var leaf: Int
    var input: UInt64
    var weight: LeafPlan.Weight
}

/// One machine that makes bars of ticks.
struct LeafPlan: Sendable {
    enum Maker: UInt8, Sendable, BitwiseCopyable {
        case time, number, inactivity
    }

    enum Weight: UInt8, Sendable, BitwiseCopyable {
        case asItIs
        /// Every tick counts once, whatever its size: what means and sums are made of.
        case one
    }

    var node: Int
    var maker: Maker
    /// Among the machines of its kind.
    var slot: Int
    var rule: BarRule
    var calendar: SessionCalendar?
    var kind: DataKind
    /// Of ticks with weight one: what is read of a quote, and what becomes of odd lots; the rule
    /// then knows neither.
    var field: InputField
    var oddLots: OddLotRule
    /// The published series by the machine's own index; of aggregates none.
    var series: [UInt16]
    /// By the machine's own series index, which numbers are published.
    var values: [[NamedFunction]] = []

    struct NamedFunction: Hashable, Sendable {
        var function: AggregateFunction
        /// `<node>.<series>.<function>`
        var name: String
    }
}

/// Bars from bars.
struct ResamplePlan: Sendable {
    /// Where the fine bars come from.
    enum Origin: Hashable, Sendable {
        case leaf(Int)
        case resample(Int)
    }

    var node: Int
    var rule: ResampleRule
    var origin: Origin
    /// Of the fine series in what it comes from.
    var fineSeries: UInt16
    var fine: BarSeries
    var series: [UInt16]
}
