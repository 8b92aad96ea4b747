import Primitives
import StoreKit
import StoreSinks
import TapeCodec
import TapeTransport

/// The rows of a batch as columns, with the record of each.
struct OwnRows: Sendable {
    /// The rows of one table.
    struct Part: Sendable {
        let sink: SinkName
        var table: StoreTable
        /// The record of each row: the index of its item, and its ordinal.
        var records: [(item: Int, ordinal: UInt64)]
    }

    private(set) var parts: [Part] = []
    private var work: BatchWork

    /// `writers` are empty ones, for each sink of the catalogue.
    init(_ batch: WriteBatch, _ catalogue: SinkCatalogue, _ writers: [ColumnWriter]) {
        work = BatchWork(batch, catalogue)
        var writers = writers
        var refused: [(item: Int, ordinal: UInt64, sink: SinkName)] = []
        var records = writers.map { _ in [(item: Int, ordinal: UInt64)]() }
        batch.walk { item, context, record, ordinal, packet in
            guard let index = catalogue.index(of: record) else { return }
            let sink = catalogue.sinks[index]
            if sink.writeColumns(record, context, packet, ordinal, &writers[index]) {
                records[index].append((item, ordinal))
            } else {
                refused.append((item, ordinal, sink.name))
            }
        }
        for tick in refused { work.refuse(tick.item, tick.ordinal, tick.sink) }
        for (index, sink) in catalogue.sinks.enumerated() where !records[index].isEmpty {
            parts.append(
                Part(sink: sink.name, table: writers[index].table, records: records[index]))
        }
    }

    var tables: [StoreTable] { parts.map(\.table).filter { $0.rowCount > 0 } }

    /// Returns some rows of a part; with `together`, after all rows of the batch before them.
    /// `refused` are rows of the part to leave out.
    func tables(
        _ range: Range<Int>, of index: Int, without refused: [Int], _ together: Bool
    ) -> [StoreTable] {
        let table = parts[index].table
        guard together else { return [table.rows(range)] }
        return parts[..<index].map(\.table).filter { $0.rowCount > 0 }
            + [table.rows(0..<range.upperBound).without(Set(refused))]
    }

    /// The part of the batch's only row; `nil` when there are more, or none.
    var only: Int? {
        guard tables.map(\.rowCount) == [1] else { return nil }
        return parts.firstIndex { $0.table.rowCount == 1 }
    }

    /// Takes rows out, which the store refuses, each with its reason.
    mutating func refuse(_ rows: [(row: Int, reason: String)], of index: Int) {
        guard !rows.isEmpty else { return }
        var part = parts[index]
        for (row, reason) in rows {
            work.refused.append(
                RefusedTick(
                    item: part.records[row].item, ordinal: part.records[row].ordinal,
                    sink: part.sink, reason: .data, refusal: DeadLetter.Refusal(message: reason)))
        }
        let gone = Set(rows.map(\.row))
        part.table = part.table.without(gone)
        part.records = part.records.indices.filter { !gone.contains($0) }.map { part.records[$0] }
        parts[index] = part
    }

    /// Returns the counts, in which each record of the batch is once.
    func counted(_ batch: WriteBatch) -> BatchWork {
        var counted = work
        for part in parts {
            for record in part.records { counted.outcome.counts[record.item].written += 1 }
            counted.outcome.rows[part.sink] = part.records.count
        }
        counted.close(batch)
        return counted
    }
}
