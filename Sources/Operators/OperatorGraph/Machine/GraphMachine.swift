package import MarketModel
package import Primitives
package import StreamCore
package import TapeCodec

/// The graph of one partition: packets in, bars out. Pure: its results follow from the packets
/// alone.
package struct GraphMachine: Sendable {
    package let program: GraphProgram
    /// Ticks that came in so far, without those of the source `manual`.
    package internal(set) var received: UInt64 = 0

    /// The machines that make bars, and the tables of symbols and sources.
    var leaves: BarLeaves
    var stages: TickStages
    /// The machines' indexes by those of the present packet.
    var packetSymbols: [UInt32] = []
    /// The bars that a machine has just closed, before they move to the output.
    var closed: [Bar] = []
    /// An empty run with room for the next packet's trades.
    var emptyRun: TradeRun
    var definitions = DefinitionMemory()
    /// The histories for nodes over all partitions that use a provider's days.
    var histories: [DailyHistory]
    /// The late ticks that a machine has just listed, before they move to the output.
    private var listed: [LateTick] = []

    package init(_ program: GraphProgram) {
        self.program = program
        leaves = BarLeaves(program.plan)
        stages = TickStages(program)
        histories = program.plan.histories.map {
            DailyHistory(rule: $0.rule, calendar: $0.calendar)
        }
        emptyRun = TradeRun(max: program.plan.trades.runMax)
    }

    init(
        _ program: GraphProgram, _ leaves: BarLeaves, _ stages: TickStages,
        _ histories: [DailyHistory]
    ) {
        self.program = program
        self.histories = histories
        self.leaves = leaves
        self.stages = stages
        emptyRun = TradeRun(max: program.plan.trades.runMax)
        for index in 0..<UInt32(symbols.count) {
            self.stages.define(index, symbols.symbol(at: index))
        }
    }

    /// Applies gaps to windows that open from now on. Existing windows are computed again, because
    /// the same records make their time dirty.
    mutating func note(_ changes: [MissingChange]) {
        guard !changes.isEmpty else { return }
        for change in changes {
            let source = symbols.source(of: change.symbol)
            let reached = sources.entries[source].watermark.nanoseconds
            let (kept, isBelow) = reached.subtractingReportingOverflow(StreamLimits.missingKept)
            if !isBelow { leaves.tables.missing.forget(change.symbol, before: kept) }
            leaves.tables.missing.apply(change)
        }
    }

    package var sources: SourceTable { leaves.tables.sources }
    package var symbols: SymbolTable { leaves.tables.symbols }
    package var openWindows: Int { leaves.openWindows }
    /// The account of the first machine, with the series of all other machines appended.
    package var counters: BarCounters {
        var counters = leaves.counters(of: 0)
        for leaf in leaves.plans.indices.dropFirst() {
            counters.append(seriesOf: leaves.counters(of: leaf))
        }
        return counters
    }

    /// The account of each machine, in the order of the nodes. Each one balances.
    package var machineCounters: [BarCounters] {
        leaves.plans.indices.map { leaves.counters(of: $0) }
    }

    /// Ticks that passed deduplicators that could not judge them, because they have no id. Counted
    /// since this value was made.
    package var undecidable: UInt64 {
        stages.deduplicators.reduce(0) { $0 &+ $1.undecidable }
    }

    /// The least of its sources' watermarks. All bars up to it are published. A source without a
    /// watermark has no bars, and is not waited for.
    package var watermark: Timestamp {
        sources.entries.map(\.watermark).filter { $0 != SourceTable.noWatermark }.min()
            ?? SourceTable.noWatermark
    }

    /// Notes the time before which the tape holds no ticks. Windows that begin earlier are partial.
    package mutating func tapeStarts(at time: Timestamp) { leaves.tables.tapeStarts(at: time) }

    /// Takes the next packet of the partition. Returns false when more sources feed it than the
    /// limit allows.
    package mutating func take(
        _ header: PacketHeader, _ packet: RawSpan, into output: inout GraphOutput
    ) -> Bool {
        // Records of the source `manual` are backfilled: it has no watermark, and its definitions
        // must not take a symbol away from the source that feeds it.
        guard header.source != .manual else {
            markPacket(packet, source: nil, into: &output)
            if !histories.isEmpty {
                takeDays(in: packet)
                publishDays(into: &output)
            }
            return true
        }
        guard let source = leaves.source(header.source, firstSeen: header.sendTime) else {
            return false
        }
        if header.kind == .ticks {
            received &+= UInt64(header.tickCount)
            if program.isPlain {
                takePlainTicks(header, packet, source: source, into: &output)
            } else {
                takeTicks(header, packet, source: source, into: &output)
            }
        }
        if !histories.isEmpty { publishDays(into: &output) }
        advance(source, to: header.watermark, into: &output)
        return true
    }

    /// Closes the windows that a source's watermark has passed.
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

    /// Moves the bars in `closed` to the output.
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

    /// Does the same for the bars of a resampling machine.
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
                output.late.append(late)
            }
        }
        listed.removeAll(keepingCapacity: true)
    }

    /// Appends the bars of open windows that changed since the last call, without `.final`. They
    /// are for live display only. Their series are indexes of the program.
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
