import PostgresClient
import StoreSinks
import TapeCodec

// Tables in which the higher revision wins.
extension StoreTransaction {
    /// Into the staging table, which is this session's own. The table itself is touched only by
    /// `BatchWork.merges`, in one message with COMMIT: a writer that is paused in the middle of a
    /// COPY then holds no key that its successor has to write.
    func copyKeyed(
        _ batch: WriteBatch, sink index: Int, _ merge: Sink.Merge, _ work: inout BatchWork
    ) throws(PostgresError) {
        let sink = catalogue.sinks[index]
        var keys = MergeKeys()
        let rows = try database.copyIn(sink.copy, timeout: timeout) { row throws(PostgresError) in
            try write(batch, sink: index, to: &row, &work) { record, context in
                keys.insert(merge.key(record, context))
            }
        }
        work.outcome.rows[sink.name] = rows
        work.merges.append(BatchWork.Merge(sink: sink.name, statement: merge.statement(keys)))
    }
}
