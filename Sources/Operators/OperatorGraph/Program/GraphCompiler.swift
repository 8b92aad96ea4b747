internal import MarketModel
internal import StreamCore

/// Makes the plan of a definition. Nodes come after their inputs, so one walk is enough.
struct GraphCompiler {
    private let definition: GraphDefinition
    private(set) var plan = GraphPlan()
    /// The series that the graph publishes, in order of the nodes.
    private(set) var series: [PublishedSeries] = []
    /// By node, the kind of ticks that it takes; `nil` for nodes that take bars.
    private var kinds: [DataKind?] = []
    /// By node, the join whose quotes the ticks that it takes carry; `noJoin` for most.
    private var joins: [Int] = []
    /// By kind of machine, the number of machines so far.
    private var makers = [0, 0, 0]

    init(_ definition: GraphDefinition) {
        self.definition = definition
        plan.groups = definition.groups
        kinds = definition.nodes.map { _ in nil }
        findPoints()
        findJoins()
        for index in definition.nodes.indices { compile(index) }
        for place in plan.books.indices {
            plan.books[place].reach = plan.reach(of: plan.books[place].output, in: plan.depth)
        }
    }

    /// Finds the places from which some node takes ticks. There are at most as many as nodes.
    private mutating func findPoints() {
        for (index, node) in definition.nodes.enumerated() {
            kinds[index] = kind(of: node)
            plan.update(kinds[index]) {
                if !$0.points.contains(node.input) { $0.points.append(node.input) }
            }
        }
    }

    /// Numbers the joins in the order of their nodes, and finds the quotes of each.
    private mutating func findJoins() {
        var made: [Int: Int] = [:]
        for (index, node) in definition.nodes.enumerated() {
            joins.append(node.input.node.map { made[$0] ?? joins[$0] } ?? StagePlan.noJoin)
            guard case .join(let rule, let quotes) = node.operation else { continue }
            made[index] = plan.joins.count
            if !plan.quotes.points.contains(quotes) { plan.quotes.points.append(quotes) }
            plan.quotes.joins.append(
                JoinInput(join: plan.joins.count, input: plan.quotes.bit(of: quotes)))
            plan.joins.append(rule)
        }
    }

    /// Returns the kind of ticks that a node takes; `nil` when it takes bars.
    private func kind(of node: GraphNode) -> DataKind? {
        switch node.operation {
        case .resample(let rule) where rule.provider == nil: return nil
        case .resample: return .providerBar
        case .breadth, .scan: return nil
        case .deduplicate, .throttle, .filter, .route, .custom, .join, .book, .bars, .aggregate:
            break
        }
        switch node.input {
        case .ticks(let kind): return kind
        case .node(let input), .branch(let input, _):
            return kinds.indices.contains(input) ? kinds[input] : nil
        }
    }

    /// Adds a node to the plan.
    private mutating func compile(_ index: Int) {
        let node = definition.nodes[index]
        switch node.operation {
        case .deduplicate(let rule):
            plan.deduplicates.append(rule)
            var stage = stage(index, .deduplicate, plan.deduplicates.count - 1)
            if let listed = PublishedSeries(duplicatesOf: node) {
                series.append(listed)
                stage.series = UInt16(truncatingIfNeeded: series.count - 1)
            }
            add(stage, of: index)
        case .throttle(let rule):
            plan.throttles.append(rule)
            add(stage(index, .throttle, plan.throttles.count - 1), of: index)
        case .filter(let condition):
            plan.conditions.append(condition)
            add(stage(index, .filter, plan.conditions.count - 1), of: index)
        case .route(let branches): add(branches, of: index)
        case .custom:
            plan.customs.append(index)
            add(stage(index, .custom, plan.customs.count - 1), of: index)
        case .join: add(stage(index, .join, joinNumber(of: index)), of: index)
        case .book(let rule):
            let output = plan.depth.bit(of: .node(index))
            plan.books.append(BookPlan(levels: rule.levels, output: output))
        case .bars(let rule, let calendar): addBars(rule, calendar, of: index)
        case .aggregate(let rule, let calendar): addAggregates(rule, calendar, of: index)
        case .resample(let rule): add(rule, of: index)
        // Measures over all partitions are not computed by a partition's machine, but may need a
        // provider's days.
        case .breadth(let rule, let calendar) where rule.warmsUp:
            plan.passedOn.days.append(
                DaysPlan(
                    rule: rule, calendar: self.calendar(calendar),
                    names: UniverseState.DayPart.allCases.map { "\(node.name).\($0.name)" }))
        case .scan(let rule):
            for (_, one) in rule.derivation?.indicators ?? [] {
                plan.passedOn.indicators.append(
                    IndicatorPlan(indicator: one, name: one.published(for: node.name)))
            }
        case .breadth: break
        }
    }

    // MARK: stages

    private func ticks(of node: Int) -> TickPlan {
        plan.ticks(of: kinds[node])
    }

    private func stage(_ index: Int, _ kind: StagePlan.Kind, _ place: Int) -> StagePlan {
        let node = definition.nodes[index]
        let ticks = ticks(of: index)
        return StagePlan(
            kind: kind, isLive: node.live != nil, node: UInt16(truncatingIfNeeded: index),
            index: place, join: joins[index], input: ticks.bit(of: node.input),
            output: ticks.bit(of: .node(index)))
    }

    /// Returns the number of a join: that of the joins before it.
    private func joinNumber(of index: Int) -> Int {
        definition.nodes[..<index].count { if case .join = $0.operation { true } else { false } }
    }

    private mutating func add(_ stage: StagePlan, of node: Int) {
        plan.update(kinds[node]) { $0.stages.append(stage) }
    }

    private mutating func add(_ branches: [RouteBranch], of node: Int) {
        let first = plan.branches.count
        let ticks = ticks(of: node)
        for (number, branch) in branches.enumerated() {
            if let condition = branch.condition { plan.conditions.append(condition) }
            plan.branches.append(
                BranchPlan(
                    condition: branch.condition == nil ? nil : plan.conditions.count - 1,
                    output: ticks.bit(of: .branch(node: node, branch: number))))
        }
        var stage = stage(node, .route, first)
        stage.branchCount = branches.count
        add(stage, of: node)
    }

    // MARK: machines

    private func calendar(_ name: String?) -> SessionCalendar? {
        definition.calendars.first { $0.name == name }
    }

    private mutating func addBars(_ rule: BarRule, _ calendar: String?, of node: Int) {
        let first = series.count
        series.append(contentsOf: rule.series.all.map { PublishedSeries($0) })
        for (maker, indexes) in Self.byMaker(rule.series) {
            let part = Self.part(of: rule, indexes)
            add(
                LeafPlan(
                    node: node, maker: maker, slot: 0, rule: part,
                    calendar: self.calendar(calendar),
                    kind: rule.field.kind, field: rule.field, oddLots: rule.oddLots,
                    series: indexes.map { UInt16(truncatingIfNeeded: first + $0) }),
                weight: .asItIs)
        }
    }

    /// Adds up to three machines: one with weight one for every tick, one for the VWAP, and one for
    /// the spread if the others use another number of a quote.
    private mutating func addAggregates(_ rule: AggregateRule, _ calendar: String?, of node: Int) {
        let kind = kinds[node]
        let groups: [(LeafPlan.Weight, InputField, [AggregateFunction])] = [
            (.one, rule.bars.field, rule.functions.filter { $0 != .vwap && $0 != .spread }),
            (.asItIs, .trade, kind == .trade ? rule.functions.filter { $0 == .vwap } : []),
            (.one, .spread, kind == .quote ? rule.functions.filter { $0 == .spread } : []),
        ]
        for (weight, field, functions) in groups where !functions.isEmpty {
            for (maker, indexes) in Self.byMaker(rule.bars.series) {
                var part = Self.part(of: rule.bars, indexes)
                if weight == .one {
                    part.field = .trade
                    part.oddLots = .count
                }
                var leaf = LeafPlan(
                    node: node, maker: maker, slot: 0, rule: part,
                    calendar: self.calendar(calendar), kind: field.kind, field: field,
                    oddLots: rule.bars.oddLots, series: [])
                leaf.values = part.series.all.map { one in
                    functions.map { function in
                        LeafPlan.NamedFunction(
                            function: function,
                            name: "\(definition.nodes[node].name).\(one.name).\(function)")
                    }
                }
                add(leaf, weight: weight)
            }
        }
    }

    private mutating func add(_ leaf: LeafPlan, weight: LeafPlan.Weight) {
        var leaf = leaf
        leaf.slot = makers[Int(leaf.maker.rawValue)]
        let join = joins[leaf.node]
        leaf.rule.quoteAge = join == StagePlan.noJoin ? 0 : plan.joins[join].maxAge
        makers[Int(leaf.maker.rawValue)] += 1
        plan.leaves.append(leaf)
        let ticks = ticks(of: leaf.node)
        let input = LeafInput(
            leaf: plan.leaves.count - 1,
            input: ticks.bit(of: definition.nodes[leaf.node].input), weight: weight)
        plan.update(kinds[leaf.node]) { $0.leaves.append(input) }
    }

    /// Divides series among the kinds of machines that make them. Returns the series' indexes.
    private static func byMaker(_ series: BarSeriesSet) -> [(LeafPlan.Maker, [Int])] {
        [LeafPlan.Maker.time, .number, .inactivity].compactMap { maker in
            let indexes = series.all.indices.filter { series.all[$0].window.maker == maker }
            return indexes.isEmpty ? nil : (maker, indexes)
        }
    }

    /// Returns the rule with these of its series only.
    private static func part(of rule: BarRule, _ indexes: [Int]) -> BarRule {
        var part = rule
        do throws(StreamCoreError) {
            part.series = try BarSeriesSet(indexes.map { rule.series.all[$0] })
        } catch {
            preconditionFailure("a part of a set of series is none: \(error)")
        }
        return part
    }

    private mutating func add(_ rule: ResampleRule, of node: Int) {
        let first = series.count
        series.append(contentsOf: rule.series.all.map { PublishedSeries($0) })
        if let provider = rule.provider {
            plan.providerBars.leaves.append(
                LeafInput(
                    leaf: plan.resamples.count,
                    input: plan.providerBars.bit(of: definition.nodes[node].input),
                    weight: .asItIs))
            add(rule, of: node, from: (.provider, provider.bars, 0), first: first)
            return
        }
        guard case .node(let input) = definition.nodes[node].input,
            let origin = origin(of: rule.from, in: input)
        else { return }
        add(rule, of: node, from: origin, first: first)
    }

    /// Adds a resampling machine, whose series begin at `first` among the published ones.
    private mutating func add(
        _ rule: ResampleRule, of node: Int,
        from: (origin: ResamplePlan.Origin, fine: BarSeries, place: Int), first: Int
    ) {
        plan.resamples.append(
            ResamplePlan(
                node: node, rule: rule, origin: from.origin, fineSeries: UInt16(from.place),
                fine: from.fine,
                series: rule.series.all.indices.map { UInt16(truncatingIfNeeded: first + $0) }))
    }

    /// Finds the machine of a node that makes a series, and the series' index there.
    private func origin(
        of name: SeriesName, in node: Int
    ) -> (ResamplePlan.Origin, BarSeries, place: Int)? {
        for (index, leaf) in plan.leaves.enumerated() where leaf.node == node {
            for (place, one) in leaf.rule.series.all.enumerated() where one.name == name {
                return (.leaf(index), one, place)
            }
        }
        for (index, resample) in plan.resamples.enumerated() where resample.node == node {
            for (place, one) in resample.rule.series.all.enumerated() where one.name == name {
                return (.resample(index), one, place)
            }
        }
        return nil
    }
}

extension GraphInput {
    /// The node that it names; `nil` for ticks of the tape.
    fileprivate var node: Int? {
        switch self {
        case .ticks: nil
        case .node(let node), .branch(let node, _): node
        }
    }
}

extension WindowRule {
    fileprivate var maker: LeafPlan.Maker {
        switch self {
        case .tumbling, .session, .sliding: .time
        case .ticks, .volume, .dollars: .number
        case .inactivity: .inactivity
        }
    }
}
