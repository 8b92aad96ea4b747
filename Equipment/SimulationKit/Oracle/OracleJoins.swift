internal import MarketModel
internal import OperatorGraph
internal import Primitives
internal import StreamCore

/// What came on the tape, in its order, as far as joins need it.
enum OracleStep {
    case tick(LoggedTick)
    /// A definition by which a source feeds the symbol.
    case feed(SourceSymbol, SourceName)
}

/// The joins of a graph: each keeps all quotes that reached it, and looks back.
struct OracleJoins {
    private struct Kept {
        let quote: Quote
        let source: SourceName
        let time: Int64
    }

    private let nodes: [GraphNode]
    private var kept: [Int: [SourceSymbol: [Kept]]] = [:]
    private var feeds: [SourceSymbol: SourceName] = [:]

    init(_ nodes: [GraphNode]) { self.nodes = nodes }

    /// Notes who feeds a symbol. The quotes of others are forgotten.
    mutating func feed(_ symbol: SourceSymbol, from source: SourceName) {
        guard feeds.updateValue(source, forKey: symbol) != source else { return }
        for join in kept.keys where kept[join]?[symbol]?.last?.source != source {
            kept[join]?[symbol] = nil
        }
    }

    /// Keeps the quote of a tick that reached a join at this time of its clock.
    mutating func keep(_ tick: LoggedTick, at time: Int64, join: Int) {
        guard let quote = tick.quote else { return }
        kept[join, default: [:]][tick.symbol, default: []].append(
            Kept(quote: quote, source: tick.id.source, time: time))
    }

    /// Returns what a trade gets: the last quote, unless it is too old or of another source.
    func quote(for trade: LoggedTick, at time: Int64, join: Int, maxAge: Int64) -> Quote? {
        guard let last = kept[join]?[trade.symbol]?.last, last.source == trade.id.source,
            time - last.time <= maxAge
        else { return nil }
        return last.quote
    }

    /// Returns the join whose quotes the ticks at an input carry.
    func join(of input: GraphInput) -> Int? {
        switch input {
        case .ticks: nil
        case .node(let node), .branch(let node, _):
            nodes[node].operation.quotes != nil ? node : join(of: nodes[node].input)
        }
    }

    /// Returns how long a quote counts for the ticks at an input; 0 without a join.
    static func maxAge(_ input: GraphInput, _ nodes: [GraphNode]) -> Int64 {
        guard let join = OracleJoins(nodes).join(of: input),
            case .join(let rule, _) = nodes[join].operation
        else { return 0 }
        return rule.maxAge
    }
}

extension OracleStages {
    /// Returns the verdicts that a repair finds: of ticks that came at their time in the order of
    /// the tape, and of ticks that were fetched later where their event times stand among the
    /// latest receive times of the others, and at the latest where they came. `mended` gives the
    /// trades their corrected values.
    static func repaired(
        _ definition: GraphDefinition, _ steps: [OracleStep], _ mended: [OracleRepair.Mended]
    ) -> [LoggedTick.ID: [Verdict]] {
        var values: [LoggedTick.ID: LoggedTick] = [:]
        for one in mended { values[one.tick.id] = one.tick }
        var stages = OracleStages(definition)
        var verdicts: [LoggedTick.ID: [Verdict]] = [:]
        for step in placed(steps) {
            switch step {
            case .feed(let symbol, let source): stages.feed(symbol, from: source)
            case .tick(let tick):
                guard tick.isJudgedInRepair else { continue }
                verdicts[tick.id] = stages.take(values[tick.id] ?? tick, isRepair: true)
            }
        }
        return verdicts
    }

    private static func placed(_ steps: [OracleStep]) -> [OracleStep] {
        var waiting = steps.indices.filter { steps[$0].fetched != nil }
        waiting.sort { (steps[$0].time, $0) < (steps[$1].time, $1) }
        var clocks: [SourceName: Int64] = [:]
        var placed: [OracleStep] = []
        func give(_ isDue: (OracleStep) -> Bool) {
            let due = waiting.filter { isDue(steps[$0]) }
            waiting.removeAll { due.contains($0) }
            placed += due.map { steps[$0] }
        }
        for step in steps {
            guard case .tick(let tick) = step else {
                placed.append(step)
                continue
            }
            if tick.isFetched {
                guard tick.isJudgedInRepair else { continue }
                give { $0.fetched == tick.symbol && $0.time <= tick.time }
                continue
            }
            let owner = tick.symbol.source
            let time = tick.header.receiveTime
            if tick.isJudgedInRepair, time.isDefined {
                let clock = max(clocks[owner] ?? Int64.min, time.nanoseconds)
                clocks[owner] = clock
                give { $0.fetched?.source == owner && $0.time < clock }
            }
            placed.append(step)
        }
        return placed + waiting.map { steps[$0] }
    }
}

extension OracleStep {
    /// The symbol of a tick that was fetched later; `nil` for others.
    fileprivate var fetched: SourceSymbol? {
        if case .tick(let tick) = self, tick.isFetched { tick.symbol } else { nil }
    }

    /// The event time of a tick.
    fileprivate var time: Int64 {
        if case .tick(let tick) = self { tick.time } else { Int64.min }
    }
}

extension LoggedTick {
    /// Whether a provider delivered it later, or a person gave it.
    var isFetched: Bool { header.flags.contains(.backfilled) || id.source == .manual }

    /// Whether a repair sends it through the stages.
    fileprivate var isJudgedInRepair: Bool {
        header.action == TradeAction.new.rawValue && !header.flags.contains(.snapshot)
    }
}
