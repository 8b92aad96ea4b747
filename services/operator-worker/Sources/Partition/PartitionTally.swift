import OperatorGraph

/// What an owner counted of a partition since it took it.
struct PartitionTally: Sendable {
    var published: UInt64 = 0
    /// Computed again, and on the tape already.
    var suppressed: UInt64 = 0
    /// Ticks that were listed as late, once per series.
    var late: UInt64 = 0
    /// Bars of which late ticks made another version.
    var revised: UInt64 = 0
    /// Ticks that a node left out and listed because they were there already.
    var duplicates: UInt64 = 0
    /// Ticks that passed such a node because they have no id to tell them by.
    var undecidable: UInt64 = 0
    var excluded = ExcludedTicks()

    mutating func add(_ other: PartitionTally) {
        published &+= other.published
        suppressed &+= other.suppressed
        late &+= other.late
        revised &+= other.revised
        duplicates &+= other.duplicates
        undecidable &+= other.undecidable
        excluded.add(other.excluded)
    }
}

extension PartitionOperator {
    /// What is computed without output is counted by nobody: whoever made that output did.
    var tally: PartitionTally {
        var tally = counted
        if case .building = phase { return tally }
        tally.undecidable = machine.undecidable - undecidableBefore
        tally.excluded = machine.excluded.since(excludedBefore)
        return tally
    }
}
