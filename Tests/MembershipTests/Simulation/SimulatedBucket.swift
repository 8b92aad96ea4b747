import MarketModel
import Membership

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
    private var copy: (entries: [Int: Entry], last: UInt64)?

    /// Returns `nil` if another revision is stored.
    mutating func write(_ write: RecordWrite) -> UInt64? {
        let present = entries[write.partition.number]
        guard present?.revision ?? 0 == write.expected else { return nil }
        last += 1
        entries[write.partition.number] = Entry(record: write.record, revision: last)
        return last
    }

    /// Reads as OwnerRecords does. `known` is the creation time of the bucket that was read last.
    func read(number: UInt64, after: UInt64, known: inout Int) -> RecordsRead {
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
            isReplicated: isReplicated)
    }

    mutating func keepCopy() { copy = (entries, last) }

    mutating func putBack() {
        guard let copy else { return }
        (entries, last) = copy
    }

    /// With `isSame` the bucket keeps its creation time, like one restored from a backup that was
    /// made when it was empty.
    mutating func remake(isSame: Bool = false) {
        entries = [:]
        last = 0
        made += isSame ? 0 : 1
    }

    mutating func delete(_ partition: Int) {
        guard entries[partition] != nil else { return }
        last += 1
        entries[partition] = Entry(record: nil, revision: last)
    }
}
