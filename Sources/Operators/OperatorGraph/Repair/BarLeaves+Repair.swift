internal import MarketModel
internal import StreamCore

// The machines in a repair. The *repair machines* are a second set without windows, which takes the
// ticks of the dirty ranges again. Then the partition's own machines absorb their windows.
extension BarLeaves {
    /// Returns the time whose ticks decide the leaf's windows in a range.
    func extent(_ leaf: Int, of range: DirtyRange) -> (from: Int64, to: Int64) {
        let slot = plans[leaf].slot
        return switch plans[leaf].maker {
        case .time: time[slot].extent(of: range)
        case .number: number[slot].extent(of: range)
        case .inactivity: inactivity[slot].extent(of: range)
        }
    }

    /// Returns the same machines without windows, each for the ticks of its ranges.
    func repairLeaves(for ranges: MachineRanges) -> BarLeaves {
        var leaves = self
        for (leaf, plan) in plans.enumerated() {
            let (slot, own) = (plan.slot, ranges.byLeaf[leaf])
            switch plan.maker {
            case .time: leaves.time[slot] = time[slot].repairMachine(for: own)
            case .number: leaves.number[slot] = number[slot].repairMachine(for: own)
            case .inactivity:
                leaves.inactivity[slot] = inactivity[slot].repairMachine(for: own)
            }
        }
        for slot in resamples.indices { leaves.resamples[slot] = resamples[slot].repairMachine() }
        return leaves
    }

    /// Lets a leaf take the windows of its repair machine, and appends the new versions to
    /// `closed`. `published` are the bars on the tape; `nil` when they were not read back.
    mutating func absorb(
        _ repaired: BarLeaves, _ leaf: Int, _ ranges: [DirtyRange], published: [Bar]?,
        into closed: inout [Bar]
    ) {
        let slot = plans[leaf].slot
        let known = plans[leaf].maker == .time ? [] : (published ?? []).map { PublishedBar($0) }
        switch plans[leaf].maker {
        case .time:
            time[slot].absorb(
                repaired.time[slot], by: repaired.tables, ranges, published: published, tables,
                into: &closed)
        case .number:
            number[slot].absorb(
                repaired.number[slot], by: repaired.tables, ranges, published: known, tables,
                into: &closed)
        case .inactivity:
            inactivity[slot].absorb(
                repaired.inactivity[slot], by: repaired.tables, ranges, published: known, tables,
                into: &closed)
        }
    }

    /// Notes that a trade that came to a leaf was cancelled or corrected.
    mutating func noteChange(_ leaf: Int, of header: TickHeader) {
        guard plans[leaf].maker == .time else { return }
        time[plans[leaf].slot].noteChange(of: header)
    }

    /// Returns the repair machines with the coarser bars made, too. `repaired` took only ticks.
    /// The finer bars are found by letting a copy of the own machines absorb the repair.
    func resampled(_ repaired: BarLeaves, _ ranges: MachineRanges) -> BarLeaves {
        var made = repaired
        for (slot, plan) in resamplePlans.enumerated() {
            var copy = self
            var fine: [Bar] = []
            switch plan.origin {
            case .leaf(let leaf):
                let place = plans[leaf].slot
                // A finer window without a price is then given out with its exclusions, which
                // belong to the coarser window, too.
                copy.time[place].withdraws = false
                copy.absorb(made, leaf, ranges.fine[slot], published: nil, into: &fine)
                made.resamples[slot].refuse(made.time[place].repairRefused)
            case .resample(let origin):
                copy.resamples[origin].absorb(
                    made.resamples[origin], by: made.tables, ranges.fine[slot], tables, into: &fine)
                made.resamples[slot].refuse(made.resamples[origin].repairRefused)
            // The repair machine was given the provider's bars.
            case .provider: continue
            }
            for bar in fine where bar.series == plan.fineSeries {
                made.resamples[slot].bar(bar, made.tables)
            }
        }
        return made
    }
}

/// The ranges that each machine has to compute in a repair: the dirty ranges, and what coarser
/// machines need, which is all finer bars of the windows that the dirty ranges touch.
struct MachineRanges: Sendable {
    /// By leaf, the dirty ranges of its kind, behind a join also those of quotes.
    let dirty: [[DirtyRange]]
    /// By resampling node, the dirty ranges of its kind.
    let dirtyResamples: [[DirtyRange]]
    /// By leaf, the dirty ranges and the ranges that other machines need of it.
    private(set) var byLeaf: [[DirtyRange]]
    /// By resampling node, the ranges for which it needs the bars of its origin.
    private(set) var fine: [[DirtyRange]]

    init(_ ranges: [DirtyRange], _ leaves: BarLeaves) {
        dirty = leaves.plans.map { plan in ranges.compactMap { plan.needs.dirty($0) } }
        dirtyResamples = leaves.resamplePlans.indices.map { slot in
            let needs = leaves.needs(ofResample: slot)
            return ranges.compactMap { needs.dirty($0) }
        }
        byLeaf = dirty
        fine = leaves.resamplePlans.map { _ in [] }
        var needed = dirtyResamples
        // An origin comes before the nodes that need it.
        for slot in leaves.resamplePlans.indices.reversed() {
            fine[slot] = needed[slot].map {
                $0.widened(to: leaves.resamples[slot].extent(of: $0))
            }
            switch leaves.resamplePlans[slot].origin {
            case .leaf(let leaf): byLeaf[leaf] += fine[slot]
            case .resample(let origin): needed[origin] += fine[slot]
            case .provider: continue
            }
        }
    }
}
