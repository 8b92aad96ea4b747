import MarketModel
import OperatorGraph
import Primitives
import StreamCore
import TapeCodec

/// The bars of some symbols of one partition that open in one stretch of time, proven from their
/// ticks.
struct ProofSlice {
    let program: GraphProgram
    let series: [SeriesName]
    let symbols: [Symbol]
    let from: Int64
    let to: Int64
    /// Ticks before `from` decide by what nodes remember of them, from here on.
    let since: Int64
    /// Ticks behind `to` belong to bars that open before it, up to here.
    let until: Int64

    private(set) var stored: [ProofKey: StoredBar] = [:]
    private var records = ProofRecords()
    private(set) var ticks = 0

    init(
        _ program: GraphProgram, series: [SeriesName], symbols: [Symbol],
        _ range: Range<Int64>, until: Int64
    ) {
        self.program = program
        self.series = series
        self.symbols = symbols
        from = range.lowerBound
        since = from - program.definition.memory
        to = range.upperBound
        self.until = until
    }

    private var definition: GraphDefinition { program.definition }

    private var scope: ProofMachine.Scope {
        ProofMachine.Scope(
            symbols: Set(symbols), series: Set(series), from: from, to: to)
    }

    private var kinds: [DataKind] {
        definition.nodes.contains { $0.input == .ticks(.quote) } ? [.trade, .quote] : [.trade]
    }

    /// What is stored, and what happened to its ticks.
    mutating func load(_ database: ProofDatabase) throws(ToolError) {
        for symbol in symbols {
            for bar in try database.bars(symbol, series, from, to) { stored[bar.key] = bar }
            try database.lateTicks(symbol, since, until, into: &records)
            var noted = records
            for kind in kinds {
                try database.ticks(symbol, kind, since, until, onlyChanges: true) {
                    tick throws(ToolError) in
                    noted.note(tick)
                }
            }
            records = noted
            guard records.count < ProofRecords.max else {
                throw .refused(
                    "more than \(ProofRecords.max) late, corrected or backfilled ticks of "
                        + "\(symbol) and others: prove fewer symbols, or a shorter time")
            }
        }
    }

    private var needsMending: Bool {
        stored.values.contains(where: \.isRepaired) || !records.dirty.isEmpty
    }

    private func isMended(_ key: ProofKey, _ bar: Bar) -> Bool {
        stored[key]?.isRepaired == true
            || records.isDirty(key, until: bar.closeTime.nanoseconds)
    }

    /// Of each bar the computation that holds for it.
    private func chosen(_ live: [ProofKey: Bar], _ mended: [ProofKey: Bar]) -> [ProofKey: Bar] {
        live.filter { !isMended($0.key, $0.value) }
            .merging(mended.filter { isMended($0.key, $0.value) }) { $1 }
    }

    // MARK: from the tables

    mutating func fromTables(
        _ database: ProofDatabase, into comparison: inout ProofComparison
    ) throws(ToolError) {
        for symbol in symbols {
            var recount = ProofRecount(self, scope: scope, symbols: [symbol])
            for kind in kinds {
                try database.ticks(symbol, kind, since, until) { tick throws(ToolError) in
                    try recount.take(tick, records)
                }
            }
            let computed = try recount.finish()
            ticks += recount.ticks
            comparison.compare(
                stored.values.filter { $0.key.symbol == symbol },
                with: chosen(computed.live, computed.mended), looksAtFlags: false)
        }
    }

    // MARK: from the tape

    mutating func fromTape(
        _ tape: ProofTape, into comparison: inout ProofComparison
    ) throws(ToolError) -> ProofTape.Ending {
        var machine = ProofMachine(program, scope)
        let lateness = definition.latenessMax
        let end = Timestamp(nanoseconds: until).advanced(byNanoseconds: lateness)
        let ending = try tape.read(from: since) { header, bytes throws(ToolError) in
            try machine.take(header, bytes)
            return machine.watermark < end
        }
        guard ending == .whole else { return ending }
        ticks += machine.ticks
        var mended: [ProofKey: Bar] = [:]
        if needsMending {
            guard try mend(tape, into: &mended) == .whole else { return .interrupted }
        }
        let isOver = machine.watermark >= end
        let computed = chosen(machine.bars, mended)
        comparison.compare(
            Array(stored.values).filter { isOver || $0.bar.closeTime <= machine.watermark },
            with: computed, looksAtFlags: true)
        return ending
    }

    /// The tape once more, to its end: what mends a bar comes behind it.
    private mutating func mend(
        _ tape: ProofTape, into mended: inout [ProofKey: Bar]
    ) throws(ToolError) -> ProofTape.Ending {
        var recount = ProofRecount(self, scope: scope, symbols: Set(symbols))
        let (since, until, records) = (since, until, records)
        let ending = try tape.read(from: since) { header, bytes throws(ToolError) in
            try ProofTape.ticks(header, bytes) { tick throws(ToolError) in
                guard tick.time >= since, tick.time < until else { return }
                try recount.take(tick, records)
            }
            return true
        }
        mended = try recount.finish().mended
        return ending
    }

    // MARK: parts

    fileprivate var revisions: [ProofKey: UInt64] { stored.mapValues(\.revision) }
    fileprivate var wantsMended: Bool { needsMending }
}

/// Ticks of any order, through machines that nothing is late for: per series, because each has late
/// ticks of its own.
struct ProofRecount {
    fileprivate struct Line {
        /// The series, and those that it is made of.
        let series: [SeriesName]
        var machine: ProofMachine
        var packets = ProofPackets()
    }

    private var live: [Line]
    private var mended: [Line]
    private let symbols: Set<Symbol>
    private let revisions: [ProofKey: UInt64]
    private(set) var ticks = 0

    init(_ slice: ProofSlice, scope: ProofMachine.Scope, symbols: Set<Symbol>) {
        var scope = scope
        scope.symbols = symbols
        let program = slice.program
        live = slice.series.map { name in
            var own = scope
            own.series = [name]
            return Line(
                series: program.definition.made(name), machine: ProofMachine(program, own))
        }
        mended = slice.wantsMended ? live : []
        self.symbols = symbols
        revisions = slice.revisions
    }

    mutating func take(_ tick: ProofTick, _ records: ProofRecords) throws(ToolError) {
        guard symbols.contains(tick.symbol) else { return }
        ticks += 1
        for index in live.indices {
            // Live, what a person puts on the tape is passed by.
            guard tick.source != .manual else { break }
            try live[index].take(records.live(tick, live[index].series))
        }
        for index in mended.indices {
            try mended[index].take(
                records.mended(tick, mended[index].series, revisions))
        }
    }

    mutating func finish() throws(ToolError) -> (
        live: [ProofKey: Bar], mended: [ProofKey: Bar]
    ) {
        var all = (live: [ProofKey: Bar](), mended: [ProofKey: Bar]())
        for index in live.indices {
            all.live.merge(try live[index].finish()) { $1 }
        }
        for index in mended.indices {
            all.mended.merge(try mended[index].finish()) { $1 }
        }
        return all
    }
}

extension ProofRecount.Line {
    fileprivate mutating func take(_ tick: ProofTick) throws(ToolError) {
        try packets.add(tick, to: &machine)
    }

    fileprivate mutating func finish() throws(ToolError) -> [ProofKey: Bar] {
        try packets.flush(to: &machine)
        try machine.close(packets.sources)
        return machine.bars
    }
}

extension GraphDefinition {
    /// Of all nodes that make bars.
    var allSeries: [BarSeries] {
        nodes.flatMap { node in
            switch node.operation {
            case .bars(let rule, _): rule.series.all
            case .resample(let rule): rule.series.all
            default: [BarSeries]()
            }
        }
    }

    /// How long before a bar a tick may stand that has a say in it: what was seen then is a
    /// duplicate now, and bars that ticks end are counted from their session's start. What a
    /// custom operator remembers is its own affair; a day of it is read again, too.
    var memory: Int64 {
        let day: Int64 = 86_400_000_000_000
        let ofNodes = nodes.map { node -> Int64 in
            switch node.operation {
            case .deduplicate(let rule): rule.timeToLive
            case .throttle(let rule): rule.per
            case .custom: day
            default: 0
            }
        }
        let ofSeries = allSeries.contains { !$0.window.isByTime } ? day : 0
        return max(ofSeries, ofNodes.max() ?? 0)
    }

    var latenessMax: Int64 { allSeries.map(\.lateness).max() ?? 0 }

    /// A series, and the one that its bars are made of: a tick that is late there is late here.
    func made(_ name: SeriesName) -> [SeriesName] {
        for node in nodes {
            guard case .resample(let rule) = node.operation,
                rule.series.all.contains(where: { $0.name == name })
            else { continue }
            return [name] + made(rule.from)
        }
        return [name]
    }
}
