import MarketModel
import NatsTransport
import PostgresClient
import Primitives
import StoreSinks
import TapeCodec

/// A batch between its first COPY and its COMMIT.
struct CopiedBatch {
    /// A statement that merges a staging table's rows into a table.
    struct Merge {
        let sink: SinkName
        let statement: String
    }

    var work: BatchWork
    /// The merges to run in one message with COMMIT.
    var merges: [Merge] = []
    /// The rows that are refused in a row up to the end of the batch.
    var inARow = RefusedInARow()
}

/// The first part of one batch's transaction: BEGIN, and its rows, table by table. The session
/// tries it first. `BatchSalvage` takes its place when the database refuses a row.
struct PostgresTransaction {
    let database: PostgresConnection
    let catalogue: SinkCatalogue
    let timeout: Duration
    let waits: TableWaits

    /// Begins the transaction, and copies all rows of each table in one COPY. Throws the server's
    /// error about any of them. The rows of tables with a merge are then in their staging tables
    /// only.
    func copy(_ batch: WriteBatch) throws(StoreError) -> CopiedBatch {
        var copied = CopiedBatch(work: BatchWork(batch, catalogue))
        // BEGIN is sent in one message with the first COPY.
        var opening: String? = waits.opening.joined(separator: "; ")
        for index in catalogue.sinks.indices where copied.work.present[index] {
            do throws(PostgresError) {
                try copy(batch, sink: index, after: opening, &copied)
            } catch {
                throw .database(error, of: catalogue.sinks[index].name)
            }
            opening = nil
        }
        if opening != nil {
            try StoreError.using { () throws(PostgresError) in
                for statement in waits.opening {
                    try database.execute(statement, timeout: timeout)
                }
            }
        }
        copied.work.close(batch)
        return copied
    }

    /// Copies the rows of one table.
    private func copy(
        _ batch: WriteBatch, sink index: Int, after opening: String?, _ copied: inout CopiedBatch
    ) throws(PostgresError) {
        let sink = catalogue.sinks[index]
        if let merge = sink.merge {
            return try copyKeyed(batch, sink: index, merge, after: opening, &copied)
        }
        copied.work.outcome.rows[sink.name] = try database.copyIn(
            sink.copy, after: opening, timeout: timeout
        ) { row throws(PostgresError) in
            try write(batch, sink: index, to: &row, &copied.work) { _, _ in }
        }
    }

    /// Copies rows into the staging table, which only this session sees. The merge that moves them
    /// into the table itself is noted in `copied`, and is sent in one message with COMMIT. So a
    /// writer that is paused in the middle of a COPY holds no lock on a row that its successor has
    /// to write.
    private func copyKeyed(
        _ batch: WriteBatch, sink index: Int, _ merge: Sink.Merge, after opening: String?,
        _ copied: inout CopiedBatch
    ) throws(PostgresError) {
        let sink = catalogue.sinks[index]
        var keys = MergeKeys()
        let rows = try database.copyIn(sink.copy, after: opening, timeout: timeout) {
            row throws(PostgresError) in
            try write(batch, sink: index, to: &row, &copied.work) { record, context in
                keys.insert(merge.key(record, context))
            }
        }
        copied.work.outcome.rows[sink.name] = rows
        copied.merges += merge.statements(keys).map {
            CopiedBatch.Merge(sink: sink.name, statement: $0)
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
            guard catalogue.index(of: record) == index, batch.isFor(sink.name, item: item) else {
                return
            }
            guard try sink.write(record, context, packet, ordinal, &row) else {
                work.refuse(item, ordinal, sink.name)
                return
            }
            work.outcome.counts[item].written += 1
            written(record, context)
        }
    }
}
