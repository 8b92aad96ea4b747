import OperatorGraph

/// The counts of a partition since this worker began with it, for metrics and /status.
struct PartitionTally: Sendable {
    /// Items of output that were sent to the tape.
    var published: UInt64 = 0
    /// Items of output that were computed again and are on the tape already.
    var suppressed: UInt64 = 0
    /// Ticks that were listed as late, once per series.
    var late: UInt64 = 0
    /// Bars of which late ticks made another version.
    var revised: UInt64 = 0
    /// Ticks that a deduplicating node listed, because an equal tick came before.
    var duplicates: UInt64 = 0
    /// Ticks that passed such a node because they lack the id that it compares.
    var undecidable: UInt64 = 0
    /// Ticks that series excluded, by reason.
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
    /// All counts. Input that only builds the state of a new line of output is not included,
    /// because an earlier owner has counted it.
    var tally: PartitionTally {
        var tally = counted
        if case .building = phase { return tally }
        tally.undecidable = machine.undecidable - undecidableBefore
        tally.excluded = machine.excluded.since(excludedBefore)
        return tally
    }
}
