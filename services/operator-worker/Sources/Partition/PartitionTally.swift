import OperatorGraph
import StreamCore

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
    /// The counts of the machine.
    var machine = MachineTally()

    mutating func add(_ other: PartitionTally) {
        published &+= other.published
        suppressed &+= other.suppressed
        late &+= other.late
        revised &+= other.revised
        duplicates &+= other.duplicates
        machine.add(other.machine)
    }
}

/// The counts that a partition's machine keeps itself.
struct MachineTally: Sendable {
    /// Ticks that passed a deduplicating node because they lack the id that it compares.
    var undecidable: UInt64 = 0
    /// Ticks that such a node forgot early because it had no room.
    var forgotten: UInt64 = 0
    /// Finer bars that were settled early because of a limit.
    var settledEarly: UInt64 = 0
    /// Values of custom operators that were left out because of a limit.
    var valuesLeftOut: UInt64 = 0
    /// Trades that reached joins.
    var joined = JoinCounters()
    /// Changes of books that nodes saw.
    var books = BookCounters()
    /// Ticks that series excluded, by reason.
    var excluded = ExcludedTicks()

    private static var counts: [WritableKeyPath<Self, UInt64>] {
        [
            \.undecidable, \.forgotten, \.settledEarly, \.valuesLeftOut, \.joined.paired,
            \.joined.conflated, \.joined.alone, \.books.known, \.books.unknown, \.books.lost,
        ]
    }

    init() {}

    init(_ machine: GraphMachine) {
        undecidable = machine.undecidable
        forgotten = machine.forgotten
        settledEarly = machine.settledEarly
        valuesLeftOut = machine.valuesLeftOut
        joined = machine.joined
        books = machine.bookChanges
        excluded = machine.excluded
    }

    mutating func add(_ other: MachineTally) {
        for count in Self.counts { self[keyPath: count] &+= other[keyPath: count] }
        excluded.add(other.excluded)
    }

    /// Returns the counts since an earlier state.
    func since(_ before: MachineTally) -> MachineTally {
        var rest = self
        for count in Self.counts { rest[keyPath: count] &-= before[keyPath: count] }
        rest.excluded = excluded.since(before.excluded)
        return rest
    }
}

extension PartitionOperator {
    /// All counts. Input that only builds the state of a new line of output is not included,
    /// because an earlier owner has counted it.
    var tally: PartitionTally {
        var tally = counted
        if case .building = phase { return tally }
        tally.machine = MachineTally(machine).since(countedBefore)
        return tally
    }
}
