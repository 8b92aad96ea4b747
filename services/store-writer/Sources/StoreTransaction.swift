import MarketModel
import NatsTransport
import PostgresClient
import Primitives
import StoreSinks
import TapeCodec

/// The first part of one batch's transaction: BEGIN, and its rows, table by table. `Store` tries it
/// first. `BatchSalvage` takes its place when the database refuses a row.
struct StoreTransaction {
    let database: PostgresConnection
    let catalogue: SinkCatalogue
    let timeout: Duration

    /// Begins the transaction, and copies all rows of each table in one COPY. Throws the server's
    /// error about any of them. The rows of tables with a merge are then in their staging tables
    /// only.
    func copy(_ batch: WriteBatch) throws(PostgresError) -> BatchWork {
        var work = BatchWork(batch, catalogue)
        // BEGIN is sent in one message with the first COPY.
        var opening: String? = "BEGIN"
        for index in catalogue.sinks.indices where work.present[index] {
            let sink = catalogue.sinks[index]
            if let merge = sink.merge {
                try copyKeyed(batch, sink: index, merge, after: opening, &work)
            } else {
                work.outcome.rows[sink.name] = try database.copyIn(
                    sink.copy, after: opening, timeout: timeout
                ) { row throws(PostgresError) in
                    try write(batch, sink: index, to: &row, &work) { _, _ in }
                }
            }
            opening = nil
        }
        if let opening { try database.execute(opening, timeout: timeout) }
        work.close(batch)
        return work
    }

    /// Copies rows into the staging table, which only this session sees. The merge that moves them
    /// into the table itself is noted in `work`, and is sent in one message with COMMIT. So a
    /// writer that is paused in the middle of a COPY holds no lock on a row that its successor has
    /// to write.
    private func copyKeyed(
        _ batch: WriteBatch, sink index: Int, _ merge: Sink.Merge, after opening: String?,
        _ work: inout BatchWork
    ) throws(PostgresError) {
        let sink = catalogue.sinks[index]
        var keys = MergeKeys()
        let rows = try database.copyIn(sink.copy, after: opening, timeout: timeout) {
            row throws(PostgresError) in
            try write(batch, sink: index, to: &row, &work) { record, context in
                keys.insert(merge.key(record, context))
            }
        }
        work.outcome.rows[sink.name] = rows
        work.merges += merge.statements(keys).map {
            BatchWork.Merge(sink: sink.name, statement: $0)
        }
    }

    /// Writes the rows of one table. Records of which no row can be made are noted as refused.
    /// `written` is called with the record of each row.
    func write(
        _ batch: WriteBatch, sink index: Int, to row: inout BinaryCopyWriter,
        _ work: inout BatchWork, _ written: (Record, borrowing PacketContext) -> Void
    ) throws(PostgresError) {
        let sink = catalogue.sinks[index]
        try batch.walk { item, context, record, ordinal, packet throws(PostgresError) in
            guard catalogue.index(of: record) == index else { return }
            guard try sink.write(record, context, packet, ordinal, &row) else {
                work.refuse(item, ordinal, sink.name)
                return
            }
            work.outcome.counts[item].written += 1
            written(record, context)
        }
    }
}
