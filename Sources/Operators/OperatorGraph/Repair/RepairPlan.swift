internal import MarketModel
package import Primitives
package import StreamCore

/// The part of the tape to read again for some dirty ranges, which are stretches of symbols' time
/// that have to be computed again.
package struct RepairPlan: Sendable {
    /// The repair needs all ticks with event times in [from, to).
    package let from: Timestamp
    /// Ticks before this time only bring the stages into the right state. From here on to `to` the
    /// windows are computed.
    package let windowsFrom: Timestamp
    package let to: Timestamp
    /// The ranges to compute again: at most `rangesMax`, or one for each symbol, kind and reason.
    package let ranges: [DirtyRange]
    /// The symbols of the ranges in ascending order, as the machine's indexes.
    package let symbols: [UInt32]
    /// The ranges of each machine.
    let machineRanges: MachineRanges

    /// The maximum number of ranges. More ranges are joined, those that are near each other first.
    package static let rangesMax = 1_024

    /// `warmUp` is how long before the windows the ticks must begin for the stages, in nanoseconds.
    /// Returns `nil` without a range.
    init?(_ dirty: [DirtyRange], leaves: BarLeaves, warmUp: Int64) {
        guard !dirty.isEmpty else { return nil }
        ranges = dirty.count > Self.rangesMax ? Self.merged(dirty) : dirty
        symbols = Set(ranges.map(\.symbol)).sorted()
        machineRanges = MachineRanges(ranges, leaves)
        var from = Int64.max
        var to = Int64.min
        for leaf in leaves.plans.indices {
            for range in machineRanges.byLeaf[leaf] {
                let extent = leaves.extent(leaf, of: range)
                from = min(from, extent.from)
                to = max(to, extent.to)
            }
        }
        for (slot, plan) in leaves.resamplePlans.enumerated() where plan.origin == .provider {
            for range in machineRanges.fine[slot] {
                from = min(from, range.from)
                // The event time of a provider's bar is its end.
                to = max(to, range.to + 1)
            }
        }
        if from > to {
            // No machine has windows of that kind of ticks.
            from = ranges.map(\.from).min() ?? 0
            to = from
        }
        windowsFrom = Timestamp(nanoseconds: from)
        self.from = windowsFrom.advanced(byNanoseconds: -warmUp)
        self.to = Timestamp(nanoseconds: to)
    }

    /// Joins ranges of one symbol, kind and reason that are near each other. The distance grows as
    /// far as needed, and in the end all of them are joined. Every range keeps its reason. Windows
    /// between two joined ranges are computed again without need.
    static func merged(_ dirty: [DirtyRange]) -> [DirtyRange] {
        let sorted = dirty.sorted {
            ($0.symbol, $0.kind.rawValue, $0.reason, $0.from, $0.to)
                < ($1.symbol, $1.kind.rawValue, $1.reason, $1.from, $1.to)
        }
        var merged = sorted
        for distance in distances where merged.count > rangesMax {
            merged = joined(merged, within: distance)
        }
        return merged
    }

    /// The distances to try: none, a second, a minute, an hour, any.
    private static let distances: [Int64] = [
        0, 1_000_000_000, 60_000_000_000, 3_600_000_000_000, Int64.max,
    ]

    private static func joined(_ sorted: [DirtyRange], within distance: Int64) -> [DirtyRange] {
        var joined: [DirtyRange] = []
        for range in sorted {
            guard let last = joined.last, last.symbol == range.symbol, last.kind == range.kind,
                last.reason == range.reason, isNear(range.from, last.to, distance)
            else {
                joined.append(range)
                continue
            }
            joined[joined.count - 1].to = max(last.to, range.to)
        }
        return joined
    }

    private static func isNear(_ from: Int64, _ to: Int64, _ distance: Int64) -> Bool {
        let (between, overflow) = from.subtractingReportingOverflow(to)
        return overflow ? distance == Int64.max : between <= distance
    }
}
