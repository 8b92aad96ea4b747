import MarketModel
import Membership

/// The bucket of owners, with the writes in their order. A read of many records of a long log is
/// made once for all members that ask for it.
struct ScaleBucket {
    struct Entry {
        var record: OwnershipRecord
        var revision: UInt64
    }

    private(set) var entries: [Entry?]
    private(set) var last: UInt64 = 0
    /// The partition of each write.
    private var log: [Int] = []
    private var whole: (last: UInt64, changes: [RecordsRead.Change])?

    init(partitions: Int) { entries = Array(repeating: nil, count: partitions) }

    /// Returns `nil` if another revision is stored.
    mutating func write(_ write: RecordWrite) -> UInt64? {
        let number = write.partition.number
        guard entries[number]?.revision ?? 0 == write.expected else { return nil }
        last += 1
        log.append(number)
        entries[number] = Entry(record: write.record, revision: last)
        return last
    }

    mutating func read(number: UInt64, after: UInt64) -> RecordsRead {
        RecordsRead(
            number: number, isWhole: after == 0, last: last, changes: changes(after),
            isReplicated: false)
    }

    private mutating func changes(_ after: UInt64) -> [RecordsRead.Change] {
        if after == 0, let whole, whole.last == last { return whole.changes }
        var found: [RecordsRead.Change] = []
        var next = after
        while next < last {
            let number = log[Int(next)]
            next += 1
            guard let entry = entries[number], entry.revision == next else { continue }
            found.append(
                .init(
                    partition: Partition(number), revision: next, content: .record(entry.record)))
        }
        if after == 0 { whole = (last, found) }
        return found
    }
}
