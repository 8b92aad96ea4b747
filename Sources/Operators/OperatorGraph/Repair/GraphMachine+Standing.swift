public import MarketModel
internal import Primitives
public import StreamCore

// The end of a repair: what it computed is put beside what stands.
extension GraphMachine {
    /// Bars that `absorb` wants to know as they stand on the tape, because the machines have let
    /// them go: to withdraw those that are no more, and to fill windows behind others than before.
    /// With the indexes of this machine and program. To be asked when the repair was given all.
    public func standingNeeds(of repair: GraphRepair) -> [StandingNeed] {
        var needs: [StandingNeed] = []
        let dirty = repair.plan.needs.dirty
        for (leaf, plan) in leaves.plans.enumerated() where plan.values.isEmpty {
            guard plan.maker == .time else {
                if !dirty[leaf].isEmpty { needs += wholeNeeds(of: plan.series, repair.plan) }
                continue
            }
            needs += leaves.time[plan.slot].standingNeeds(
                repair.leaves.time[plan.slot], dirty[leaf], leaves.tables
            ).map { $0.published(plan.series) }
        }
        if !leaves.resamples.isEmpty {
            let made = leaves.resampled(repair.leaves, repair.plan.needs)
            for (slot, plan) in leaves.resamplePlans.enumerated() {
                needs += leaves.resamples[slot].standingNeeds(
                    made.resamples[slot], repair.plan.needs.dirtyResamples[slot]
                ).map { $0.published(plan.series) }
            }
        }
        return needs
    }

    /// Of windows that may begin anywhere.
    private func wholeNeeds(of series: [UInt16], _ plan: RepairPlan) -> [StandingNeed] {
        plan.symbols.flatMap { symbol in
            series.map {
                StandingNeed(
                    symbol: symbol, series: $0, from: plan.windowsFrom.nanoseconds,
                    to: plan.to.nanoseconds)
            }
        }
    }

    /// Publishes what a repair computed, which was made for this machine as it stands and was given
    /// every packet of its plan. `standing`: the bars of `standingNeeds`, the last versions of all
    /// that are not withdrawn; nil when nobody knows them, because nothing is published.
    public mutating func absorb(
        _ repair: GraphRepair, standing: [Bar]? = nil, into output: inout GraphOutput
    ) {
        let made = leaves.resampled(repair.leaves, repair.plan.needs)
        for (leaf, plan) in leaves.plans.enumerated() {
            // Of numbers no bars stand.
            let own = plan.values.isEmpty ? standing.map { plan.series.own($0) } : nil
            leaves.absorb(
                made, leaf, repair.plan.needs.dirty[leaf], standing: own, into: &closed)
            publish(leaf, into: &output)
        }
        for (slot, plan) in leaves.resamplePlans.enumerated() {
            leaves.resamples[slot].absorb(
                made.resamples[slot], by: made.tables, repair.plan.needs.dirtyResamples[slot],
                standing: standing.map { plan.series.own($0) }, leaves.tables, into: &closed)
            publishResampled(slot, into: &output)
        }
    }
}

extension StandingNeed {
    /// `series`: the published ones by a machine's own index.
    fileprivate func published(_ all: [UInt16]) -> StandingNeed {
        var need = self
        need.series = all[Int(series)]
        return need
    }
}

extension [UInt16] {
    /// Those of the bars that are of these published series, with the machine's own indexes.
    fileprivate func own(_ bars: [Bar]) -> [Bar] {
        bars.compactMap { bar in
            guard let series = firstIndex(of: bar.series) else { return nil }
            var own = bar
            own.series = UInt16(truncatingIfNeeded: series)
            return own
        }
    }
}
