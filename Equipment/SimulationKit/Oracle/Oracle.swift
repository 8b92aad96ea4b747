internal import MarketModel
package import OperatorGraph
internal import Primitives
internal import StreamCore
internal import TapeCodec

/// Computes what a graph must make of a tape, as a person would on paper. Every tick goes onto a
/// list of its window. At the end each list is sorted and folded into a bar.
///
/// It shares no code with the machines, keeps everything, and is slow.
package struct Oracle {
    private let definition: GraphDefinition
    private var clock = OracleClock()
    private var stages: OracleStages
    private var leaves: [OracleLeaf]
    private var providerBars: [OracleProviderBars]
    /// All ticks on the tape so far, for repairs.
    private var standing: [LoggedTick] = []
    private var dirty: [OracleRepair] = []
    /// People's changes of single trades so far, in order.
    private var changes: [OracleChange] = []
    private var missing = OracleMissing()
    /// With a join, all ticks and definitions so far.
    private var steps: [OracleStep] = []
    private let hasJoin: Bool
    private var books = OracleBooks()
    private let hasBooks: Bool
    /// The gaps of the present packet.
    private var gaps: [OracleMissing.Record] = []

    package static func result(
        of definition: GraphDefinition, over packets: [SimulatedPacket]
    ) -> OracleResult {
        var oracle = Oracle(definition)
        for event in LoggedTape(packets, definition.groups).events { oracle.take(event) }
        return oracle.result()
    }

    private init(_ definition: GraphDefinition) {
        self.definition = definition
        hasJoin = definition.nodes.contains { $0.operation.quotes != nil }
        hasBooks = definition.nodes.contains { $0.input == .ticks(.depth) }
        stages = OracleStages(definition)
        leaves = definition.nodes.enumerated().flatMap { Self.leaves(of: $1, $0, definition) }
        providerBars = definition.nodes.enumerated().flatMap { index, node in
            OracleProviderBars.all(of: node, index)
        }
    }

    private static func leaves(
        of node: GraphNode, _ index: Int, _ definition: GraphDefinition
    ) -> [OracleLeaf] {
        let (rules, calendar): ([(BarRule, [AggregateFunction])], String?)
        switch node.operation {
        case .bars(let rule, let name): (rules, calendar) = ([(rule, [])], name)
        case .aggregate(let rule, let name):
            // The spread is computed from the spread field, whichever field of a quote the other
            // functions use.
            var spread = rule.bars
            spread.field = .spread
            let parts = [
                (rule.bars, rule.functions.filter { $0 != .spread }),
                (spread, rule.functions.filter { $0 == .spread }),
            ]
            (rules, calendar) = (parts.filter { !$0.1.isEmpty }, name)
        default: return []
        }
        let sessions = definition.calendars.first { $0.name == calendar }
        return rules.flatMap { rule, functions in
            rule.series.all.map {
                var leaf = OracleLeaf(
                    node: index, series: $0, rule: rule, calendar: sessions, functions: functions)
                leaf.levels = OracleBooks.levels(of: node.input, definition.nodes)
                leaf.quoteAge =
                    leaf.levels > 0
                    ? OracleBooks.knownFor : OracleJoins.maxAge(node.input, definition.nodes)
                return leaf
            }
        }
    }

    private mutating func take(_ event: LoggedEvent) {
        switch event {
        case .packet: break
        case .definition(let definition, let source):
            if source != .manual { define(definition, source) }
        case .tick(let tick): take(tick)
        case .depth(let depth): if hasBooks { books.take(depth) }
        case .gap(let gap, let scope): mark(gap, scope)
        case .gapOfAll(let gap, let source):
            if let record = OracleMissing.Record(gap, LoggedScope(symbol: nil, source: nil)) {
                missing.note(record, ofAllOf: source)
            }
        case .repair(let request, let scope):
            mark(scope, .any, from: request.from, to: request.to)
        case .change(let change, let scope):
            changes.append(OracleChange(change: change, scope: scope))
            mark(
                scope, .trade, from: change.header.eventTime,
                to: change.header.eventTime.advanced(byNanoseconds: 1))
        case .watermark(let watermark, let source):
            if source != .manual { clock.advance(source, to: watermark) }
            for gap in gaps { books.lose(gap) }
            gaps = []
            repair()
        }
    }

    private mutating func define(_ definition: LoggedDefinition, _ source: SourceName) {
        missing.define(definition, source)
        stages.feed(definition.symbol, from: source)
        books.feed(definition.symbol, from: source)
        if hasJoin { steps.append(.feed(definition.symbol, source)) }
        guard clock.define(definition, source) else { return }
        books.lose(definition.symbol, before: definition.since.nanoseconds)
        for index in leaves.indices {
            leaves[index].restart(
                definition.symbol, since: definition.since.nanoseconds, clock)
        }
    }

    private mutating func take(_ found: LoggedTick) {
        let tick = hasBooks ? books.taken(found) : found
        standing.append(tick)
        if hasJoin { steps.append(.tick(tick)) }
        if tick.header.action != TradeAction.new.rawValue {
            mark(
                LoggedScope(tick.symbol), .trade, from: tick.header.eventTime,
                to: tick.header.eventTime.advanced(byNanoseconds: 1))
        }
        guard tick.id.source != .manual, !tick.header.flags.contains(.backfilled) else { return }
        // Stages only judge new ticks and finished bars.
        let isNew =
            tick.header.action == TradeAction.new.rawValue
            && !tick.header.flags.contains(.snapshot)
            && tick.providerBar?.flags.contains(.inProgress) != true
        let verdicts = isNew ? stages.take(tick) : []
        for index in leaves.indices {
            let input = definition.nodes[leaves[index].node].input
            let verdict =
                isNew
                ? stages.verdict(of: input, tick, verdicts)
                : stages.isOf(input, tick) ? .comes : .doesNotConcern
            leaves[index].take(tick, verdict, clock, hasJoin || hasBooks ? missing : nil)
        }
        for index in providerBars.indices where isNew {
            let input = definition.nodes[providerBars[index].node].input
            if stages.verdict(of: input, tick, verdicts) == .comes,
                providerBars[index].take(tick, clock), let bar = tick.providerBar,
                bar.flags.contains(.revised)
            {
                mark(
                    LoggedScope(tick.symbol), .providerBar, from: bar.openTime, to: bar.closeTime)
            }
        }
    }

    // MARK: repair

    private mutating func mark(_ gap: GapRecord, _ scope: LoggedScope) {
        guard let record = OracleMissing.Record(gap, scope) else { return }
        mark(
            scope, record.kind, from: gap.from, to: Timestamp(nanoseconds: record.to))
        missing.note(record)
        if clock.knows(scope) { gaps.append(record) }
    }

    private mutating func mark(
        _ scope: LoggedScope, _ kind: DataKind, from: Timestamp, to: Timestamp
    ) {
        guard from.isDefined, to.isDefined, from < to, clock.knows(scope) else {
            return
        }
        dirty.append(
            OracleRepair(
                scope: scope, kind: kind, from: from.nanoseconds, to: to.nanoseconds))
    }

    /// Repairs after the packet that requested it. In the windows that overlap, every tick on the
    /// tape counts, whenever it came, except for cancelled ones.
    private mutating func repair() {
        guard !dirty.isEmpty else { return }
        var mended = OracleRepair.mended(standing, changes)
        var verdicts = hasJoin ? OracleStages.repaired(definition, steps, mended) : [:]
        if hasBooks { verdicts.merge(mend(&mended)) { $1 } }
        let stages = stages
        for index in leaves.indices {
            let input = definition.nodes[leaves[index].node].input
            let own = mended.filter { stages.isOf(input, $0.tick) }
            leaves[index].repair(dirty, own, missing) { tick in
                guard let found = verdicts[tick.id] else { return false }
                return stages.verdict(of: input, tick, found) == .keptBack
            }
        }
        for index in providerBars.indices {
            providerBars[index].repair(dirty, standing, missing)
        }
        dirty = []
    }

    /// Gives the changes of books what a repair knows of them, and returns their verdicts.
    private func mend(
        _ mended: inout [OracleRepair.Mended]
    ) -> [LoggedTick.ID: [OracleStages.Verdict]] {
        let known = books.repaired(missing)
        var verdicts: [LoggedTick.ID: [OracleStages.Verdict]] = [:]
        for index in mended.indices {
            var tick = mended[index].tick
            guard let book = known[tick.id] else { continue }
            tick.book = book
            mended[index] = OracleRepair.Mended(tick: tick, isCancelled: false)
            // No node before a leaf of books remembers.
            var stages = OracleStages(definition)
            if !tick.header.flags.contains(.snapshot) { verdicts[tick.id] = stages.take(tick) }
        }
        return verdicts
    }

    // MARK: the end

    private func result() -> OracleResult {
        var result = OracleResult()
        for leaf in leaves {
            if leaf.functions.isEmpty {
                leaf.fold(clock, missing, into: &result)
            } else {
                leaf.numbers(
                    definition.nodes[leaf.node].name, clock, missing, into: &result)
            }
        }
        resample(into: &result)
        for bars in providerBars { bars.fold(clock, missing, into: &result) }
        for (name, ids) in stages.duplicates { result.late[name] = ids }
        return result
    }

    /// Makes bars of bars for nodes whose input makes bars of ticks.
    private func resample(into result: inout OracleResult) {
        for node in definition.nodes {
            guard case .resample(let rule) = node.operation, rule.provider == nil,
                let leaf = leaves.first(where: { $0.series.name == rule.from })
            else { continue }
            for (symbol, fine) in leaf.fine(clock, missing) {
                for series in rule.series.all {
                    let bars = OracleResample.bars(of: fine, series) { clock.isCut($0, symbol) }
                    for bar in bars {
                        let key = BarKey(
                            symbol: symbol, series: series.name, openTime: bar.openTime, number: 0)
                        result.bars[key] = bar
                    }
                }
            }
        }
    }
}

/// A stretch of the time of some symbols that has to be computed again.
struct OracleRepair {
    let scope: LoggedScope
    let kind: DataKind
    let from: Int64
    let to: Int64

    /// Returns the range with later times of trades that its quotes were paired with.
    func reaching(_ quoteAge: Int64) -> OracleRepair {
        OracleRepair(scope: scope, kind: kind, from: from, to: to + quoteAge)
    }

    func touches(_ window: OracleWindow, of symbol: SourceSymbol) -> Bool {
        scope.holds(symbol) && window.start < to && window.end > from
    }

    struct Mended {
        let tick: LoggedTick
        let isCancelled: Bool
    }

    /// Returns the ticks as if every correction had come with its trade.
    static func mended(_ standing: [LoggedTick], _ byPeople: [OracleChange]) -> [Mended] {
        let changes = standing.filter { $0.header.action != TradeAction.new.rawValue }
        return standing.map { tick in
            guard tick.header.action == TradeAction.new.rawValue, tick.trade != nil else {
                return Mended(tick: tick, isCancelled: false)
            }
            var mended = tick
            // What a person says of this very trade comes first, unless it was taken back.
            if let last = byPeople.last(where: { $0.concerns(tick) }), !last.isRestoring {
                if !last.isCancelling {
                    mended.trade?.price = last.change.price
                    mended.trade?.size = last.change.size
                }
                return Mended(tick: mended, isCancelled: last.isCancelling)
            }
            // The members of a group share the ids of trades. People may change trades of a source.
            let about = changes.filter {
                $0.symbol == tick.symbol
                    && ($0.id.source == .manual || tick.id.source != .manual)
                    && $0.header.providerID == tick.header.providerID
                    && tick.header.providerID != 0
            }
            guard let last = about.last, let change = last.trade else {
                return Mended(tick: tick, isCancelled: false)
            }
            mended.trade?.price = change.price
            mended.trade?.size = change.size
            mended.trade?.exchange = change.exchange
            mended.trade?.conditions = change.conditions
            return Mended(
                tick: mended, isCancelled: last.header.action == TradeAction.cancel.rawValue)
        }
    }
}

/// A person's change of one trade.
struct OracleChange {
    let change: TradeChange
    let scope: LoggedScope

    /// Whether it says what to do at all.
    var isUsable: Bool {
        switch TradeChangeAction(rawValue: change.change) {
        case .cancel, .restore: true
        case .correct: change.price.isDefined && change.size.isDefined && change.size.raw >= 0
        case nil: false
        }
    }

    var isCancelling: Bool { change.change == TradeChangeAction.cancel.rawValue }
    var isRestoring: Bool { change.change == TradeChangeAction.restore.rawValue }

    func concerns(_ tick: LoggedTick) -> Bool {
        isUsable && tick.id == LoggedTick.ID(source: change.source, ordinal: change.ordinal)
            && tick.header.eventTime == change.header.eventTime && scope.holds(tick.symbol)
    }
}
