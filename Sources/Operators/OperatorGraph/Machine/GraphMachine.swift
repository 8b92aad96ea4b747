package import MarketModel
package import Primitives
package import StreamCore
package import TapeCodec

/// The machine that runs a graph for one partition: packets in, bars, late ticks and values out.
/// Pure: its results follow from the packets alone. The owner of the partition calls `take` for
/// each packet.
///
/// The machine's index of a symbol is its number in the machine's table. A packet has numbers of
/// its own, which its definitions explain.
package struct GraphMachine: Sendable {
    package let program: GraphProgram
    /// The number of ticks that came in so far, without those of the source `manual`.
    package internal(set) var received: UInt64 = 0
    /// Whether ticks that were fetched later count, as in a repair. A proof gives them at their
    /// places.
    package var takesFetched = false

    /// The machines that make bars, and the tables of symbols and sources.
    var leaves: BarLeaves
    /// The nodes between the tape and these machines.
    var stages: TickStages
    /// The machine's symbol indexes by those of the present packet.
    var packetSymbols = PacketSymbols()
    /// The bars that a machine has just closed, before they move to the output.
    var closed: [Bar] = []
    /// The change of a book that the present packet is in the middle of.
    var openChange = OpenChange()
    /// An empty run with room for the next packet's trades.
    var emptyRun: TradeRun
    /// The known definitions, which need not be read again.
    var definitions = DefinitionMemory()
    /// The past days of this partition's symbols, one history for each node over all partitions
    /// that uses a provider's days.
    var histories: [DailyHistory]
    /// The values of providers that derivations over all partitions take.
    var indicators: ReceivedValues
    /// A provider's bars that series excluded, by reason. Counted since this machine was made or
    /// restored.
    var excludedProviderBars = ExcludedTicks()
    /// The late ticks that a machine has just listed, before they move to the output.
    private var listed: [LateTick] = []

    /// Makes a machine for the start of the tape.
    package init(_ program: GraphProgram) {
        self.program = program
        leaves = BarLeaves(program.plan)
        stages = TickStages(program)
        histories = program.plan.passedOn.days.map {
            DailyHistory(rule: $0.rule, calendar: $0.calendar)
        }
        indicators = ReceivedValues(program.plan.passedOn.indicators.map(\.indicator))
        emptyRun = TradeRun(max: program.plan.trades.runMax)
    }

    init(
        _ program: GraphProgram, _ leaves: BarLeaves, _ stages: TickStages,
        _ histories: [DailyHistory], _ indicators: ReceivedValues
    ) {
        self.program = program
        self.histories = histories
        self.indicators = indicators
        self.leaves = leaves
        self.stages = stages
        emptyRun = TradeRun(max: program.plan.trades.runMax)
        for index in 0..<UInt32(symbols.count) {
            self.stages.define(index, symbols.pair(at: index))
        }
    }

    /// Notes missing ticks, so that windows over them that open from now on are partial. Existing
    /// windows are computed again, because the same records make their time dirty.
    mutating func note(_ changes: [MissingChange]) {
        guard !changes.isEmpty else { return }
        for change in changes {
            let source = symbols.source(of: change.symbol)
            let reached = sources.entries[source].watermark.nanoseconds
            let (kept, isBelow) = reached.subtractingReportingOverflow(StreamLimits.missingKept)
            if !isBelow { leaves.tables.missing.forget(change.symbol, before: kept) }
            leaves.tables.missing.apply(change)
            noteBook(change)
        }
    }

    /// Returns whether a gap on record says now that ticks of a bar's time are missing. A bar that
    /// was open when the record came is flagged by the repair of its time (`absorb`), so without
    /// repairs its own flag does not say so.
    package func missesTicks(_ bar: Bar) -> Bool {
        guard let needs = leaves.needs(ofSeries: bar.series) else { return false }
        return leaves.tables.missing.hasGap(
            bar.symbol, needs, from: bar.openTime.nanoseconds, to: bar.closeTime.nanoseconds)
    }

    package var sources: SourceTable { leaves.tables.sources }

    /// A source, and whether it is silent: what is made of several sources does not wait for it.
    package typealias HeardSource = (entry: SourceTable.Entry, isSilent: Bool)

    package var heardSources: [HeardSource] {
        let silences = sources.silences(after: program.definition.silentAfter)
        return zip(sources.entries, silences).map { ($0, $1) }
    }

    /// What the partition knows of its sources and groups; empty when the graph has no node over
    /// several sources.
    package var sourceStates: [SourceState] {
        guard program.definition.isOverAllPartitions else { return [] }
        return leaves.tables.sourceStates(silentAfter: program.definition.silentAfter)
    }

    package var symbols: SymbolTable { leaves.tables.symbols }
    package var openWindows: Int { leaves.openWindows }
    /// The account (`BarCounters`) of the first leaf, with the series of all other leaves appended.
    /// Empty without a leaf: the graph takes only a provider's bars.
    package var counters: BarCounters {
        guard !leaves.plans.isEmpty else { return BarCounters(seriesCount: 0) }
        var counters = leaves.counters(of: 0)
        for leaf in leaves.plans.indices.dropFirst() {
            counters.append(seriesOf: leaves.counters(of: leaf))
        }
        return counters
    }

    /// The account of each leaf, in the order of the nodes. Each one balances.
    package var machineCounters: [BarCounters] {
        leaves.plans.indices.map { leaves.counters(of: $0) }
    }

    /// The number of ticks that passed deduplicators because they lack the id that is compared.
    /// Counted since this machine was made or restored.
    package var undecidable: UInt64 {
        stages.deduplicators.reduce(0) { $0 &+ $1.undecidable }
    }

    /// The number of ticks that deduplicators forgot early because there was no room, so that their
    /// duplicates are not found. Part of the state.
    package var forgotten: UInt64 {
        stages.deduplicators.reduce(0) { $0 &+ $1.forgotten }
    }

    /// The trades that reached joins. Counted since this machine was made or restored.
    package var joined: JoinCounters {
        stages.joins.reduce(into: JoinCounters()) { $0.add($1.counters) }
    }

    /// The number of finer bars that resampling machines settled early because of a limit, so that
    /// later versions of them are not in the coarser bars. Part of the state.
    package var settledEarly: UInt64 {
        leaves.resamples.reduce(0) { $0 &+ $1.counters.settledEarly }
    }

    /// The number of values of custom operators that were left out because of the limits of
    /// `OperatorValue`. Counted since this machine was made or restored.
    package var valuesLeftOut: UInt64 { stages.valuesLeftOut }

    /// The time up to which all bars are in the output, but for those of sources that are silent or
    /// retired; `noWatermark` before the first watermark.
    package var watermark: Timestamp { leaves.tables.completeThrough }

    /// Returns from when on the ticks of a symbol were received, if its source is a past; `nil`: it
    /// is none.
    package func startOfPast(_ symbol: UInt32) -> Timestamp? {
        leaves.tables.startOfPast(Int(symbol))
    }

    /// Notes the time before which the tape holds no ticks. Windows that begin earlier are partial.
    package mutating func tapeStarts(at time: Timestamp) { leaves.tables.tapeStarts(at: time) }

    /// Takes the next packet of the partition. Returns false when more sources feed it than the
    /// limit allows.
    package mutating func take(
        _ header: PacketHeader, _ packet: RawSpan, into output: inout GraphOutput
    ) -> Bool {
        // The source `manual` has people's requests and ticks. Its ticks count as fetched, so only
        // repairs use them. It has no watermark and no bars of its own.
        guard header.source != .manual else {
            markPacket(packet, source: nil, into: &output)
            if !histories.isEmpty {
                takeDays(in: packet, source: nil)
                publishDays(into: &output)
            }
            return true
        }
        // A source without a number needs none to be retired.
        guard let source = leaves.source(header.source) else { return header.retiresSource }
        guard !header.retiresSource else {
            leaves.tables.retire(source, epoch: header.epoch)
            leaves.tables.complete(silentAfter: program.definition.silentAfter)
            return true
        }
        leaves.tables.heard(source, epoch: header.epoch)
        if header.kind == .ticks {
            if header.tickCount > 0, leaves.tables.awaitsStart(source) {
                // Of ticks at one time some may have been removed, as at the start of a tape.
                let first = header.firstOrdinal > 1 ? header.firstTime(in: packet) : nil
                leaves.tables.starts(
                    source, at: first?.advanced(byNanoseconds: 1) ?? .undefined)
            }
            received &+= UInt64(header.tickCount)
            if program.isPlain, !takesFetched {
                takePlainTicks(header, packet, source: source, into: &output)
            } else {
                takeTicks(header, packet, source: source, into: &output)
            }
        }
        if !histories.isEmpty { publishDays(into: &output) }
        passOnIndicators(into: &output)
        advance(source, to: header.watermark, into: &output)
        leaves.tables.sent(source, at: header.sendTime)
        leaves.tables.complete(silentAfter: program.definition.silentAfter)
        return true
    }

    /// Sets a source's watermark, and moves the bars and late ticks that are due by it to the
    /// output.
    private mutating func advance(
        _ source: Int, to watermark: Timestamp, into output: inout GraphOutput
    ) {
        let before = sources.entries[source].watermark
        leaves.tables.advance(source, to: watermark)
        for leaf in leaves.plans.indices {
            leaves.advance(leaf, source: source, into: &closed)
            if !leaves.resamples.isEmpty {
                leaves.resample(closed, from: .leaf(leaf), before: before)
            }
            publish(leaf, into: &output)
            list(leaf, into: &output)
        }
        for slot in leaves.resamples.indices {
            leaves.resamples[slot].advance(source: source, leaves.tables, into: &closed)
            leaves.resample(closed, from: .resample(slot), before: before)
            publishResampled(slot, into: &output)
        }
    }

    /// Moves the bars of a leaf from `closed` to the output, or their numbers if it is the leaf of
    /// an aggregate.
    mutating func publish(_ leaf: Int, into output: inout GraphOutput) {
        let plan = leaves.plans[leaf]
        for var bar in closed {
            guard plan.values.isEmpty else {
                plan.publish(bar, into: &output.values)
                continue
            }
            // Windows without a price are only for machines that make bars of bars.
            guard bar.open.isDefined || bar.flags.contains(.withdrawn) else { continue }
            bar.series = plan.series[Int(bar.series)]
            output.bars.append(bar)
        }
        closed.removeAll(keepingCapacity: true)
    }

    /// Moves the bars of a resampling machine from `closed` to the output.
    mutating func publishResampled(_ slot: Int, into output: inout GraphOutput) {
        for var bar in closed {
            bar.series = leaves.resamplePlans[slot].series[Int(bar.series)]
            output.bars.append(bar)
        }
        closed.removeAll(keepingCapacity: true)
    }

    /// Moves a leaf's late ticks to the output.
    private mutating func list(_ leaf: Int, into output: inout GraphOutput) {
        leaves.takeLateTicks(leaf, into: &listed)
        guard !listed.isEmpty else { return }
        let plan = leaves.plans[leaf]
        if plan.values.isEmpty {
            for var late in listed {
                late.series = plan.series[Int(late.series)]
                // Machines take a book as a quote.
                if plan.kind == .depth { late.kind = .depth }
                output.late.append(late)
            }
        }
        listed.removeAll(keepingCapacity: true)
    }

    /// Appends the bars of open windows that changed since the last call, without the flag
    /// `.final`. They are for live display only. Their series are indexes of the program.
    package mutating func takeOpenBars(into open: inout [Bar]) {
        for (leaf, plan) in leaves.plans.enumerated() where plan.values.isEmpty {
            let first = open.count
            leaves.takeOpenBars(leaf, into: &open)
            for index in first..<open.count {
                open[index].series = plan.series[Int(open[index].series)]
            }
        }
        for (slot, plan) in leaves.resamplePlans.enumerated() {
            let first = open.count
            leaves.resamples[slot].takeOpenBars(leaves.tables, into: &open)
            for index in first..<open.count {
                open[index].series = plan.series[Int(open[index].series)]
            }
        }
    }
}
