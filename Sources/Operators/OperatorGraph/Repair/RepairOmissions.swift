internal import StreamCore

/// Omissions of repairs because of a limit. The published output that they concern stays as it was.
package struct RepairOmissions: Hashable, Sendable {
    /// Windows for which there was no room, and symbols of which a repair held too much.
    package var windows: UInt64 = 0
    /// Bars of which it was not known whether to withdraw them.
    package var withdrawals: UInt64 = 0
    /// Cancels and corrections that could not be noted, or carry no id to find the trade by.
    package var changes: UInt64 = 0
    /// Fetched ticks that were judged at their place on the tape instead of at their event time.
    package var unplaced: UInt64 = 0
    /// Ticks of people that may belong to several sources, and were left out.
    package var unassigned: UInt64 = 0

    package init() {}

    package var isNone: Bool { self == RepairOmissions() }

    /// Returns the omissions since an earlier state.
    package func since(_ before: RepairOmissions) -> RepairOmissions {
        var more = self
        for count in Self.counts {
            more[keyPath: count] &-= min(more[keyPath: count], before[keyPath: count])
        }
        return more
    }

    package mutating func add(_ other: RepairOmissions) {
        for count in Self.counts { self[keyPath: count] &+= other[keyPath: count] }
    }

    private static var counts: [WritableKeyPath<RepairOmissions, UInt64>] {
        [\.windows, \.withdrawals, \.changes, \.unplaced, \.unassigned]
    }
}

extension GraphMachine {
    /// The omissions of all repairs that it absorbed. The last three belong to each
    /// `GraphRepair`.
    package var repairOmissions: RepairOmissions {
        var omissions = RepairOmissions()
        for leaf in leaves.plans.indices {
            for series in leaves.counters(of: leaf).series {
                omissions.windows &+= series.repairsRefused
            }
        }
        for resample in leaves.resamples { omissions.windows &+= resample.counters.repairsRefused }
        for number in leaves.number { omissions.withdrawals &+= number.unwithdrawn }
        return omissions
    }
}
