internal import MarketModel
internal import Primitives
internal import StreamCore

/// The stages of a repair. Ticks that came at their time go through them in the order of the tape,
/// as they did at first. Ticks that were fetched later are much later on the tape, among ticks of
/// another time. They are noted in the first pass, and each is judged by its event time, at the
/// place where it would have come, and at the latest where it came. If the same tick also came at
/// its time, that one counts. Where only joins remember ticks, those that were fetched for other
/// symbols decide nothing, and are not noted.
///
/// A *stage* is a node that lets ticks pass or not: a filter, a throttle, a deduplicator. A tick's
/// *way* says which places of the graph it reached. A fetched tick's *twin* is the same tick that
/// also came at its time. To *judge* a fetched tick is to run it through the stages.
///
/// Deduplicators see a trade as it came, so a correction makes no repetition count that was left
/// out. All other stages see it as it was corrected later.
struct RepairStages: Sendable {
    /// The maximum number of fetched ticks: 101 MB. Further ones are judged at their place on the
    /// tape, and counted.
    static let fetchedMax = 524_288
    /// Fetched ticks that are older than the reading by this decide nothing in it, and take no
    /// place: they were fetched for another day. It is more than clocks differ.
    static let olderNanoseconds: Int64 = 3_600_000_000_000

    private struct Fetched: Sendable, BitwiseCopyable {
        let tick: KeptTicks.Step
        let ordinal: UInt64
        /// The source; `nil` for `manual`.
        let source: Int?
        /// The source that fed its symbol where it is on the tape.
        let feeder: Int
        /// Its event time, by which it is judged.
        let time: Int64
        /// By deduplicator, a bit that is set if the tick has a twin there.
        var twins: UInt64 = 0
        /// The result, once it is judged.
        var way = TickStages.Way(passed: 0)
        var isJudged = false
    }

    /// The fetched ticks of one source or group. As in the stages, each one has a clock of its own.
    private struct Queue: Sendable {
        /// The indexes of its fetched ticks, in the order of their times.
        var order: [Int] = []
        /// How many of `order` are judged by the clock.
        var judged = 0
        /// The latest time of its ticks that came at their time.
        var clock = Int64.min
    }

    /// The fetched ticks of one symbol.
    private struct OfSymbol: Sendable {
        /// Their indexes, in the order of their times.
        var order: [Int] = []
        /// How many of `order` are judged at the latest.
        var judged = 0
    }

    private struct Queues: Sendable {
        /// By owner of symbols, as the stages number them.
        var ofOwner: [Queue] = []
        var ofSymbol: [UInt32: OfSymbol] = [:]
    }

    /// Fetched ticks for which there was no room.
    private(set) var unplaced: UInt64 = 0
    private var stages: TickStages
    private let plan: GraphPlan
    /// Whether the results of stages depend on earlier ticks.
    private let remembers: Bool
    /// By deduplicator, the ticks that came at their time. Emptied after the first pass.
    private var sightings: [TickSightings]
    /// By deduplicator, the kind of records that it takes.
    private let kinds: [DataKind]
    /// By symbol, in the first pass: the source that feeds it. Fetched ticks of `manual` count as
    /// its ticks.
    private var feedOf: [Int]
    /// The symbols whose ticks that came at their time are noted; `nil` for all symbols.
    private let symbols: Set<UInt32>?
    /// The fetched ticks in the order of the tape.
    private var fetched: [Fetched] = []
    private let max: Int
    /// Fetched ticks before this time are not judged.
    private let since: Int64
    /// Whether those of all symbols are: other nodes than joins remember ticks, and their clocks
    /// are those of a source or group.
    private let placesAll: Bool
    /// Which trades were corrected later. It is known in the second pass.
    private var changes = TradeChanges()
    private var queues = Queues()
    /// How many fetched ticks came again in the second pass.
    private var answered = 0
    /// Receives the output of stages, which is not published in a repair.
    private var unseen = GraphOutput()

    init(_ machine: GraphMachine, _ repair: RepairPlan, max: Int = Self.fetchedMax) {
        since = repair.from.advanced(byNanoseconds: -Self.olderNanoseconds).nanoseconds
        plan = machine.program.plan
        stages = TickStages(machine.program)
        remembers = plan.remembers
        placesAll =
            !(plan.deduplicates.isEmpty && plan.throttles.isEmpty && plan.customs.isEmpty)
        sightings = plan.deduplicates.map { TickSightings($0) }
        kinds = plan.deduplicates.indices.map { [plan] index in
            [.trade, .quote].first {
                plan.ticks(of: $0).stages.contains { $0.kind == .deduplicate && $0.index == index }
            } ?? .providerBar
        }
        feedOf = machine.symbols.sources
        symbols = plan.mixesSymbols ? nil : Set(repair.symbols)
        self.max = max
        for index in 0..<UInt32(machine.symbols.count) {
            stages.define(index, machine.symbols.pair(at: index))
        }
        queues.ofOwner = stages.owners.map { _ in Queue() }
    }

    /// Returns whether the tick has to go through the stages.
    private func isJudged(_ tick: KeptTicks.Step) -> Bool {
        if case .providerBar(let bar) = tick { return bar.isForStages(inRepair: true) }
        return tick.header?.isForStages(inRepair: true) ?? false
    }

    /// Returns whether a tick was fetched for a time or a symbol that decides nothing here.
    private func isOfOthers(_ header: TickHeader) -> Bool {
        guard header.flags.contains(.backfilled) else { return false }
        return header.stageTime.nanoseconds < since
            || !placesAll && !(symbols?.contains(header.symbol) ?? true)
    }

    // MARK: the first pass

    /// Whether the source feeds the symbol, in the first pass.
    func isFed(_ symbol: UInt32, by source: Int) -> Bool {
        symbol < feedOf.count && feedOf[Int(symbol)] == source
    }

    /// Notes that another source feeds the symbol from here on.
    mutating func feed(_ symbol: UInt32, from source: Int) { feedOf[Int(symbol)] = source }

    /// Notes a tick. Has to be called for every tick in the order of the tape. `source` is `nil`
    /// for `manual`.
    mutating func note(_ tick: KeptTicks.Step, _ ordinal: UInt64, source: Int?) {
        guard remembers, let header = tick.header, isJudged(tick), header.symbol < feedOf.count,
            (source ?? feedOf[Int(header.symbol)]) == feedOf[Int(header.symbol)],
            plan.ticks(of: tick.kind).isUsed, !isOfOthers(header)
        else { return }
        if header.flags.contains(.backfilled) {
            guard fetched.count < max else {
                unplaced &+= 1
                return
            }
            fetched.append(
                Fetched(
                    tick: tick, ordinal: ordinal, source: source,
                    feeder: feedOf[Int(header.symbol)],
                    time: header.stageTime.nanoseconds))
        } else if symbols?.contains(header.symbol) ?? true {
            for place in sightings.indices where kinds[place] == tick.kind {
                sightings[place].note(tick)
            }
        }
    }

    /// Ends the first pass. Has to be called between the passes.
    mutating func endNotes(_ changes: TradeChanges) {
        self.changes = changes
        for place in fetched.indices {
            let tick = fetched[place].tick
            for (bit, seen) in sightings.enumerated()
            where kinds[bit] == tick.kind && seen.contains(tick) {
                fetched[place].twins |= 1 << UInt64(bit)
            }
        }
        sightings = []
        let order = fetched.indices.sorted { (fetched[$0].time, $0) < (fetched[$1].time, $1) }
        for place in order {
            guard let header = fetched[place].tick.header else { continue }
            queues.ofOwner[stages.owner(of: header.symbol)].order.append(place)
            queues.ofSymbol[header.symbol, default: OfSymbol()].order.append(place)
        }
    }

    // MARK: the second pass

    /// Notes that the source feeds the symbol from here on, and maybe did not before.
    mutating func forgetOthers(of symbol: UInt32, fedBy source: Int) {
        stages.forgetOthers(of: symbol, fedBy: source)
    }

    /// Takes a row of a book by the source that feeds its symbol.
    mutating func take(_ update: DepthUpdate, from source: Int) {
        stages.books.take(update, from: source)
    }

    mutating func take(_ reset: DepthReset, from source: Int) {
        stages.books.take(reset, from: source)
    }

    /// The event time of the last reset of a symbol's book; `nil` when it is not known.
    func bookSince(_ symbol: UInt32) -> Int64? { stages.books.since(symbol) }

    /// Returns what a node knows of a book behind a change, and how far it comes. `isVoid` says
    /// that changes since the book's last reset are missing.
    mutating func way(
        of book: BookPlan, _ change: BookChange, isVoid: Bool
    ) -> (tick: BookTick, way: TickStages.Way) {
        defer { unseen.removeAll() }
        return stages.run(
            book, plan.depth, change, isVoid: isVoid, into: &unseen)
    }

    /// Returns how far a tick comes whose symbol `feeder` feeds. It is given as it came. Has to be
    /// called in the same order.
    mutating func way(
        of tick: KeptTicks.Step, _ ordinal: UInt64, source: Int?, feeder: Int
    ) -> TickStages.Way {
        guard let header = tick.header, isJudged(tick) else {
            return TickStages.Way(passed: UInt64.max)
        }
        guard !isOfOthers(header) else { return TickStages.Way(passed: 0) }
        let found = Fetched(
            tick: tick, ordinal: ordinal, source: source, feeder: feeder,
            time: header.stageTime.nanoseconds)
        guard remembers else { return run(found) }
        let owner = stages.owner(of: header.symbol)
        guard header.flags.contains(.backfilled) else {
            let time = header.stageTime
            if time.isDefined {
                let clock = queues.ofOwner[owner].clock
                queues.ofOwner[owner].clock = Swift.max(clock, time.nanoseconds)
            }
            judge(queues.ofOwner[owner].clock, of: owner)
            return run(found)
        }
        guard answered < fetched.count else { return run(found) }
        // At the latest here, and after those of its symbol with an earlier time.
        let place = answered
        answered += 1
        judge(header.symbol, upTo: fetched[place].time)
        return fetched[place].way
    }

    /// Judges a symbol's fetched ticks up to a time.
    private mutating func judge(_ symbol: UInt32, upTo time: Int64) {
        guard var own = queues.ofSymbol[symbol] else { return }
        while own.judged < own.order.count, fetched[own.order[own.judged]].time <= time {
            judge(own.order[own.judged])
            own.judged += 1
        }
        queues.ofSymbol[symbol] = own
    }

    /// Judges an owner's fetched ticks before `end`.
    private mutating func judge(_ end: Int64, of owner: Int) {
        while queues.ofOwner[owner].judged < queues.ofOwner[owner].order.count {
            let place = queues.ofOwner[owner].order[queues.ofOwner[owner].judged]
            guard fetched[place].time < end else { return }
            queues.ofOwner[owner].judged += 1
            judge(place)
        }
    }

    /// Judges a fetched tick, if it is not yet.
    private mutating func judge(_ place: Int) {
        guard !fetched[place].isJudged else { return }
        fetched[place].isJudged = true
        fetched[place].way = run(fetched[place])
    }

    private mutating func run(_ one: Fetched) -> TickStages.Way {
        defer { unseen.removeAll() }
        switch one.tick {
        case .trade(let trade):
            let corrected = changes.corrected(trade, one.ordinal, source: one.source)
            return stages.run(
                plan.trades.stages,
                RepairedTradeInStages(
                    inStages: TradeInStages(
                        trade: corrected, source: one.feeder, ordinal: 0, twins: one.twins),
                    original: trade),
                root: plan.trades.bit(of: .ticks(.trade)), into: &unseen)
        case .quote(let quote):
            return stages.run(
                plan.quotes,
                QuoteInStages(quote: quote, source: one.feeder, ordinal: 0, twins: one.twins),
                root: plan.quotes.bit(of: .ticks(.quote)), into: &unseen)
        case .providerBar(let bar):
            return stages.run(
                plan.providerBars.stages,
                ProviderBarInStages(bar: bar, source: one.feeder, ordinal: 0, twins: one.twins),
                root: plan.providerBars.bit(of: .ticks(.providerBar)), into: &unseen)
        case .row, .reset, .book, .move: return TickStages.Way(passed: 0)
        }
    }
}

extension KeptTicks.Step {
    /// The kind of record; `nil` for a move.
    fileprivate var kind: DataKind? {
        switch self {
        case .trade: .trade
        case .quote: .quote
        case .providerBar: .providerBar
        case .row, .reset, .book: .depth
        case .move: nil
        }
    }

    var header: TickHeader? {
        switch self {
        case .trade(let trade): trade.header
        case .quote(let quote): quote.header
        case .providerBar(let bar): bar.header
        case .row(let update): update.header
        case .reset(let reset): reset.header
        case .book(let change): change.header
        case .move: nil
        }
    }
}

extension TickSightings {
    fileprivate mutating func note(_ tick: KeptTicks.Step) {
        switch tick {
        case .trade(let trade): note(trade)
        case .quote(let quote): note(quote)
        case .providerBar(let bar): note(bar)
        case .row, .reset, .book, .move: break
        }
    }

    fileprivate func contains(_ tick: KeptTicks.Step) -> Bool {
        switch tick {
        case .trade(let trade): contains(trade)
        case .quote(let quote): contains(quote)
        case .providerBar(let bar): contains(bar)
        case .row, .reset, .book, .move: false
        }
    }
}
