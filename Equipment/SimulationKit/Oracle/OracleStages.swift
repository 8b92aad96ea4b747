internal import MarketModel
internal import OperatorGraph
internal import Primitives
internal import StreamCore

/// The nodes before the leaves, each with a plain list of the ticks that it has seen.
struct OracleStages {
    enum Verdict: Equatable {
        /// It does not reach the node, or an earlier node kept it back.
        case notThere
        case passes(branch: Int?)
        case keptBack
        case duplicate
    }

    private let nodes: [GraphNode]
    private var seen: [Int: [Seen]] = [:]
    /// By node and source or group: the latest receive time.
    private var clocks: [Int: [SourceName: Int64]] = [:]
    private var counted: [Int: [Counter: Counted]] = [:]
    private(set) var duplicates: [SeriesName: [LoggedTick.ID]] = [:]
    private var joins: OracleJoins
    /// By join, the quote that the present trade got.
    private var paired: [Int: Quote] = [:]
    /// Whether ticks that were fetched later are judged, by their event times.
    private var isRepair = false

    private struct Seen {
        let symbol: SourceSymbol
        let key: [Int128?]
        let time: Int64
    }

    /// What a throttle counts together: a symbol of a source or group, or all symbols of one.
    private struct Counter: Hashable {
        let source: SourceName
        /// `nil` for all symbols.
        let symbol: Symbol?
    }

    /// Ticks that passed in a stretch of time.
    private struct Counted {
        var start: Int64
        var ticks: Int
    }

    init(_ definition: GraphDefinition) {
        nodes = definition.nodes
        joins = OracleJoins(nodes)
    }

    /// Notes who feeds a symbol.
    mutating func feed(_ symbol: SourceSymbol, from source: SourceName) {
        joins.feed(symbol, from: source)
    }

    /// Returns the verdicts of all nodes, in order.
    mutating func take(_ tick: LoggedTick, isRepair: Bool = false) -> [Verdict] {
        var verdicts: [Verdict] = []
        self.isRepair = isRepair
        paired = [:]
        for (index, node) in nodes.enumerated() {
            if let quotes = node.operation.quotes, comes(quotes, tick, verdicts) == .comes {
                joins.keep(tick, at: now(index, tick), join: index)
            }
            guard comes(node.input, tick, verdicts) == .comes else {
                verdicts.append(.notThere)
                continue
            }
            verdicts.append(judge(tick, index, node))
        }
        return verdicts
    }

    private mutating func judge(_ tick: LoggedTick, _ index: Int, _ node: GraphNode) -> Verdict {
        switch node.operation {
        case .deduplicate(let rule): deduplicate(tick, index, rule)
        case .throttle(let rule): throttle(tick, index, rule)
        case .filter(let expression):
            OracleExpression.isMet(expression, behind(tick, node))
                ? .passes(branch: nil) : .keptBack
        case .route(let branches): route(behind(tick, node), branches)
        case .join(let rule, _): pair(tick, index, rule)
        default: .passes(branch: nil)
        }
    }

    private mutating func pair(_ tick: LoggedTick, _ index: Int, _ rule: JoinRule) -> Verdict {
        paired[index] = joins.quote(
            for: tick, at: now(index, tick), join: index, maxAge: rule.maxAge)
        return .passes(branch: nil)
    }

    /// Returns the tick as a node behind a join, or behind one that makes books, sees it.
    private func behind(_ tick: LoggedTick, _ node: GraphNode) -> LoggedTick {
        var joined = tick
        joined.book?.levels = OracleBooks.levels(of: node.input, nodes)
        guard let join = joins.join(of: node.input) else { return joined }
        joined.quote = paired[join]
        return joined
    }

    private func route(_ tick: LoggedTick, _ branches: [RouteBranch]) -> Verdict {
        let met = branches.firstIndex { branch in
            branch.condition.map { OracleExpression.isMet($0, tick) } ?? true
        }
        return met.map { .passes(branch: $0) } ?? .keptBack
    }

    private mutating func deduplicate(
        _ tick: LoggedTick, _ index: Int, _ rule: DeduplicateRule
    ) -> Verdict {
        // Only ids distinguish two trades of one moment, price and size.
        if rule.key.contains(.id), tick.header.providerID == 0 { return .passes(branch: nil) }
        var key = rule.key.map { OracleExpression.value(of: $0, tick) }
        if let bar = tick.providerBar {
            // Bars of other lengths or data are never the same.
            key += [Int128(bar.kind), OracleExpression.value(of: .length, tick)]
        }
        let time = now(index, tick)
        let isThere = (seen[index] ?? []).contains {
            $0.symbol == tick.symbol && $0.key == key && time < $0.time + rule.timeToLive
        }
        guard !isThere else {
            if let name = SeriesName(nodes[index].name) {
                duplicates[name, default: []].append(tick.id)
            }
            return .duplicate
        }
        seen[index, default: []].append(Seen(symbol: tick.symbol, key: key, time: time))
        return .passes(branch: nil)
    }

    /// Returns the time of a tick's source or group in a node: receive times do not go back there.
    private mutating func now(_ node: Int, _ tick: LoggedTick) -> Int64 {
        let source = tick.symbol.source
        let own =
            isRepair && tick.isFetched ? tick.header.eventTime : tick.header.receiveTime
        let time = max(
            clocks[node]?[source] ?? Int64.min, own.isDefined ? own.nanoseconds : Int64.min)
        // A fetched tick decides in a join nothing but its own symbol's pairs.
        if isRepair, tick.isFetched, nodes[node].operation.quotes != nil { return time }
        clocks[node, default: [:]][source] = time
        return time
    }

    /// Lets the first `count` ticks of every stretch of `per` pass, counted from 1970 on.
    private mutating func throttle(
        _ tick: LoggedTick, _ index: Int, _ rule: ThrottleRule
    ) -> Verdict {
        let time = now(index, tick)
        let key = Counter(
            source: tick.symbol.source, symbol: rule.scope == .symbol ? tick.symbol.symbol : nil)
        let number = time / rule.per - (time % rule.per < 0 ? 1 : 0)
        var counted = counted[index]?[key] ?? Counted(start: number, ticks: 0)
        if counted.start != number { counted = Counted(start: number, ticks: 0) }
        let passes = counted.ticks < rule.count
        if passes { counted.ticks += 1 }
        self.counted[index, default: [:]][key] = counted
        return passes ? .passes(branch: nil) : .keptBack
    }

    // MARK: which ticks reach a node

    func verdict(
        of input: GraphInput, _ tick: LoggedTick, _ verdicts: [Verdict]
    ) -> OracleLeaf.Verdict { comes(input, tick, verdicts) }

    private func comes(
        _ input: GraphInput, _ tick: LoggedTick, _ verdicts: [Verdict]
    ) -> OracleLeaf.Verdict {
        switch input {
        case .ticks(let kind):
            return kind == tick.kind ? .comes : .doesNotConcern
        case .node(let node):
            return Self.comes(verdicts[node], nodes[node], nil) {
                comes(nodes[node].input, tick, verdicts)
            }
        case .branch(let node, let branch):
            return Self.comes(verdicts[node], nodes[node], branch) {
                comes(nodes[node].input, tick, verdicts)
            }
        }
    }

    private static func comes(
        _ verdict: Verdict, _ node: GraphNode, _ branch: Int?,
        before: () -> OracleLeaf.Verdict
    ) -> OracleLeaf.Verdict {
        switch verdict {
        case .passes(let taken): taken == branch || taken == nil ? .comes : .keptBack
        case .keptBack: .keptBack
        case .duplicate: .doesNotConcern
        case .notThere: before()
        }
    }

    /// Returns whether ticks of this kind may reach an input. For repairs of graphs without stages.
    func isOf(_ input: GraphInput, _ tick: LoggedTick) -> Bool {
        switch input {
        case .ticks(let kind): kind == tick.kind
        case .node(let node), .branch(let node, _): isOf(nodes[node].input, tick)
        }
    }
}
