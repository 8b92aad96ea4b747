import OperatorGraph

/// The counts of a partition since its owner took it.
struct PartitionTally: Sendable {
    /// Output that was sent to the tape.
    var published: UInt64 = 0
    /// Output that was computed again and is on the tape already.
    var suppressed: UInt64 = 0
    /// Ticks that were listed as late, once per series.
    var late: UInt64 = 0
    /// Bars of which late ticks made another version.
    var revised: UInt64 = 0
    /// Ticks that a node left out and listed because they came before.
    var duplicates: UInt64 = 0
    /// Ticks that passed such a node because they have no id to compare.
    var undecidable: UInt64 = 0
    /// Ticks that rules and calendars excluded, by reason.
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
    /// The counts. Input that only builds state is not counted, because its earlier owner has
    /// counted it.
    var tally: PartitionTally {
        var tally = counted
        if case .building = phase { return tally }
        tally.undecidable = machine.undecidable - undecidableBefore
        tally.excluded = machine.excluded.since(excludedBefore)
        return tally
    }
}
