package import MarketModel
internal import Primitives
package import StreamCore

// The end of a repair: the machine of the partition takes the result of a repair and publishes it.
//
// A *leaf* is a machine at an end of the graph that makes bars from ticks, and its *plan* describes
// it. A *resampling* machine makes coarser bars from the bars of a leaf or of another resampling
// machine. A repair has a second set of these machines, the *repair machines*, which took the ticks
// of the *dirty* ranges again. A bar is *published* when it is on the tape. A leaf counts its own
// series from 0; the published series are those of the whole program.
extension GraphMachine {
    /// Returns the ranges in which `absorb` has to know the bars on the tape, because this machine
    /// has removed the windows there. With them `absorb` withdraws bars whose windows have no trade
    /// any more, and finds the prices with which series with `fill` fill empty windows. Symbols and
    /// series are those of this machine and its program. Call it after the repair was given all
    /// packets.
    package func publishedRanges(of repair: GraphRepair) -> [PublishedRange] {
        var ranges: [PublishedRange] = []
        let machines = repair.plan.machineRanges
        // A leaf with `values` makes numbers of its bars, and its bars are not on the tape.
        for (leaf, plan) in leaves.plans.enumerated() where plan.values.isEmpty {
            guard plan.maker == .time else {
                if machines.dirty[leaf].isEmpty { continue }
                ranges += wholeRanges(of: plan.series, repair.plan)
                continue
            }
            ranges += leaves.time[plan.slot].publishedRanges(
                repair.leaves.time[plan.slot], machines.dirty[leaf], leaves.tables
            ).map { $0.published(plan.series) }
        }
        let repaired = leaves.resampled(repair.leaves, machines)
        for (slot, plan) in leaves.resamplePlans.enumerated() {
            ranges += leaves.resamples[slot].publishedRanges(
                repaired.resamples[slot], machines.dirtyResamples[slot]
            ).map { $0.published(plan.series) }
        }
        return ranges
    }

    /// Returns the whole time in which the repair computes windows, for each symbol and series.
    /// Windows by number of ticks or by inactivity may begin anywhere, so all of their bars there
    /// have to be known.
    private func wholeRanges(of series: [UInt16], _ plan: RepairPlan) -> [PublishedRange] {
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
    /// the last versions of all that are not withdrawn; it may be empty. `nil` means that they are
    /// not known: a new line of output is being built, and its output is dropped.
    package mutating func absorb(
        _ repair: GraphRepair, published: [Bar]? = nil, into output: inout GraphOutput
    ) {
        let machines = repair.plan.machineRanges
        let repaired = leaves.resampled(repair.leaves, machines)
        for (leaf, plan) in leaves.plans.enumerated() {
            // A leaf with `values` has no bars on the tape, so none were read back for it.
            let own = plan.values.isEmpty ? published.map { plan.series.own($0) } : nil
            leaves.absorb(repaired, leaf, machines.dirty[leaf], published: own, into: &closed)
            publish(leaf, into: &output)
        }
        for (slot, plan) in leaves.resamplePlans.enumerated() {
            leaves.resamples[slot].absorb(
                repaired.resamples[slot], by: repaired.tables, machines.dirtyResamples[slot],
                published: published.map { plan.series.own($0) }, leaves.tables, into: &closed)
            publishResampled(slot, into: &output)
        }
    }
}

extension PublishedRange {
    /// Returns the range with its published series. `all` holds these by the machine's own index.
    fileprivate func published(_ all: [UInt16]) -> PublishedRange {
        var range = self
        range.series = all[Int(series)]
        return range
    }
}

extension [UInt16] {
    /// Returns the bars of these published series, with the machine's own series indexes.
    fileprivate func own(_ bars: [Bar]) -> [Bar] {
        bars.compactMap { bar in
            guard let series = firstIndex(of: bar.series) else { return nil }
            var own = bar
            own.series = UInt16(truncatingIfNeeded: series)
            return own
        }
    }
}
