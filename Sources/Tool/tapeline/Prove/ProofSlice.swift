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
    let partition: Partition
    private let range: Range<Int64>
    private let read: Range<Int64>
    /// A bar that ends later may not be stored yet, on a stack that is running.
    var storedBy = Int64.max
    /// The nodes whose numbers are proven, from the tape alone: of what was late for them there is
    /// no list.
    var aggregates: [ProofAggregate] = []
    private let traits: Traits

    private static let day: Int64 = 86_400_000_000_000

    var stored: [ProofKey: StoredBar] = [:]
    private var numbers = StoredValues()
    var records = ProofRecords()
    /// How far the tape has come, per symbol. Bars that close no later must be stored.
    private var reached: [SourceSymbol: Int64] = [:]
    private(set) var ticks = 0
    private var closedByFeed: [ProofDatabase.Feed: Int64] = [:]
    /// Stored ticks that were fetched later, if their places matter.
    private var fetched: [ProofTick] = []

    private struct Traits {
        /// Series whose bars end by ticks.
        let numbered: Set<SeriesName>
        let lateness: [SeriesName: Int64]
        /// Series that the tables cannot prove, because they have no lots.
        let onLots: Set<SeriesName>

        init(_ definition: GraphDefinition, _ series: [SeriesName]) {
            numbered = Set(definition.allSeries.filter { $0.window.isByNumber }.map(\.name))
            lateness = Dictionary(
                definition.allSeries.map { ($0.name, $0.lateness) }
            ) { first, _ in first }
            onLots = Set(series.filter { definition.needsLots($0) })
        }
    }

    /// The numbers of aggregates that are stored.
    private struct StoredValues {
        var all: [ProofValueKey: Int128] = [:]
        /// Symbols of which a person asked for a repair after the range began.
        var repaired: Set<Symbol> = []
    }

    var from: Int64 { range.lowerBound }
    var to: Int64 { range.upperBound }
    /// Ticks before `from` matter through what nodes remember of them. They are read from this time
    /// on.
    var since: Int64 { read.lowerBound }
    /// Ticks after `to` may belong to bars that open before it. They are read up to this time.
    var until: Int64 { read.upperBound }

    init(
        _ program: GraphProgram, series: [SeriesName], symbols: [Symbol],
        _ partition: Partition, _ range: Range<Int64>, until: Int64
    ) {
        self.program = program
        self.series = series
        self.symbols = symbols
        self.partition = partition
        self.range = range
        read = range.lowerBound - program.definition.memory..<until
        traits = Traits(program.definition, series)
    }

    private var definition: GraphDefinition { program.definition }

    /// Series after nodes that keep ticks back.
    private var keptBack: Set<SeriesName> { Set(series.filter(definition.keepsBack)) }

    private var scope: ProofMachine.Scope {
        ProofMachine.Scope(
            symbols: Set(symbols), series: Set(series), from: from, to: to)
    }

    private var kinds: [DataKind] { definition.kinds }

    /// Loads the stored bars and the records about their ticks.
    mutating func load(_ database: ProofDatabase) throws(ToolError) {
        for symbol in symbols {
            for bar in try database.bars(symbol, series, from, to) { stored[bar.key] = bar }
            try loadValues(symbol, database)
            try database.lateTicks(symbol, definition.groups, since, until, into: &records)
            try database.tradeChanges(symbol, definition.groups, since, until, into: &records)
            var noted = records
            var found: [ProofTick] = []
            let remembers = definition.remembers
            for kind in kinds {
                try database.ticks(
                    symbol, definition.groups, kind, since, until, onlyChanges: true
                ) { tick throws(ToolError) in
                    noted.note(tick)
                    if remembers, tick.isFetched { found.append(tick) }
                }
            }
            records = noted
            fetched += found
            try check(fetched)
            guard records.count < ProofRecords.max else {
                throw .refused(
                    "more than \(ProofRecords.max) late, corrected or backfilled ticks of "
                        + "\(symbol) and others: prove fewer symbols, or a shorter time")
            }
        }
    }

    private mutating func loadValues(
        _ symbol: Symbol, _ database: ProofDatabase
    ) throws(ToolError) {
        guard !aggregates.isEmpty else { return }
        let values = try database.values(symbol, valueNames, from..<to, until: until)
        numbers.all.merge(values) { $1 }
        if try database.wasRepaired(symbol, after: from) { numbers.repaired.insert(symbol) }
    }

    private var valueNames: Set<String> {
        aggregates.reduce(into: []) { $0.formUnion($1.names) }
    }

    private func isMended(_ key: ProofValueKey) -> Bool {
        guard let symbol = key.symbol else { return false }
        // A quote may count for trades that come later.
        return numbers.repaired.contains(symbol.symbol)
            || records.isDirty(
                symbol, from: key.from, to: key.to, quoteAge: definition.quoteAgeMax)
    }

    private func check(_ fetched: [ProofTick]) throws(ToolError) {
        guard fetched.count <= ProofPlaces.max else {
            throw .refused(
                "more than \(ProofPlaces.max) ticks were fetched later, and the graph has nodes "
                    + "that remember earlier ones: prove fewer symbols, or a shorter time")
        }
    }

    private var needsMending: Bool {
        stored.values.contains(where: \.isRepaired) || !records.dirty.isEmpty
            || !numbers.repaired.isEmpty
    }

    /// Returns whether the bar was made by reading the tape again, or should have been.
    func isMended(_ key: ProofKey, _ bar: Bar) -> Bool {
        stored[key]?.isRepaired == true
            || records.isDirty(
                key, until: bar.closeTime.nanoseconds,
                quoteAge: definition.quoteAge(of: key.series))
    }

    /// Returns for each bar the computation that applies to it. That of mended ticks knows no gaps,
    /// so whether ticks are missing in a bar is what the live one says.
    ///
    /// `filled` are bars over a gap that was filled while they were open. An operator takes their
    /// mark away when it has read the ticks again, and no record says whether that was before the
    /// bar was published. So the stored mark is believed.
    func chosen(
        _ live: [ProofKey: Bar], _ mended: [ProofKey: Bar], filled: Set<ProofKey> = []
    ) -> [ProofKey: Bar] {
        var live = live
        for key in filled where stored[key]?.bar.flags.contains(.partial) == false {
            live[key]?.flags.remove(.partial)
        }
        var chosen = live.filter { !isMended($0.key, $0.value) }
        for (key, var bar) in mended where isMended(key, bar) {
            if live[key]?.flags.contains(.partial) ?? false { bar.flags.insert(.partial) }
            chosen[key] = bar
        }
        return chosen
    }

    /// Returns the earliest time at which an open bar is published by time alone. A bar by amount
    /// that is not full waits for the end of its session.
    private func due(_ key: ProofKey, _ bar: Bar) -> Int64 {
        var close = bar.closeTime
        if bar.flags.contains(.filled) {
            // During this time a tick may still replace the filled bar.
            close = close.advanced(byNanoseconds: traits.lateness[key.series] ?? 0)
        }
        guard bar.flags.contains(.partial), traits.numbered.contains(key.series) else {
            return close.nanoseconds
        }
        return close.floored(toNanoseconds: Self.day).advanced(byNanoseconds: Self.day).nanoseconds
    }

    // MARK: from the tables

    /// Call after `fromTape`, which knows more exactly how far the operators have come.
    mutating func fromTables(
        _ database: ProofDatabase, into comparison: inout ProofComparison
    ) throws(ToolError) {
        for symbol in symbols {
            var recount = ProofRecount(
                self, scope: scope, symbols: [symbol], fetched: try fetched(of: symbol, database))
            var owners: Set<SourceSymbol> = []
            let records = records
            func read(_ tick: ProofTick) throws(ToolError) {
                owners.insert(tick.symbol)
                try recount.take(tick, records)
            }
            if definition.hasJoin {
                try database.merged(symbol, definition.groups, kinds, since..<until, read)
            } else {
                for kind in kinds {
                    try database.ticks(symbol, definition.groups, kind, since, until, read)
                }
            }
            let computed = try recount.finish(records)
            ticks += recount.ticks
            // A bar may still be open unless a later bar is stored. No index covers a bar's source,
            // so this is asked once and not per symbol.
            var over: [SourceSymbol: Int64] = [:]
            for owner in owners {
                let closed = try closed(database, ProofDatabase.Feed(owner.source, partition))
                over[owner] = max(closed, reached[owner] ?? Int64.min)
            }
            comparison.compare(
                stored.values.filter {
                    $0.key.symbol.symbol == symbol && !traits.onLots.contains($0.key.series)
                },
                with: chosen(computed.live, computed.mended).filter {
                    !traits.onLots.contains($0.key.series)
                },
                ProofComparison.Rule(looksAtFlags: false, keptBack: keptBack)
            ) { due($0, $1) <= min(over[$0.symbol] ?? Int64.max, storedBy) }
        }
    }

    /// Returns the stored fetched ticks of a symbol, marked where they also came at their time.
    private func fetched(
        of symbol: Symbol, _ database: ProofDatabase
    ) throws(ToolError) -> [ProofTick] {
        let fetched = ProofPlaces.inOrder(fetched.filter { $0.symbol.symbol == symbol })
        var twins = ProofTwins(definition)
        guard !fetched.isEmpty, !twins.isEmpty else { return fetched }
        for kind in kinds {
            try database.ticks(symbol, definition.groups, kind, since, until) {
                tick throws(ToolError) in
                twins.note(tick)
            }
        }
        return twins.marked(fetched)
    }

    private mutating func closed(
        _ database: ProofDatabase, _ feed: ProofDatabase.Feed
    ) throws(ToolError) -> Int64 {
        if let known = closedByFeed[feed] { return known }
        let found = try database.closed(feed, from, until)
        closedByFeed[feed] = found
        return found
    }

    // MARK: from the tape

    mutating func fromTape(
        _ tape: ProofTape, into comparison: inout ProofComparison, _ values: inout ProofValues
    ) throws(ToolError) -> ProofTape.Ending {
        var scope = scope
        scope.values = valueNames
        var machine = ProofMachine(program, scope)
        let lateness = definition.latenessMax
        let end = Timestamp(nanoseconds: until).advanced(byNanoseconds: lateness)
        let fed = Set(stored.keys.map(\.symbol))
        let ending = try tape.read(from: since) { header, bytes throws(ToolError) in
            try machine.take(header, bytes)
            guard machine.watermark >= end else { return true }
            // A source that is behind, or silent, may not have delivered yet.
            return !fed.union(symbols.flatMap { machine.sources(of: $0) }).allSatisfy { pair in
                machine.watermark(of: pair).map { $0 >= end } ?? false
            }
        }
        guard ending == .whole else { return ending }
        // If bars are stored but none of their ticks is, the tape was purged.
        guard machine.ticks > 0 || stored.isEmpty && numbers.all.isEmpty else { return .cut }
        ticks += machine.ticks
        for symbol in symbols.flatMap({ machine.sources(of: $0) }) {
            reached[symbol] = machine.watermark(of: symbol)?.nanoseconds
        }
        var mended = ProofRecount.Outcome()
        if needsMending {
            guard try mend(tape, into: &mended) == .whole else { return .interrupted }
        }
        let live = machine.bars
        values.compare(
            numbers.all, with: machine.values, mended.values, isMended: { isMended($0) },
            isOver: { $0.to <= min(storedBy, $0.symbol.flatMap { reached[$0] } ?? Int64.min) })
        comparison.compare(
            Array(stored.values),
            with: chosen(live, mended.mended, filled: machine.filledWhileOpen),
            ProofComparison.Rule(looksAtFlags: true)
        ) { key, bar in
            let due = due(key, bar)
            return due <= storedBy && (live[key] != nil || due <= reached[key.symbol] ?? Int64.min)
        }
        return ending
    }

    /// Reads the tape once more, to its end, because corrections come after the bar that they
    /// change.
    private mutating func mend(
        _ tape: ProofTape, into mended: inout ProofRecount.Outcome
    ) throws(ToolError) -> ProofTape.Ending {
        let (since, until, records, groups) = (since, until, records, definition.groups)
        var fetched: [ProofTick] = []
        if !self.fetched.isEmpty {
            // The tape has the lots, which the tables lack.
            let names = Set(symbols)
            var twins = ProofTwins(definition)
            let ending = try tape.read(from: since) { header, bytes throws(ToolError) in
                try ProofTape.ticks(header, bytes, groups) { tick throws(ToolError) in
                    guard names.contains(tick.symbol.symbol), tick.time >= since,
                        tick.time < until
                    else { return }
                    if tick.isFetched { fetched.append(tick) } else { twins.note(tick) }
                }
                return fetched.count <= ProofPlaces.max
            }
            guard ending == .whole else { return ending }
            try check(fetched)
            fetched = twins.marked(fetched)
        }
        var recount = ProofRecount(
            self, scope: scope, symbols: Set(symbols), fetched: fetched, aggregates: aggregates)
        let ending = try tape.read(from: since) { header, bytes throws(ToolError) in
            try ProofTape.ticks(header, bytes, groups) { tick throws(ToolError) in
                guard tick.time >= since, tick.time < until else { return }
                try recount.take(tick, records)
            }
            return true
        }
        mended = try recount.finish(records)
        return ending
    }

    // MARK: parts

    var revisions: [ProofKey: UInt64] { stored.mapValues(\.revision) }
    fileprivate var wantsMended: Bool { needsMending }
}

/// Runs ticks in any order through machines for which nothing is late. There is one machine per
/// series, because each series has its own late ticks.
struct ProofRecount {
    fileprivate struct Line {
        /// The series, and those that its bars are made of.
        let series: [SeriesName]
        /// The nodes before it that remove duplicates.
        let deduplicates: [SeriesName]
        var machine: ProofMachine
        var packets = ProofPackets()
    }

    private var live: [Line]
    private var mended: [Line]
    private let symbols: Set<Symbol>
    private let revisions: [ProofKey: UInt64]
    private(set) var ticks = 0
    /// The fetched ticks that the mended lines are given at their places; those that come are not
    /// given again.
    private var places: ProofPlaces
    private let placesFetched: Bool
    /// With a join, the source of the last tick that came at its time. A fetched tick comes in its
    /// packets: it moves no symbol to another member of a group.
    private var feeders: [SourceSymbol: SourceName] = [:]
    private let hasJoin: Bool

    /// `fetched` are all fetched ticks if their places matter, in the order of the tape.
    init(
        _ slice: ProofSlice, scope: ProofMachine.Scope, symbols: Set<Symbol>,
        fetched: [ProofTick], aggregates: [ProofAggregate] = []
    ) {
        var scope = scope
        scope.symbols = symbols
        let program = slice.program
        live = slice.series.map { name in
            var own = scope
            own.series = [name]
            return Line(
                series: program.definition.made(name),
                deduplicates: program.definition.deduplicates(
                    before: name, withQuotes: true),
                machine: ProofMachine(program, own))
        }
        mended = live.map { line in
            var line = line
            var own = scope
            own.series = Set(line.series.prefix(1))
            line.machine = ProofMachine(program, own, takesFetched: true)
            return line
        }
        mended += aggregates.map { node in
            var own = scope
            (own.series, own.values) = ([], node.names)
            return Line(
                series: [], deduplicates: node.deduplicates,
                machine: ProofMachine(program, own, takesFetched: true))
        }
        if !slice.wantsMended { mended = [] }
        places = ProofPlaces(fetched)
        placesFetched = !fetched.isEmpty
        hasJoin = program.definition.hasJoin
        self.symbols = symbols
        revisions = slice.revisions
    }

    mutating func take(_ tick: ProofTick, _ records: ProofRecords) throws(ToolError) {
        // Ticks of other symbols move the clock of their source or group.
        for earlier in places.due(tick) where !mended.isEmpty { try mend(earlier, records) }
        guard symbols.contains(tick.symbol.symbol) else { return }
        ticks += 1
        for index in live.indices {
            // The live computation ignores what a person puts on the tape.
            guard tick.source != .manual else { break }
            try live[index].take(records.live(tick, live[index].lists))
        }
        guard !mended.isEmpty else { return }
        guard !tick.isFetched || !placesFetched else { return }
        if hasJoin, tick.source != .manual, !tick.isFetched { feeders[tick.symbol] = tick.source }
        try mend(tick, records)
    }

    /// Gives a tick to the mended lines.
    private mutating func mend(_ tick: ProofTick, _ records: ProofRecords) throws(ToolError) {
        let feeder = feeders[tick.symbol]
        for index in mended.indices {
            let taken = records.mended(tick, mended[index].lists, revisions)
            if !taken.isLeftOut { try mended[index].take(taken, by: feeder) }
        }
    }

    /// What the ticks made.
    struct Outcome {
        var live: [ProofKey: Bar] = [:]
        var mended: [ProofKey: Bar] = [:]
        /// Counts mended lines alone.
        var values: [ProofValueKey: Int128] = [:]
    }

    mutating func finish(_ records: ProofRecords) throws(ToolError) -> Outcome {
        for tick in places.rest() where !mended.isEmpty { try mend(tick, records) }
        var all = Outcome()
        for index in live.indices {
            all.live.merge(try live[index].finish()) { $1 }
        }
        for index in mended.indices {
            all.mended.merge(try mended[index].finish()) { $1 }
            all.values.merge(mended[index].machine.values) { $1 }
        }
        return all
    }
}

extension ProofRecount.Line {
    fileprivate var lists: ProofRecords.Lists {
        ProofRecords.Lists(series: series, deduplicates: deduplicates)
    }

    fileprivate mutating func take(
        _ tick: ProofTick, by feeder: SourceName? = nil
    ) throws(ToolError) {
        try packets.add(tick, by: feeder, to: &machine)
    }

    fileprivate mutating func finish() throws(ToolError) -> [ProofKey: Bar] {
        try packets.flush(to: &machine)
        try machine.close(packets.sources)
        return machine.bars
    }
}
