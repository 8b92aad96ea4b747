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
        let time: Int64
    }

    private let nodes: [GraphNode]
    private var kept: [Int: [SourceSymbol: [Kept]]] = [:]
    private var feeds: [SourceSymbol: SourceName] = [:]

    init(_ nodes: [GraphNode]) { self.nodes = nodes }

    /// Notes who feeds a symbol. The quotes of the member before it are forgotten.
    mutating func feed(_ symbol: SourceSymbol, from source: SourceName) {
        guard feeds.updateValue(source, forKey: symbol) != source else { return }
        for join in kept.keys { kept[join]?[symbol] = nil }
    }

    /// Keeps a quote that reached a join at this time of its clock.
    mutating func keep(_ quote: Quote, of symbol: SourceSymbol, at time: Int64, join: Int) {
        kept[join, default: [:]][symbol, default: []].append(Kept(quote: quote, time: time))
    }

    /// Returns the last quote that is not too old for a trade.
    func quote(of symbol: SourceSymbol, at time: Int64, join: Int, maxAge: Int64) -> Quote? {
        kept[join]?[symbol]?.last { time - $0.time <= maxAge }?.quote
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
    /// latest receive times of the others. `mended` gives the trades their corrected values.
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
        var clocks: [SourceName: Int64] = [:]
        var keyed: [(time: Int64, isFetched: Bool, place: Int)] = []
        for (place, step) in steps.enumerated() {
            switch step {
            case .feed(let symbol, _):
                keyed.append((clocks[symbol.source] ?? Int64.min, false, place))
            case .tick(let tick) where tick.isFetched:
                keyed.append((tick.time, true, place))
            case .tick(let tick):
                let owner = tick.symbol.source
                let before = clocks[owner] ?? Int64.min
                let time = tick.header.receiveTime
                let isClock = tick.isJudgedInRepair && time.isDefined
                let clock = isClock ? max(before, time.nanoseconds) : before
                clocks[owner] = clock
                keyed.append((clock, false, place))
            }
        }
        keyed.sort {
            ($0.time, $0.isFetched ? 1 : 0, $0.place) < ($1.time, $1.isFetched ? 1 : 0, $1.place)
        }
        return keyed.map { steps[$0.place] }
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
