public import MarketModel
internal import Primitives
public import StreamCore

// The end of a repair: its result is compared with the bars on the tape.
extension GraphMachine {
    /// Returns the bars on the tape that `absorb` has to know, because the machines have removed
    /// their windows. It withdraws those that no longer exist, and decides with them which windows
    /// are filled. The indexes are those of this machine and program. Call it after the repair was
    /// given all packets.
    public func publishedRanges(of repair: GraphRepair) -> [PublishedRange] {
        var needs: [PublishedRange] = []
        let dirty = repair.plan.needs.dirty
        for (leaf, plan) in leaves.plans.enumerated() where plan.values.isEmpty {
            guard plan.maker == .time else {
                if !dirty[leaf].isEmpty { needs += wholeNeeds(of: plan.series, repair.plan) }
                continue
            }
            needs += leaves.time[plan.slot].publishedRanges(
                repair.leaves.time[plan.slot], dirty[leaf], leaves.tables
            ).map { $0.published(plan.series) }
        }
        if !leaves.resamples.isEmpty {
            let made = leaves.resampled(repair.leaves, repair.plan.needs)
            for (slot, plan) in leaves.resamplePlans.enumerated() {
                needs += leaves.resamples[slot].publishedRanges(
                    made.resamples[slot], repair.plan.needs.dirtyResamples[slot]
                ).map { $0.published(plan.series) }
            }
        }
        return needs
    }

    /// Returns needs for the complete extents, for windows that may begin anywhere.
    private func wholeNeeds(of series: [UInt16], _ plan: RepairPlan) -> [PublishedRange] {
        plan.symbols.flatMap { symbol in
            series.map {
                PublishedRange(
                    symbol: symbol, series: $0, from: plan.windowsFrom.nanoseconds,
                    to: plan.to.nanoseconds)
            }
        }
    }

    /// Publishes the result of a repair that was made for this machine in its present state, and
    /// that was given every packet of its plan. `published` holds the bars of `publishedRanges`,
    /// the last versions of all that are not withdrawn. `nil` means that they are not known,
    /// because nothing is published.
    public mutating func absorb(
        _ repair: GraphRepair, published: [Bar]? = nil, into output: inout GraphOutput
    ) {
        let made = leaves.resampled(repair.leaves, repair.plan.needs)
        for (leaf, plan) in leaves.plans.enumerated() {
            // Numbers are not read back: they have no bars on the tape.
            let own = plan.values.isEmpty ? published.map { plan.series.own($0) } : nil
            leaves.absorb(
                made, leaf, repair.plan.needs.dirty[leaf], published: own, into: &closed)
            publish(leaf, into: &output)
        }
        for (slot, plan) in leaves.resamplePlans.enumerated() {
            leaves.resamples[slot].absorb(
                made.resamples[slot], by: made.tables, repair.plan.needs.dirtyResamples[slot],
                published: published.map { plan.series.own($0) }, leaves.tables, into: &closed)
            publishResampled(slot, into: &output)
        }
    }
}

extension PublishedRange {
    /// Returns the need with published series. `all` holds them by the machine's own index.
    fileprivate func published(_ all: [UInt16]) -> PublishedRange {
        var need = self
        need.series = all[Int(series)]
        return need
    }
}

extension [UInt16] {
    /// Returns the bars of these published series, with the machine's own indexes.
    fileprivate func own(_ bars: [Bar]) -> [Bar] {
        bars.compactMap { bar in
            guard let series = firstIndex(of: bar.series) else { return nil }
            var own = bar
            own.series = UInt16(truncatingIfNeeded: series)
            return own
        }
    }
}
