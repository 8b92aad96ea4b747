import MarketModel
import Membership
import Primitives

/// The bucket of owners, with compare-and-set and reads that wait for a revision.
struct SimulatedBucket {
    struct Entry {
        var record: OwnershipRecord?
        var revision: UInt64
    }

    private(set) var entries: [Int: Entry] = [:]
    private(set) var last: UInt64 = 0
    private(set) var made = 1
    var isReplicated = false
    /// The requests to drain members.
    private(set) var drains: [MemberName: DrainCause] = [:]
    /// No request can be read.
    var isDrainDamaged = false
    static let damaged = VersionedJSON.Refusal.damaged("damaged")
    private var copy: (entries: [Int: Entry], last: UInt64, drains: [MemberName: DrainCause])?

    /// Returns `nil` if another revision is stored.
    mutating func write(_ write: RecordWrite) -> UInt64? {
        let present = entries[write.partition.number]
        guard present?.revision ?? 0 == write.expected else { return nil }
        last += 1
        entries[write.partition.number] = Entry(record: write.record, revision: last)
        return last
    }

    /// Reads as OwnerRecords does. `known` is the creation time of the bucket that was read last.
    func read(
        number: UInt64, after: UInt64, known: inout Int, by member: MemberName
    ) -> RecordsRead {
        let isWhole = after == 0 || known != made || last < after
        known = made
        let changes = entries.filter { isWhole || $0.value.revision > after }
            .sorted { $0.value.revision < $1.value.revision }
            .map { partition, entry in
                RecordsRead.Change(
                    partition: Partition(partition), revision: entry.revision,
                    content: entry.record.map { .record($0) } ?? .deleted)
            }
        return RecordsRead(
            number: number, isWhole: isWhole, last: last, changes: changes,
            isReplicated: isReplicated,
            drain: !isWhole && last == after ? .unchanged : news(member))
    }

    private func news(_ member: MemberName) -> DrainNews {
        guard let cause = drains[member] else { return .absent }
        return isDrainDamaged ? .refused(Self.damaged) : .asked(cause)
    }

    /// Asks that the member is drained, or takes the request back.
    mutating func drain(_ member: MemberName, _ cause: DrainCause?) {
        guard drains[member] != cause else { return }
        last += 1
        drains[member] = cause
    }

    /// Keeps a copy, from which `restoreCopy` restores what is stored.
    mutating func keepCopy() { copy = (entries, last, drains) }

    mutating func restoreCopy() {
        guard let copy else { return }
        (entries, last, drains) = copy
    }

    /// With `isSame` the bucket keeps its creation time, like one restored from a backup that was
    /// made when it was empty.
    mutating func remake(isSame: Bool = false) {
        entries = [:]
        drains = [:]
        last = 0
        made += isSame ? 0 : 1
    }

    mutating func delete(_ partition: Int) {
        guard entries[partition] != nil else { return }
        last += 1
        entries[partition] = Entry(record: nil, revision: last)
    }
}
