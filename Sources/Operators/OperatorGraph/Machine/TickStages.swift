internal import MarketModel
internal import StreamCore

/// The nodes between the tape and the machines, with the state of each. A *stage* takes ticks at
/// one place of the graph and lets some of them through to the next. To *judge* a tick is to decide
/// that.
struct TickStages: Sendable {
    /// The state by kind of stage; a stage's `index` leads to it.
    var deduplicators: [Deduplicator]
    var throttles: [Throttle]
    var evaluators: [ExpressionEvaluator]
    var operators: [any TickOperator]
    let branches: [BranchPlan]
    private let nodeNames: [String]
    /// The names by interned symbol. Only operators need them.
    private var symbols: [Symbol] = []
    /// The values of a custom operator for the present tick.
    private var published: [OperatorValue] = []

    init(_ program: GraphProgram) {
        deduplicators = program.plan.deduplicates.map { Deduplicator($0) }
        throttles = program.plan.throttles.map { Throttle($0) }
        evaluators = program.plan.conditions.map { ExpressionEvaluator($0) }
        operators = program.operators
        branches = program.plan.branches
        nodeNames = program.definition.nodes.map(\.name)
    }

    /// How far a tick came: places of the graph, as bits of the plan.
    struct Way: BitwiseCopyable {
        /// Places that the tick reached.
        var passed: UInt64
        /// Places that the tick never reached, because a deduplicator before them listed it.
        var lost: UInt64 = 0
    }

    /// Notes a symbol. Has to be called for every interned symbol, in order of their indexes.
    mutating func define(_ index: UInt32, _ symbol: Symbol) {
        if index == symbols.count { symbols.append(symbol) }
        for place in evaluators.indices { evaluators[place].define(index, symbol) }
    }

    /// Sends a tick through the stages. Duplicates, values and live ticks go to `output`.
    @inline(__always)
    mutating func run(
        _ stages: [StagePlan], _ tick: some TickInStages, root: UInt64,
        into output: inout GraphOutput
    ) -> Way {
        var way = Way(passed: root)
        for stage in stages {
            guard way.passed & stage.input != 0 else {
                // A duplicate is lost at the stage's outputs, too: it never gets farther.
                if way.lost & stage.input != 0 { way.lost |= outputs(of: stage) }
                continue
            }
            guard judge(stage, tick, &way, &output) else { continue }
            way.passed |= stage.output
            if stage.isLive {
                output.live.append(LiveTick(node: Int(stage.node), tick: tick.graphTick))
            }
        }
        return way
    }

    /// Returns all places to which a stage may let ticks through.
    func outputs(of stage: StagePlan) -> UInt64 {
        guard stage.kind == .route else { return stage.output }
        return branches[stage.index..<stage.index + stage.branchCount].reduce(stage.output) {
            $0 | $1.output
        }
    }

    /// Returns whether the stage lets the tick through.
    @inline(__always)
    private mutating func judge(
        _ stage: StagePlan, _ tick: some TickInStages, _ way: inout Way,
        _ output: inout GraphOutput
    ) -> Bool {
        switch stage.kind {
        case .deduplicate:
            if tick.twins >> UInt64(stage.index) & 1 == 0,
                tick.isNew(for: &deduplicators[stage.index])
            {
                return true
            }
            way.lost |= stage.output
            if stage.series != StagePlan.noSeries {
                output.late.append(tick.duplicate(series: stage.series))
            }
            return false
        case .throttle: return throttles[stage.index].passes(tick.header)
        case .filter: return tick.meets(evaluators[stage.index])
        case .route: return route(stage, tick, &way)
        case .custom: return runOperator(stage, tick.graphTick, &output)
        }
    }

    /// Sends a tick into the first branch whose condition it meets. Returns false when it meets
    /// none.
    private func route(
        _ stage: StagePlan, _ tick: some TickInStages, _ way: inout Way
    ) -> Bool {
        for place in stage.index..<stage.index + stage.branchCount {
            let branch = branches[place]
            if let condition = branch.condition, !tick.meets(evaluators[condition]) { continue }
            way.passed |= branch.output
            return true
        }
        return false
    }

    /// Gives a tick to a custom operator, and publishes its values. Returns whether the operator
    /// lets the tick through.
    mutating func runOperator(
        _ stage: StagePlan, _ tick: GraphTick, _ output: inout GraphOutput
    ) -> Bool {
        let header = tick.header
        published.removeAll(keepingCapacity: true)
        let passes = operators[stage.index].take(
            tick, of: symbols[Int(header.symbol)], publishing: &published)
        for one in published.prefix(OperatorValue.perTickMax) {
            output.values.append(
                GraphValue(
                    symbol: header.symbol, name: "\(nodeNames[Int(stage.node)]).\(one.name)",
                    value: one.value, periodStart: header.eventTime,
                    periodEnd: header.eventTime, reason: BarReason.closed.rawValue))
        }
        return passes
    }
}
