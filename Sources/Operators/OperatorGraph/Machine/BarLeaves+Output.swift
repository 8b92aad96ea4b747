internal import MarketModel
internal import Primitives
internal import StreamCore

// How bars leave the machines.
extension BarLeaves {
    /// Appends the versions of a leaf's bars that are due by the source's present watermark.
    mutating func advance(_ leaf: Int, source: Int, into closed: inout [Bar]) {
        let slot = plans[leaf].slot
        switch plans[leaf].maker {
        case .time: time[slot].advance(source: source, tables, into: &closed)
        case .number: number[slot].advance(source: source, tables, into: &closed)
        case .inactivity: inactivity[slot].advance(source: source, tables, into: &closed)
        }
    }

    /// Appends the late ticks of a leaf since the last call.
    mutating func takeLateTicks(_ leaf: Int, into late: inout [LateTick]) {
        let slot = plans[leaf].slot
        switch plans[leaf].maker {
        case .time: time[slot].takeLateTicks(into: &late)
        case .number: number[slot].takeLateTicks(into: &late)
        case .inactivity: inactivity[slot].takeLateTicks(into: &late)
        }
    }

    /// Appends the bars of a leaf's open windows that changed since the last call.
    mutating func takeOpenBars(_ leaf: Int, into open: inout [Bar]) {
        let slot = plans[leaf].slot
        switch plans[leaf].maker {
        case .time: time[slot].takeOpenBars(into: &open)
        case .number: number[slot].takeOpenBars(into: &open)
        case .inactivity: inactivity[slot].takeOpenBars(into: &open)
        }
    }

    /// Passes the bars of one machine to the machines that make coarser bars of them. The bars have
    /// the series indexes of the machine that made them. `before` is the source's watermark before
    /// the one by which the bars were due.
    mutating func resample(
        _ bars: [Bar], from origin: ResamplePlan.Origin, before: Timestamp
    ) {
        for (slot, plan) in resamplePlans.enumerated() where plan.origin == origin {
            for bar in bars where bar.series == plan.fineSeries {
                resamples[slot].bar(bar, before: before, tables)
            }
        }
    }
}
