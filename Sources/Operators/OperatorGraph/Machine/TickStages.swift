internal import MarketModel
internal import StreamCore

/// The nodes between the tape and the machines, with the state of each. A *stage* takes ticks at
/// one point of the graph and lets some of them through to the next point. To *judge* a tick is to
/// decide that. A point is one bit of the plan.
struct TickStages: Sendable {
    /// The state by kind of stage; a stage's `index` leads to it.
    var deduplicators: [Deduplicator]
    var throttles: [Throttle]
    var evaluators: [ExpressionEvaluator]
    var operators: [any TickOperator]
    var joins: [QuoteJoin]
    /// The books, which the nodes that make numbers of them share.
    var books = DepthBooks()
    let branches: [BranchPlan]
    /// Values of custom operators beyond the limits of `OperatorValue`. Counted since this value
    /// was made: not part of the state.
    private(set) var valuesLeftOut: UInt64 = 0
    private let nodeNames: [String]
    /// The symbols by the machine's index. Only custom operators need them.
    private var symbols: [SourceSymbol] = []
    /// The sources and groups that own symbols, in the order in which they first owned one. So the
    /// number of an owner, its index here, follows from the symbols.
    private(set) var owners: [SourceName] = []
    /// By symbol, the number of its owner.
    private var ownerOf: [Int] = []
    /// The values of a custom operator for the present tick; empty between ticks.
    private var published: [OperatorValue] = []

    init(_ program: GraphProgram) {
        deduplicators = program.plan.deduplicates.map { Deduplicator($0) }
        throttles = program.plan.throttles.map { Throttle($0) }
        evaluators = program.plan.conditions.map { ExpressionEvaluator($0) }
        operators = program.operators
        joins = program.plan.joins.map { QuoteJoin($0) }
        branches = program.plan.branches
        nodeNames = program.definition.nodes.map(\.name)
    }

    /// How far a tick came: the points that it reached, as bits of the plan.
    struct Way: BitwiseCopyable {
        /// Points that the tick reached.
        var passed: UInt64
        /// Points that the tick did not reach, because it is a duplicate for a deduplicator before
        /// them. The machines there do not count it as excluded.
        var lost: UInt64 = 0
    }

    /// Notes a symbol. Has to be called for every symbol, in order of their indexes.
    mutating func define(_ index: UInt32, _ symbol: SourceSymbol) {
        if index == symbols.count {
            symbols.append(symbol)
            if !owners.contains(symbol.source) { owners.append(symbol.source) }
            ownerOf.append(owners.firstIndex(of: symbol.source) ?? 0)
        }
        for place in evaluators.indices { evaluators[place].define(index, symbol.symbol) }
    }

    /// Returns the number of the owner of a symbol that was noted.
    @inline(__always)
    func owner(of symbol: UInt32) -> Int { ownerOf[Int(symbol)] }

    /// Sends a tick through the stages, from the point `root`. Duplicates, values and live ticks go
    /// to `output`.
    @inline(__always)
    mutating func run(
        _ stages: [StagePlan], _ tick: some TickInStages, root: UInt64,
        into output: inout GraphOutput
    ) -> Way {
        var way = Way(passed: root)
        for stage in stages {
            guard way.passed & stage.input != 0 else {
                // A duplicate does not reach the stage's outputs either.
                if way.lost & stage.input != 0 { way.lost |= outputs(of: stage) }
                continue
            }
            guard judge(stage, tick, &way, &output) else { continue }
            way.passed |= stage.output
            if stage.isLive {
                output.live.append(LiveTick(node: Int(stage.node), tick: tick.liveRecord))
            }
        }
        return way
    }

    /// Returns all points to which a stage may let ticks through.
    func outputs(of stage: StagePlan) -> UInt64 {
        guard stage.kind == .route else { return stage.output }
        return branches[stage.index..<stage.index + stage.branchCount].reduce(stage.output) {
            $0 | $1.output
        }
    }

    /// Returns whether the stage lets the tick through to its output. A route also sets the point
    /// of the branch.
    @inline(__always)
    private mutating func judge(
        _ stage: StagePlan, _ tick: some TickInStages, _ way: inout Way,
        _ output: inout GraphOutput
    ) -> Bool {
        switch stage.kind {
        case .deduplicate:
            let owner = owner(of: tick.header.symbol)
            if tick.twins >> UInt64(stage.index) & 1 == 0,
                tick.isNew(for: &deduplicators[stage.index], of: owner)
            {
                return true
            }
            way.lost |= stage.output
            if stage.series != StagePlan.noSeries {
                output.late.append(tick.duplicate(series: stage.series))
            }
            return false
        case .throttle:
            let owner = owner(of: tick.header.symbol)
            return throttles[stage.index].passes(tick.header, of: owner)
        case .filter: return meets(stage.index, stage, tick)
        case .route: return route(stage, tick, &way)
        case .join:
            let owner = owner(of: tick.header.symbol)
            joins[stage.index].begin()
            joins[stage.index].pair(tick.header, at: 0, from: tick.source, of: owner)
            return true
        case .custom: return tick.graphTick.map { runOperator(stage, $0, &output) } ?? true
        }
    }

    /// Returns whether a tick meets a condition of a stage.
    @inline(__always)
    private func meets(
        _ condition: Int, _ stage: StagePlan, _ tick: some TickInStages
    ) -> Bool {
        guard stage.join != StagePlan.noJoin else { return tick.meets(evaluators[condition]) }
        return tick.meets(
            evaluators[condition], with: joins[stage.join].quote(of: tick.header.symbol, at: 0))
    }

    /// Sends a quote through its stages, and gives it to the joins that it reaches.
    @inline(__always)
    mutating func run(
        _ plan: TickPlan, _ tick: QuoteInStages, root: UInt64, into output: inout GraphOutput
    ) -> Way {
        let way = run(plan.stages, tick, root: root, into: &output)
        for one in plan.joins where way.passed & one.input != 0 {
            let owner = owner(of: tick.header.symbol)
            joins[one.join].keep(tick.quote, from: tick.source, of: owner)
        }
        return way
    }

    /// Forgets quotes and book of other sources of a symbol that this one feeds from now on.
    mutating func forgetOthers(of symbol: UInt32, fedBy source: Int) {
        for index in joins.indices { joins[index].forget(symbol, fedBy: source) }
        books.forget(symbol, fedBy: source)
    }

    /// Sends a tick into the first branch whose condition it meets. Returns false when it meets
    /// none.
    private func route(
        _ stage: StagePlan, _ tick: some TickInStages, _ way: inout Way
    ) -> Bool {
        for place in stage.index..<stage.index + stage.branchCount {
            let branch = branches[place]
            if let condition = branch.condition, !meets(condition, stage, tick) { continue }
            way.passed |= branch.output
            return true
        }
        return false
    }

    /// Gives a tick to a custom operator, and appends the operator's values to the output, within
    /// the limits of `OperatorValue`. Returns whether the operator lets the tick through.
    mutating func runOperator(
        _ stage: StagePlan, _ tick: GraphTick, _ output: inout GraphOutput
    ) -> Bool {
        let header = tick.header
        published.removeAll(keepingCapacity: true)
        let passes = operators[stage.index].take(
            tick, of: symbols[Int(header.symbol)], publishing: &published)
        for (place, one) in published.enumerated() {
            guard place < OperatorValue.perTickMax,
                one.name.utf8.count <= OperatorValue.nameBytesMax
            else {
                valuesLeftOut &+= 1
                continue
            }
            output.values.append(
                GraphValue(
                    symbol: header.symbol, name: "\(nodeNames[Int(stage.node)]).\(one.name)",
                    value: one.value, periodStart: header.eventTime,
                    periodEnd: header.eventTime, reason: BarReason.closed.rawValue))
        }
        return passes
    }
}
