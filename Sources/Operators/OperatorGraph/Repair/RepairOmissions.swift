internal import StreamCore

/// What repairs left out because of a limit: what stood of it stays as it was.
public struct RepairOmissions: Hashable, Sendable {
    /// Windows for which there was no room, and symbols of which a repair held too much.
    public var windows: UInt64 = 0
    /// Bars of which nobody could say whether they have to be withdrawn.
    public var withdrawals: UInt64 = 0
    /// Cancels and corrections that could not be noted, or carry no id to find the trade by.
    public var changes: UInt64 = 0
    /// Ticks that were fetched later and not judged where they would have come, but where they
    /// stand.
    public var unplaced: UInt64 = 0

    public init() {}

    public var isNone: Bool { self == RepairOmissions() }

    /// What came on top of what was known before.
    public func since(_ before: RepairOmissions) -> RepairOmissions {
        var more = self
        more.windows &-= min(windows, before.windows)
        more.withdrawals &-= min(withdrawals, before.withdrawals)
        more.changes &-= min(changes, before.changes)
        more.unplaced &-= min(unplaced, before.unplaced)
        return more
    }

    public mutating func add(_ other: RepairOmissions) {
        windows &+= other.windows
        withdrawals &+= other.withdrawals
        changes &+= other.changes
        unplaced &+= other.unplaced
    }
}

extension GraphMachine {
    /// Of all repairs that it absorbed; `changes` and `unplaced` are a `GraphRepair`'s own.
    public var repairOmissions: RepairOmissions {
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
