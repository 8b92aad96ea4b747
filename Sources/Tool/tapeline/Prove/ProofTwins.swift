import MarketModel
import OperatorGraph
import StreamCore

/// Finds fetched ticks that also came at their time. For a deduplicating node these are the
/// duplicates in a repair, wherever on the tape the two are.
struct ProofTwins {
    fileprivate struct Node {
        let name: SeriesName
        /// The kind of records that it takes.
        let kind: DataKind
        var seen: TickSightings
    }

    private var nodes: [Node] = []
    private var numbers: [SourceSymbol: UInt32] = [:]

    init(_ definition: GraphDefinition) {
        for node in definition.nodes {
            guard case .deduplicate(let rule) = node.operation, let name = SeriesName(node.name)
            else { continue }
            nodes.append(
                Node(
                    name: name, kind: definition.kind(of: node.input),
                    seen: TickSightings(rule)))
        }
    }

    /// Whether the graph has no such node.
    var isEmpty: Bool { nodes.isEmpty }

    /// Notes a tick that came at its time, as it came.
    mutating func note(_ tick: ProofTick) {
        guard !nodes.isEmpty, !tick.isFetched, let header = tick.header,
            header.action == TradeAction.new.rawValue, !header.flags.contains(.snapshot)
        else { return }
        let numbered = numbered(tick)
        for index in nodes.indices {
            nodes[index].note(numbered)
        }
    }

    /// Returns fetched ticks, each with the nodes for which it is a duplicate.
    mutating func marked(_ fetched: [ProofTick]) -> [ProofTick] {
        guard !nodes.isEmpty else { return fetched }
        return fetched.map { tick in
            let numbered = numbered(tick)
            var marked = tick
            marked.twinFor = nodes.filter { $0.holds(numbered) }.map(\.name)
            return marked
        }
    }

    /// Returns the tick with a number for its symbol.
    private mutating func numbered(_ tick: ProofTick) -> ProofTick {
        let next = UInt32(truncatingIfNeeded: numbers.count)
        let number = numbers[tick.symbol, default: next]
        numbers[tick.symbol] = number
        var numbered = tick
        numbered.trade?.header.symbol = number
        numbered.quote?.header.symbol = number
        numbered.providerBar?.header.symbol = number
        return numbered
    }
}

extension ProofTwins.Node {
    fileprivate mutating func note(_ tick: ProofTick) {
        if kind == .quote, let quote = tick.quote { seen.note(quote) }
        if kind == .providerBar, let bar = tick.providerBar { seen.note(bar) }
        if kind == .trade, let trade = tick.trade { seen.note(trade) }
    }

    fileprivate func holds(_ tick: ProofTick) -> Bool {
        if kind == .quote { return tick.quote.map { seen.contains($0) } ?? false }
        if kind == .providerBar { return tick.providerBar.map { seen.contains($0) } ?? false }
        return tick.trade.map { seen.contains($0) } ?? false
    }
}
