import PostgresClient
import StoreSinks
import TapeCodec

// Tables in which the higher revision wins.
extension StoreTransaction {
    /// Below it the round trips of a second COPY cost more than it saves.
    private static let firstRowsMin = 500

    /// Which records of a batch.
    private enum Part {
        case all
        /// Those that come for the first time, as a rule.
        case first
        case rest
    }

    /// New rows go straight into the table, others by way of staging. Where a new one turns out to
    /// be there already (a partition that is rebuilt), nothing of it remains and all go that way.
    func copyKeyed(
        _ batch: WriteBatch, sink index: Int, _ merge: Sink.Merge, _ work: inout BatchWork
    ) throws(PostgresError) {
        let name = catalogue.sinks[index].name
        var part = Part.all
        if batch.rows >= Self.firstRowsMin {
            var tried = work
            do throws(PostgresError) {
                let (rows, left) = try copyFirst(batch, sink: index, merge, &tried)
                work = tried
                work.outcome.rows[name] = rows
                if left == 0 { return }
                part = .rest
            } catch  where error.sqlState == .uniqueViolation {
                try database.execute("ROLLBACK TO first_versions", timeout: timeout)
            }
        }
        try copyStaged(batch, sink: index, part, merge, &work)
    }

    /// Answers how many rows there were, and how many others are left.
    private func copyFirst(
        _ batch: WriteBatch, sink index: Int, _ merge: Sink.Merge, _ work: inout BatchWork
    ) throws(PostgresError) -> (rows: Int, left: Int) {
        var left = 0
        let rows = try database.copyIn(
            merge.copyOfFirst, after: "SAVEPOINT first_versions", timeout: timeout
        ) { row throws(PostgresError) in
            left = try write(batch, sink: index, .first, to: &row, &work) { _, _ in }
        }
        return (rows, left)
    }

    private func copyStaged(
        _ batch: WriteBatch, sink index: Int, _ part: Part, _ merge: Sink.Merge,
        _ work: inout BatchWork
    ) throws(PostgresError) {
        let sink = catalogue.sinks[index]
        var keys = MergeKeys()
        let rows = try database.copyIn(sink.copy, timeout: timeout) { row throws(PostgresError) in
            _ = try write(batch, sink: index, part, to: &row, &work) { record, context in
                keys.insert(merge.key(record, context))
            }
        }
        let merged = try database.execute(merge.statement(keys), timeout: timeout).affectedRows
        work.outcome.rows[sink.name, default: 0] += rows
        work.outcome.ignored[sink.name] = rows - merged
    }

    /// Answers how many of the sink's records are of another part.
    private func write(
        _ batch: WriteBatch, sink index: Int, _ part: Part, to row: inout BinaryCopyWriter,
        _ work: inout BatchWork, _ written: (Record, borrowing PacketContext) -> Void
    ) throws(PostgresError) -> Int {
        let sink = catalogue.sinks[index]
        let comesFirst = sink.merge?.comesFirst
        var others = 0
        try batch.walk { item, context, record, ordinal, packet throws(PostgresError) in
            guard catalogue.index(of: record) == index else { return }
            if part != .all, comesFirst?(record) != (part == .first) {
                others += 1
                return
            }
            guard try sink.write(record, context, packet, ordinal, &row) else {
                work.refuse(item, ordinal, sink.name)
                return
            }
            work.outcome.counts[item].written += 1
            written(record, context)
        }
        return others
    }
}
