import PostgresClient
import StoreSinks
import TapeCodec

// How rows get into tables in which the higher revision wins.
extension StoreTransaction {
    /// Copies rows into the staging table, which belongs to this session. Only `BatchWork.merges`
    /// touches the table itself, in one message with COMMIT. So a writer that is paused in the
    /// middle of a COPY holds no key that its successor has to write.
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
