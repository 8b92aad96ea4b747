internal import MarketModel
internal import StreamCore

/// A definition, taken apart into the stages that a tick goes through and the machines in which it
/// ends. A *leaf* is a machine that makes bars of ticks. A *point* is a place of the graph from
/// which some node takes ticks.
///
/// Every point is one bit of 64. A stage tests the bit of its input and sets that of its output.
/// Trades, quotes, books and a provider's bars have separate bits.
struct GraphPlan: Sendable {
    var trades = TickPlan()
    var quotes = TickPlan()
    /// The stages for books, behind the nodes that make numbers of them.
    var depth = TickPlan()
    /// The nodes that make numbers of books, in order.
    var books: [BookPlan] = []
    /// The stages for a provider's bars. They end in resampling machines, which stand in the place
    /// of leaves: `LeafInput.leaf` is the index among `resamples`.
    var providerBars = TickPlan()
    /// The rules by kind of stage; a stage's `index` leads to its rule.
    var deduplicates: [DeduplicateRule] = []
    var throttles: [ThrottleRule] = []
    var joins: [JoinRule] = []
    var conditions: [TickExpression] = []
    var branches: [BranchPlan] = []
    /// By custom operator, its node.
    var customs: [Int] = []
    var leaves: [LeafPlan] = []
    var resamples: [ResamplePlan] = []
    var passedOn = PassedOnPlan()
    /// The sources that are one source to bars.
    var groups = SourceGroups()
}

extension GraphPlan {
    /// Whether the result for one symbol's ticks may depend on those of other symbols.
    var mixesSymbols: Bool {
        throttles.contains { $0.scope == .partition } || !customs.isEmpty
    }

    /// How long before the watermark a subscription has to begin, in nanoseconds, so that no window
    /// opens any more whose ticks it decides. Windows are a day long at most.
    var startsKept: Int64 {
        let series =
            leaves.flatMap(\.rule.series.all) + resamples.flatMap(\.rule.series.all)
        return (series.map(\.lateness).max() ?? 0)
            + max(joins.map(\.maxAge).max() ?? 0, books.isEmpty ? 0 : BookRule.knownFor)
            + Self.dayNanoseconds
    }

    /// Whether it matters from when on, and from which member of a group, ticks came: joins and
    /// books remember some.
    var remembersFeeds: Bool { !joins.isEmpty || !books.isEmpty }

    private static let dayNanoseconds: Int64 = 86_400_000_000_000
}

/// The days that a node over all partitions needs from a provider. Each partition publishes the
/// days of its symbols as values.
struct DaysPlan: Sendable {
    var rule: BreadthRule
    var calendar: SessionCalendar?
    /// `<node>.history.high` and so on, in the order in which they are published.
    var names: [String]
}

/// What partitions pass on from providers to the nodes over all partitions.
struct PassedOnPlan: Sendable {
    /// The past days, one plan for each node that uses them.
    var days: [DaysPlan] = []
    /// The values that derivations take.
    var indicators: [IndicatorPlan] = []
}

/// One value of a provider that partitions pass on to a derivation.
struct IndicatorPlan: Sendable {
    var indicator: Derivation.Indicator
    /// `<node>.<alias>`
    var name: String
}

/// The stages and machines for ticks of one kind.
struct TickPlan: Sendable {
    /// The stages in order: the input of each is the tape or an earlier one.
    var stages: [StagePlan] = []
    /// The machines, each with the point from which it takes ticks.
    var leaves: [LeafInput] = []
    /// The joins, each with the point from which it takes quotes. Only the quotes' plan has some.
    var joins: [JoinInput] = []
    /// The points; the index of each is its bit.
    var points: [GraphInput] = []

    /// Whether any node takes ticks of this kind.
    var isUsed: Bool { !stages.isEmpty || !leaves.isEmpty || !joins.isEmpty }

    /// Returns the bit of a place from which a node takes ticks; 0 when none does.
    func bit(of input: GraphInput) -> UInt64 {
        points.firstIndex(of: input).map { 1 << UInt64($0) } ?? 0
    }
}

/// One node that lets ticks through. It consists of plain words, so that a walk over stages moves
/// no reference counts.
struct StagePlan: Sendable, BitwiseCopyable {
    enum Kind: UInt8, Sendable, BitwiseCopyable {
        case deduplicate, throttle, filter, route, custom, join
    }

    var kind: Kind
    /// Whether live readers get the ticks that it lets through.
    var isLive: Bool
    /// The node's index in the definition.
    var node: UInt16
    /// The index among the stages of its kind; for a route the index of its first branch.
    var index: Int
    var branchCount = 0
    /// The series under which a deduplicator lists; `noSeries` when it has no name for it.
    var series = Self.noSeries
    /// The join whose quotes the conditions see; `noJoin` where there is none before it.
    var join = Self.noJoin
    /// The bits of its input and its output; 0 when no node takes ticks from the output.
    var input: UInt64
    var output: UInt64

    static let noSeries = UInt16.max
    static let noJoin = -1
}

/// One branch of a route.
struct BranchPlan: Sendable, BitwiseCopyable {
    /// The index of the condition; `nil` for the branch of all other ticks.
    var condition: Int?
    var output: UInt64
}

/// One node that makes numbers of books.
struct BookPlan: Sendable, BitwiseCopyable {
    /// The best rows of each side whose sizes count.
    var levels: Int
    /// The bit of its output.
    var output: UInt64
    /// The bits of all points behind it, its output among them.
    var reach: UInt64 = 0
}

/// Where a machine's ticks come from.
struct LeafInput: Sendable, BitwiseCopyable {
    /// The index of the machine's plan.
    var leaf: Int
    /// The bit of the point.
    var input: UInt64
    var weight: LeafPlan.Weight
}

/// Where a join's quotes come from.
struct JoinInput: Sendable, BitwiseCopyable {
    /// The index of the join.
    var join: Int
    /// The bit of the point.
    var input: UInt64
}

/// One machine that makes bars of ticks.
struct LeafPlan: Sendable {
    /// The type of the machine: `BarMachine`, `NumberMachine` or `InactivityMachine`.
    enum Maker: UInt8, Sendable, BitwiseCopyable {
        case time, number, inactivity
    }

    /// What a tick counts for.
    enum Weight: UInt8, Sendable, BitwiseCopyable {
        /// Its price and size count.
        case asItIs
        /// Every tick counts once, whatever its size. Means and sums are made this way.
        case one
    }

    var node: Int
    var maker: Maker
    /// The index among the machines of its kind.
    var slot: Int
    var rule: BarRule
    var calendar: SessionCalendar?
    /// The kind of ticks that it takes.
    var kind: DataKind
    /// For ticks with weight one: the number of a quote that is used, and the rule for odd lots.
    /// `rule` then contains neither.
    var field: InputField
    var oddLots: OddLotRule
    /// The published series by the machine's own index; empty for aggregates.
    var series: [UInt16]
    /// By the machine's own series index, the numbers to publish.
    var values: [[NamedFunction]] = []

    /// The ticks that decide its windows.
    var needs: TickNeeds { TickNeeds(kind, quoteAge: rule.quoteAge) }

    struct NamedFunction: Hashable, Sendable {
        var function: AggregateFunction
        /// `<node>.<series>.<function>`
        var name: String
    }
}

extension GraphPlan {
    /// Returns the plan for records of a kind: `.trade`, `.quote`, `.depth` or `.providerBar`.
    func ticks(of kind: DataKind?) -> TickPlan {
        if kind == .depth { return depth }
        return kind == .quote ? quotes : kind == .providerBar ? providerBars : trades
    }

    /// Returns the bits of a point and of all points behind it.
    func reach(of point: UInt64, in ticks: TickPlan) -> UInt64 {
        ticks.stages.reduce(into: point) { reach, stage in
            guard reach & stage.input != 0 else { return }
            reach |= stage.output
            for place in stage.index..<stage.index + stage.branchCount {
                reach |= branches[place].output
            }
        }
    }

    /// Changes the plan for records of a kind; `nil` and other kinds change nothing.
    mutating func update(_ kind: DataKind?, _ change: (inout TickPlan) -> Void) {
        if kind == .trade { change(&trades) }
        if kind == .quote { change(&quotes) }
        if kind == .depth { change(&depth) }
        if kind == .providerBar { change(&providerBars) }
    }
}

/// One machine that makes bars from bars.
struct ResamplePlan: Sendable {
    /// Where the finer bars come from.
    enum Origin: Hashable, Sendable {
        case leaf(Int)
        case resample(Int)
        /// They are a provider's bars, from the tape or a stage.
        case provider
    }

    var node: Int
    var rule: ResampleRule
    var origin: Origin
    /// The index of the finer series in its origin; 0 for a provider's bars.
    var fineSeries: UInt16
    /// The finer series.
    var fine: BarSeries
    /// The published series by the machine's own index.
    var series: [UInt16]
}
