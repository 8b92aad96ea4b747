internal import MarketModel
internal import Primitives
internal import StreamCore
internal import TapeCodec

// How a provider's bars get through the stages into the machines that make coarser bars of them.
extension GraphMachine {
    /// Takes a provider's bar of a packet, if the graph has a node for it.
    mutating func takeProviderBar(
        _ message: MessageBounds, _ packet: RawSpan, _ source: Int, _ ordinal: UInt64,
        _ output: inout GraphOutput
    ) {
        guard program.plan.providerBars.isUsed, var bar = message.providerBar(in: packet) else {
            return
        }
        bar.header.symbol = packetSymbols[bar.header.symbol]
        take(ProviderBarInStages(bar: bar, source: source, ordinal: ordinal), &output)
    }

    private mutating func take(_ tick: ProviderBarInStages, _ output: inout GraphOutput) {
        let plan = program.plan.providerBars
        let isJudged =
            tick.bar.isForStages(inRepair: takesFetched) && isJudged(tick.header, tick.source)
        // A bar that stages do not judge reaches every machine, which excludes it.
        let way =
            isJudged
            ? stages.run(
                plan.stages, tick, root: plan.bit(of: .ticks(.providerBar)), into: &output)
            : TickStages.Way(passed: UInt64.max)
        for input in plan.leaves {
            let series = UInt64(leaves.resamplePlans[input.leaf].series.count)
            if way.passed & input.input != 0 {
                var bar = tick.bar
                if takesFetched { bar.header.flags.remove(.backfilled) }
                take(
                    ProviderBarInStages(bar: bar, source: tick.source, ordinal: tick.ordinal),
                    into: input.leaf, &output)
            } else if way.lost & input.input == 0 {
                excludedProviderBars.filter &+= series
            }
        }
    }

    /// Gives a bar to a resampling machine, and lists it for each series that it came too late for.
    private mutating func take(
        _ tick: ProviderBarInStages, into slot: Int, _ output: inout GraphOutput
    ) {
        let plan = leaves.resamplePlans[slot]
        let count = UInt64(plan.series.count)
        var missed: [MissedWindow] = []
        switch leaves.providerBar(slot, tick.bar, source: tick.source, missing: &missed) {
        case .taken, .ofOthers: break
        case .unknownSymbol: excludedProviderBars.unknownSymbol &+= count
        case .backfilled: excludedProviderBars.backfilled &+= count
        case .unfinished: excludedProviderBars.filter &+= count
        case .undefined: excludedProviderBars.undefined &+= count
        }
        for window in missed {
            let series = Int(window.series)
            let width = plan.rule.series.all[series].widthNanoseconds
            let start = Timestamp(nanoseconds: window.start)
            output.late.append(
                LateTick(
                    tick.bar, source: tick.source, ordinal: tick.ordinal,
                    series: plan.series[series], openTime: start,
                    closeTime: start.advanced(byNanoseconds: width), reason: .windowClosed))
        }
        // What the provider has made again is a correction: a repair takes it in.
        guard !missed.isEmpty, tick.bar.flags.contains(.revised) else { return }
        output.dirty.append(
            DirtyRange(
                symbol: tick.bar.header.symbol, from: tick.bar.openTime.nanoseconds,
                to: tick.bar.closeTime.nanoseconds, reason: BarReason.bust.rawValue,
                kind: .providerBar))
    }
}

extension BarLeaves {
    /// Gives a provider's bar to a resampling machine.
    mutating func providerBar(
        _ slot: Int, _ bar: ProviderBar, source: Int, missing missed: inout [MissedWindow]
    ) -> ProviderBarOutcome {
        resamples[slot].bar(bar, source: source, tables, missing: &missed)
    }

    /// Gives a provider's bar to the resampling machine of a repair, for which none is late.
    mutating func repair(_ slot: Int, _ bar: ProviderBar, source: Int) {
        var missed: [MissedWindow] = []
        _ = providerBar(slot, bar, source: source, missing: &missed)
    }
}
