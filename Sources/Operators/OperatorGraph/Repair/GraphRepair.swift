internal import MarketModel
internal import Primitives
package import StreamCore
package import TapeCodec

/// Computes windows again from the tape. The owner of the partition reads the packets from
/// `plan.from` up to and including the one that requested it. In the first pass, `note` learns
/// which trades were cancelled or corrected. If `endFirstPass` requests a second pass, the owner
/// passes the same packets to `take`, which computes. Then `GraphMachine.absorb` publishes.
///
/// All ticks on the tape count, also late ones and those that were fetched later.
///
/// A *fetched* tick is one with the flag `backfilled`: a provider delivered it later from its
/// history. `manual` is the source of people's requests; its ticks are treated as fetched. A source
/// is its index in the machine's tables, and `nil` stands for `manual`. A *move* is a definition by
/// which a source begins to feed a symbol. A *change* cancels or corrects a trade, or takes a
/// person's change back.
package struct GraphRepair: Sendable {
    package let plan: RepairPlan
    /// Changes that could not be noted, or that do not say which trade they concern, and how.
    package private(set) var unusedChanges: UInt64 = 0
    /// Ticks of `manual` in the time of the repair that were left out: several sources have their
    /// symbol, and it is not known to which of them they belong.
    package private(set) var unassigned: UInt64 = 0
    /// Ticks that the machines were given.
    package internal(set) var taken: UInt64 = 0

    let program: GraphProgram
    /// The repair machines, with tables of their own.
    var leaves: BarLeaves
    var stages: RepairStages
    private let extents: RepairExtents
    var packetSymbols = PacketSymbols()
    private var definitions = DefinitionMemory()
    /// The symbols as the partition knows them.
    private let known: SymbolTable
    private var changes = TradeChanges()
    private var missing: MissingReading
    /// The ticks of the first pass, for as long as they are few.
    var kept: KeptTicks
    /// Whether all ticks are kept, because the state of stages may depend on ticks outside of the
    /// ranges.
    private let keepsAll: Bool
    private var isSecondPass = false
    /// In the second pass, the symbols that some source has defined.
    private var fed: Set<UInt32> = []
    var books: RepairBooks

    /// Returns `nil` without a range.
    package init?(_ machine: GraphMachine, _ ranges: [DirtyRange]) {
        self.init(machine, ranges, keepingAtMost: KeptTicks.stepsMax)
    }

    init?(
        _ machine: GraphMachine, _ ranges: [DirtyRange], keepingAtMost max: Int,
        placingAtMost placed: Int = RepairStages.fetchedMax
    ) {
        guard let plan = machine.repairPlan(ranges) else { return nil }
        self.plan = plan
        program = machine.program
        known = machine.symbols
        leaves = machine.leaves.repairLeaves(for: plan.machineRanges)
        extents = RepairExtents(machine, plan.machineRanges)
        missing = MissingReading(machine, plan)
        stages = RepairStages(machine, plan, max: placed)
        kept = KeptTicks(max: max)
        let ticks = program.plan
        keepsAll = [ticks.trades, ticks.quotes, ticks.providerBars].contains {
            !$0.stages.isEmpty
        }
        books = RepairBooks(ticks, plan)
    }

    var symbols: SymbolTable { leaves.tables.symbols }

    /// Fetched ticks that were judged at their place on the tape instead of at their event time,
    /// because there were more than `RepairStages` has room for.
    package var unplaced: UInt64 { stages.unplaced }

    /// Whether the repair has to be refused after the first pass. A fetched tick at its place on
    /// the tape would be paired with a quote of another time, or a trade with it.
    package var mispairs: Bool { unplaced > 0 && !program.plan.joins.isEmpty }

    // MARK: the first pass

    /// Takes the next packet of the first pass.
    package mutating func note(_ header: PacketHeader, _ packet: RawSpan) {
        guard header.kind == .ticks else { return }
        let (source, isTaken) = source(of: header)
        packetSymbols.removeAll()
        var walk = PacketWalk(header)
        while let item = walk.next(in: packet) {
            switch item {
            case .trade(var trade):
                if source == nil { noteUnassigned(trade.header, packet, &walk) }
                let named = trade.header.symbol
                own(&trade.header, source)
                if isTaken, trade.header.action != 0 {
                    let owners =
                        source == nil
                        ? meant(named, packet, &walk) : [trade.header.symbol]
                    note(trade, of: owners, source: source)
                }
                if isTaken { stages.note(.trade(trade), walk.ordinal, source: source) }
                if isTaken, isWanted(trade.header) {
                    kept.keep(.trade(trade), walk.ordinal, source: source)
                }
            case .quote(var quote):
                if source == nil { noteUnassigned(quote.header, packet, &walk) }
                own(&quote.header, source)
                if isTaken { stages.note(.quote(quote), walk.ordinal, source: source) }
                if isTaken, isWanted(quote.header) {
                    kept.keep(.quote(quote), walk.ordinal, source: source)
                }
            case .other(let message) where books.areTaken && isTaken && message.isOfBook:
                takeDepth(message, packet, walk.ordinal, source, nil)
            case .other(let message):
                if isTaken, program.plan.providerBars.isUsed,
                    let bar = message.providerBar(in: packet)
                {
                    note(bar, walk.ordinal, source)
                } else if isTaken {
                    note(message, packet, &walk, source)
                }
            case .control(let message):
                endChange(source, nil)
                guard let move = define(message, packet, source) else { continue }
                if let source = move.source {
                    missing.define(move, source: source)
                    stages.feed(move.symbol, from: source)
                }
                kept.keep(move)
            case .bar: continue
            }
        }
        endChange(source, nil)
    }

    /// Returns the symbols that a record of `manual` concerns: those of all sources, unless its
    /// definition names one.
    private func meant(
        _ symbol: UInt32, _ packet: RawSpan, _ walk: inout PacketWalk
    ) -> [UInt32] {
        walk.symbol(symbol, in: packet).map {
            leaves.tables.indexes(of: $0.symbol, named: $0.source, source: nil)
        } ?? []
    }

    /// Notes a cancel or a correction for each of these symbols.
    private mutating func note(_ trade: Trade, of symbols: [UInt32], source: Int?) {
        var change = trade
        var isNoted = !symbols.isEmpty
        for symbol in symbols {
            change.header.symbol = symbol
            isNoted = changes.note(change, source: source) && isNoted
        }
        if !isNoted { unusedChanges &+= 1 }
    }

    /// Counts a tick of `manual` that is left out, if a source of its symbol is repaired here. The
    /// header is the packet's.
    private mutating func noteUnassigned(
        _ header: TickHeader, _ packet: RawSpan, _ walk: inout PacketWalk
    ) {
        guard header.action == 0, packetSymbols[header.symbol] >= symbols.count,
            header.eventTime >= plan.windowsFrom, header.eventTime < plan.to,
            meant(header.symbol, packet, &walk).contains(where: { plan.symbols.contains($0) })
        else { return }
        unassigned &+= 1
    }

    /// Notes a person's change of one trade, for the symbol of each source that it may concern. A
    /// trade of `manual` may belong to several.
    private mutating func note(
        _ change: TradeChange, _ packet: RawSpan, _ walk: inout PacketWalk
    ) {
        let symbols = meant(change.header.symbol, packet, &walk)
        let source = leaves.tables.sources.entries.firstIndex { $0.name == change.source }
        var isNoted = !symbols.isEmpty && (source != nil || change.source == .manual)
        for symbol in symbols where isNoted {
            isNoted = changes.note(change, of: symbol, source: source)
        }
        if !isNoted { unusedChanges &+= 1 }
    }

    /// Notes a gap record or a person's change; other messages do not matter here.
    private mutating func note(
        _ message: MessageBounds, _ packet: RawSpan, _ walk: inout PacketWalk, _ source: Int?
    ) {
        if source == nil, let change = message.tradeChange(in: packet) {
            return note(change, packet, &walk)
        }
        guard let gap = message.gapRecord(in: packet) else { return }
        guard gap.header.symbol != TickHeader.noSymbol else {
            return missing.take(gap, ofAllOf: source)
        }
        guard let definition = walk.symbol(gap.header.symbol, in: packet) else { return }
        let concerned = leaves.tables.indexes(
            of: definition.symbol, named: definition.source, source: source)
        for symbol in concerned { missing.take(gap, of: symbol) }
    }

    /// Returns whether a tick has to be kept for the second pass.
    private func isWanted(_ header: TickHeader) -> Bool {
        let time = header.eventTime.nanoseconds
        return !kept.isTooMuch
            && (keepsAll || extents.byLeaf.contains { $0.holds(header.symbol, time) })
    }

    /// Returns the packet's source, `nil` for `manual`; `isTaken` is false when there are more
    /// sources than the limit allows.
    private mutating func source(of header: PacketHeader) -> (source: Int?, isTaken: Bool) {
        guard header.source != .manual else { return (nil, true) }
        let source = leaves.source(header.source)
        return (source, source != nil)
    }

    /// Ends the first pass. If it returns true, `take` needs the same packets again. If it returns
    /// false, the ticks were few enough to be kept, and everything is computed.
    package mutating func endFirstPass() -> Bool {
        leaves.tables.missing = missing.stretches
        stages.endNotes(changes)
        guard !kept.isTooMuch else { return true }
        let all = kept
        kept = KeptTicks(max: 0)
        var pass = Pass(program.plan, source: nil)
        for one in all.steps {
            pass.source = one.source
            switch one.step {
            case .trade(let trade): take(trade, one.ordinal, pass)
            case .quote(let quote): take(quote, one.ordinal, pass)
            case .providerBar(let bar): take(bar, one.ordinal, pass)
            case .row, .reset, .book: takeDepth(one.step, pass)
            case .move(let place): apply(all.moves[place])
            }
        }
        return false
    }

    // MARK: definitions

    /// Finds a symbol by its name, so that no symbol is taken away from the member of its group
    /// that feeds it. Returns `nil` when that one does not change here. A tick of `manual` belongs
    /// to the source that its definition names (`assigned`).
    private mutating func define(
        _ message: MessageBounds, _ packet: RawSpan, _ source: Int?
    ) -> KeptTicks.Move? {
        let memory = source ?? Self.manual
        if let known = definitions.symbol(of: message, in: packet, source: memory) {
            packetSymbols.set(packet.uint32(at: message.body), known)
            return nil
        }
        guard let (index, definition) = message.symbolDefinition(in: packet),
            index < PacketLimits.definitionsMax
        else { return nil }
        let meant = leaves.tables.indexes(
            of: definition.symbol, named: definition.source, source: source)
        let symbol = assigned(meant, definition) ?? BarMachine.noSymbol
        packetSymbols.set(index, symbol)
        guard symbol < symbols.count else { return nil }
        definitions.note(message, in: packet, source: memory, symbol: symbol)
        return KeptTicks.Move(
            symbol: symbol,
            subscription: Subscription(
                symbol: definition.symbol, provider: definition.provider, since: definition.since,
                lot: definition.lot),
            source: source)
    }

    /// Returns the symbol to which the ticks after a definition belong; `nil` when that is not
    /// known. A definition of `manual` that names no source may mean several. Then the ticks belong
    /// to the only one whose provider is the same.
    private func assigned(_ meant: [UInt32], _ definition: SymbolDefinition) -> UInt32? {
        guard meant.count > 1 else { return meant.first }
        let same = meant.filter { known.provider(of: $0) == definition.provider }
        return same.count == 1 ? same[0] : nil
    }

    /// The number that stands for the source `manual`.
    private static let manual = -1

    /// Lets a packet's source feed the symbols that it defines, as when the packet was new.
    private mutating func apply(_ move: KeptTicks.Move) {
        guard let source = move.source else {
            return leaves.tables.setLot(move.subscription.lot, of: move.symbol)
        }
        let change = leaves.define(move.subscription, source: source)
        // Before its first definition here, it is not known who fed the symbol.
        if fed.insert(move.symbol).inserted || change?.isMoved == true {
            stages.forgetOthers(of: move.symbol, fedBy: source)
        }
    }

    /// Replaces the symbol by the machines' index. Ticks of the source `manual` are marked as
    /// backfilled.
    func own(_ header: inout TickHeader, _ source: Int?) {
        header.symbol = packetSymbols[header.symbol]
        if source == nil { header.flags.insert(.backfilled) }
    }

    // MARK: the second pass

    /// Takes the next packet of the second pass.
    package mutating func take(_ header: PacketHeader, _ packet: RawSpan) {
        guard header.kind == .ticks else { return }
        if !isSecondPass { beginSecondPass() }
        let (source, isTaken) = source(of: header)
        guard isTaken else { return }
        packetSymbols.removeAll()
        let pass = Pass(program.plan, source: source)
        var walk = PacketWalk(header)
        while let item = walk.next(in: packet) {
            switch item {
            case .trade(var trade):
                own(&trade.header, source)
                take(trade, walk.ordinal, pass)
            case .quote(var quote):
                own(&quote.header, source)
                take(quote, walk.ordinal, pass)
            case .control(let message):
                endChange(source, pass)
                if let move = define(message, packet, source) { apply(move) }
            case .other(let message) where books.areTaken && message.isOfBook:
                takeDepth(message, packet, walk.ordinal, source, pass)
            case .other(let message):
                guard pass.providerBars.isUsed, var bar = message.providerBar(in: packet) else {
                    continue
                }
                own(&bar.header, source)
                take(bar, walk.ordinal, pass)
            case .bar: continue
            }
        }
        endChange(source, pass)
    }

    /// Forgets the definitions of the first pass, which did not apply those it knew by their bytes.
    private mutating func beginSecondPass() {
        isSecondPass = true
        definitions = DefinitionMemory()
        kept = KeptTicks(max: 0)
    }

    /// The values that are the same for all ticks of a packet.
    struct Pass {
        let trades: TickPlan
        let quotes: TickPlan
        let providerBars: TickPlan
        /// The packet's source; `nil` for `manual`, whose ticks are treated as ticks of the source
        /// that feeds the symbol.
        var source: Int?

        /// Returns the place of a tick among those of its nanosecond.
        func place(_ ordinal: UInt64) -> UInt64 {
            source == nil ? ordinal | SourceTable.byHand : ordinal
        }

        init(_ plan: GraphPlan, source: Int?) {
            trades = plan.trades
            quotes = plan.quotes
            providerBars = plan.providerBars
            self.source = source
        }
    }

    /// Gives a trade, as it was corrected later, to the leaves that it reaches.
    private mutating func take(_ found: Trade, _ ordinal: UInt64, _ pass: Pass) {
        // A symbol's ticks count only while their source feeds the symbol.
        guard pass.trades.isUsed, found.header.symbol < symbols.count else { return }
        let feed = symbols.source(of: found.header.symbol)
        let source = pass.source ?? feed
        guard source == feed else { return }
        let change =
            found.header.action == 0
            ? changes.change(of: found, ordinal, source: pass.source) : nil
        var trade = found
        if case .corrected(let values) = change { trade.take(values) }
        let way = stages.way(
            of: .trade(found), ordinal, source: pass.source, feeder: source)
        for leaf in pass.trades.leaves where holds(leaf.leaf, trade.header) {
            if way.passed & leaf.input != 0, change != .cancelled {
                leaves.trade(leaf, trade, source: source, ordinal: pass.place(ordinal))
                taken &+= 1
            } else if way.lost & leaf.input == 0 {
                leaves.exclude(leaf.leaf, trade.header, source: source)
            }
            if change != nil, way.passed & leaf.input != 0 {
                leaves.noteChange(leaf.leaf, of: trade.header)
            }
        }
    }

    private mutating func take(_ quote: Quote, _ ordinal: UInt64, _ pass: Pass) {
        guard pass.quotes.isUsed, quote.header.symbol < symbols.count else { return }
        let feed = symbols.source(of: quote.header.symbol)
        let source = pass.source ?? feed
        guard source == feed else { return }
        let way = stages.way(
            of: .quote(quote), ordinal, source: pass.source, feeder: source)
        for leaf in pass.quotes.leaves where holds(leaf.leaf, quote.header) {
            if way.passed & leaf.input != 0 {
                leaves.quote(leaf, quote, source: source, ordinal: pass.place(ordinal))
                taken &+= 1
            } else if way.lost & leaf.input == 0 {
                leaves.exclude(leaf.leaf, quote.header, source: source)
            }
        }
    }

    /// Notes a provider's bar in the first pass.
    private mutating func note(_ found: ProviderBar, _ ordinal: UInt64, _ source: Int?) {
        var bar = found
        own(&bar.header, source)
        stages.note(.providerBar(bar), ordinal, source: source)
        let (symbol, start) = (bar.header.symbol, bar.openTime.nanoseconds)
        guard !kept.isTooMuch,
            keepsAll || extents.ofBars.contains(where: { $0.holds(symbol, start) })
        else { return }
        kept.keep(.providerBar(bar), ordinal, source: source)
    }

    /// Gives a provider's bar to the machines that it reaches.
    private mutating func take(_ bar: ProviderBar, _ ordinal: UInt64, _ pass: Pass) {
        guard pass.providerBars.isUsed, bar.header.symbol < symbols.count else { return }
        let feed = symbols.source(of: bar.header.symbol)
        let source = pass.source ?? feed
        guard source == feed else { return }
        let way = stages.way(
            of: .providerBar(bar), ordinal, source: pass.source, feeder: source)
        for input in pass.providerBars.leaves
        where way.passed & input.input != 0
            && extents.ofBars[input.leaf].holds(bar.header.symbol, bar.openTime.nanoseconds)
        {
            leaves.repair(input.leaf, bar, source: source)
            taken &+= 1
        }
    }

    /// Returns whether the leaf needs a tick of this symbol and time.
    func holds(_ leaf: Int, _ header: TickHeader) -> Bool {
        extents.byLeaf[leaf].holds(header.symbol, header.eventTime.nanoseconds)
    }
}

extension GraphMachine {
    /// Returns what has to be read for these ranges; `nil` without a range.
    package func repairPlan(_ dirty: [DirtyRange]) -> RepairPlan? {
        RepairPlan(
            dirty, leaves: leaves, warmUp: program.plan.warmUp(program.operators))
    }
}

/// The times whose ticks a repair needs.
private struct RepairExtents {
    let byLeaf: [RepairRanges]
    /// By resampling machine of a provider's bars, the time whose bars it needs; empty for others.
    let ofBars: [RepairRanges]

    init(_ machine: GraphMachine, _ ranges: MachineRanges) {
        byLeaf = machine.leaves.plans.indices.map { leaf in
            RepairRanges(
                extents: ranges.byLeaf[leaf].map {
                    $0.widened(to: machine.leaves.extent(leaf, of: $0))
                })
        }
        ofBars = ranges.fine.map { RepairRanges(extents: $0) }
    }
}
