import TapeTransport
import MarketModel
import PostgresClient
import Primitives
import StoreSinks
import TapeCodec

/// The second way to write a batch: for one that the database refuses as a whole because of some
/// rows. It tries ranges of a table's rows under savepoints of one transaction, until every bad row
/// is found and all others are written.
///
/// A *piece* is a range of rows that is tried together. A row's *number* counts the records that a
/// table takes in the batch, from 0. A *line* is the place of a row within one COPY, from 1.
struct BatchSalvage {
    let database: PostgresConnection
    let catalogue: SinkCatalogue
    let timeout: Duration
    /// Tables whose days were made again for this batch. A row that still has no time partition
    /// there can have none, and is a bad row.
    let madeTables: Set<String>
    /// The maximum number of records that become dead letters. With more, the batch is not written.
    let refusedMax: Int
    let waits: TableWaits
    private static let mark = "SAVEPOINT piece"
    private static let keep = "RELEASE SAVEPOINT piece"
    private static let back = "ROLLBACK TO SAVEPOINT piece"

    /// Begins the transaction, writes all good rows, and returns the refused ones with the counts.
    func write(
        _ batch: WriteBatch, _ inARow: inout RefusedInARow
    ) throws(StoreError) -> BatchWork {
        var work = BatchWork(batch, catalogue)
        for statement in waits.opening { try execute(statement) }
        // Deferred constraints are checked with each statement: at COMMIT no piece would be known.
        try execute("SET CONSTRAINTS ALL IMMEDIATE")
        for index in catalogue.sinks.indices where work.present[index] {
            let rows = SinkRows(batch, catalogue, sink: index)
            try write(rows, of: batch, sink: index, &work, &inARow)
        }
        work.close(batch)
        return work
    }

    /// Writes one table's rows, piece by piece.
    private func write(
        _ rows: SinkRows, of batch: WriteBatch, sink index: Int, _ work: inout BatchWork,
        _ inARow: inout RefusedInARow
    ) throws(StoreError) {
        if batch.blocked == catalogue.sinks[index].name, rows.count > 1 {
            try probe(rows, of: batch, sink: index)
        }
        var search = Bisection(count: rows.count)
        while let range = search.next {
            try execute(Self.mark)
            let table = catalogue.sinks[index].name
            var piece = Piece()
            do throws(PostgresError) {
                try copy(range, rows, of: batch, sink: index, &piece)
                try database.execute(Self.keep, timeout: timeout)
                search.good()
                if piece.copied > 0 { inARow.forget(table) }
                piece.count(in: &work, table)
            } catch {
                guard isFaultOfRows(error) else { throw .database(error, of: table) }
                try execute(Self.back)
                let found = search.found.count
                search.bad(hint: piece.row(ofLine: error.serverError?.copyLine))
                guard search.found.count > found else { continue }
                // A group that may be left is searched apart.
                let isHopeless =
                    inARow.refused(table) && batch.leavable.contains(TableGroup(of: table))
                guard work.refused.count < refusedMax, !isHopeless else {
                    throw Self.flood(
                        isHopeless
                            ? "\(RefusedInARow.rowsMax) rows in a row"
                            : "more than \(refusedMax) rows of one batch", table, error,
                        PostgresSession.text(database))
                }
                if let tick = rows.refused(range.lowerBound, batch, catalogue, error) {
                    work.refused.append(tick)
                }
            }
        }
    }

    /// Throws when a blocked table takes none of a few rows of the batch. The search is left out
    /// then: it asks for every row, and would come again until the table is mended.
    private func probe(_ rows: SinkRows, of batch: WriteBatch, sink index: Int) throws(StoreError) {
        let table = catalogue.sinks[index].name
        var refusal: PostgresError?
        try execute(Self.mark)
        for row in Self.probed(of: rows.count) {
            var piece = Piece()
            var isTaken = false
            do throws(PostgresError) {
                try copy(row..<row + 1, rows, of: batch, sink: index, &piece)
                // A record of which no row can be made shows nothing.
                isTaken = piece.copied > 0
            } catch {
                guard isFaultOfRows(error) else { throw .database(error, of: table) }
                refusal = error
            }
            try execute(Self.back)
            if isTaken { return }
        }
        guard let refusal else { return }
        throw .withheld(
            StoreError.Withheld(
                operation: "write rows", peer: PostgresSession.text(database),
                remedy: .mendTable,
                reason: "\(table.rawValue) still refuses its rows, the newest and the oldest one "
                    + "and one between, so none is set aside: mend the table; the refusal: "
                    + "\(refusal)", table: table))
    }

    /// Returns the rows to try: the newest, the oldest, and another one at each try. So one that
    /// the table takes is found at some time, however many are bad by themselves.
    static func probed(of count: Int) -> [Int] {
        let last = count - 1
        guard count > 2 else { return [last, 0] }
        return [last, 0, Int.random(in: 1..<last)]
    }

    private func execute(_ statement: String) throws(StoreError) {
        try StoreError.using { () throws(PostgresError) in
            try database.execute(statement, timeout: timeout)
        }
    }

    /// Returns whether rows of the piece caused the error, and not the database or its schema.
    private func isFaultOfRows(_ error: PostgresError) -> Bool {
        switch error.category {
        case .data: true
        case .missingPartition: error.serverError?.table.map(madeTables.contains) ?? false
        case .retryable, .schema, .fenced, .authentication, .fatal: false
        }
    }

    /// Returns the error for a batch with too many bad rows.
    private static func flood(
        _ rows: String, _ table: SinkName, _ last: PostgresError, _ peer: String
    ) -> StoreError {
        .withheld(
            StoreError.Withheld(
                operation: "write rows", peer: peer, remedy: .mendTable,
                reason: "\(rows) are refused, so nothing is set aside: "
                    + "mend the table, or raise WRITER_DEAD_LETTERS_MAX; the last refusal: "
                    + "\(last)", table: table))
    }

    /// Copies the rows of a range. For a table with a merge, also merges them immediately and
    /// empties the staging table, so that an error of the merge is one of this piece.
    private func copy(
        _ range: Range<Int>, _ rows: SinkRows, of batch: WriteBatch, sink index: Int,
        _ piece: inout Piece
    ) throws(PostgresError) {
        let sink = catalogue.sinks[index]
        piece.copied = try database.copyIn(sink.copy, timeout: timeout) {
            writer throws(PostgresError) in
            try rows.walk(range, batch, catalogue) {
                number, item, context, record, ordinal, packet throws(PostgresError) in
                if try sink.write(record, context, packet, ordinal, &writer) {
                    piece.lines.append((number, item))
                } else {
                    piece.undecodable.append((item, ordinal))
                }
            }
        }
        guard let merge = sink.merge else { return }
        var merged = 0
        for statement in merge.statements {
            merged += try database.execute(statement, timeout: timeout).affectedRows
        }
        piece.merged = merged
        try database.execute("DELETE FROM \(sink.copyTarget)", timeout: timeout)
    }
}

/// One range of rows that is tried together.
private struct Piece {
    /// By line of the COPY: the row's number, and the index of its item in the batch.
    var lines: [(row: Int, item: Int)] = []
    /// Records of which no row can be made. They have no line.
    var undecodable: [(item: Int, ordinal: UInt64)] = []
    /// The number of rows that COPY sent.
    var copied = 0
    /// The number of rows that the merge inserted or changed; `nil` for tables without a merge.
    var merged: Int?

    /// Returns the number of the row in a line of the COPY; `nil` without a line, or for a line
    /// that the COPY did not have.
    func row(ofLine line: Int?) -> Int? {
        guard let line, (1...max(1, lines.count)).contains(line), !lines.isEmpty else { return nil }
        return lines[line - 1].row
    }

    /// Adds the piece to the counts of the batch, once it is stored.
    func count(in work: inout BatchWork, _ sink: SinkName) {
        for line in lines { work.outcome.counts[line.item].written += 1 }
        for tick in undecodable { work.refuse(tick.item, tick.ordinal, sink) }
        work.outcome.rows[sink, default: 0] += copied
        if let merged { work.outcome.ignored[sink, default: 0] += copied - merged }
    }
}

/// The records of a batch that one sink takes, numbered from 0.
private struct SinkRows {
    let sink: Int
    /// The number of each item's first row; the last element is the count of all rows.
    private var starts: [Int] = [0]

    init(_ batch: WriteBatch, _ catalogue: SinkCatalogue, sink: Int) {
        self.sink = sink
        let name = catalogue.sinks[sink].name
        let isFor = batch.items.indices.map { batch.isFor(name, item: $0) }
        for index in batch.items.indices {
            var count = 0
            batch.walk(item: index) { _, record, _, _ in
                if catalogue.index(of: record) == sink, isFor[index] { count += 1 }
            }
            starts.append(starts[index] + count)
        }
    }

    var count: Int { starts[starts.count - 1] }

    /// Visits the records of a range of numbers.
    func walk<Failure: Error>(
        _ range: Range<Int>, _ batch: WriteBatch, _ catalogue: SinkCatalogue,
        _ visit: (
            _ row: Int, _ item: Int, borrowing PacketContext, Record, _ ordinal: UInt64, RawSpan
        ) throws(Failure) -> Void
    ) throws(Failure) {
        for item in batch.items.indices
        where starts[item] < range.upperBound && starts[item + 1] > range.lowerBound
            && starts[item] < starts[item + 1]
        {
            var number = starts[item]
            try batch.walk(item: item) {
                context, record, ordinal, packet throws(Failure) in
                guard catalogue.index(of: record) == sink else { return }
                defer { number += 1 }
                guard range.contains(number) else { return }
                try visit(number, item, context, record, ordinal, packet)
            }
        }
    }

    /// Returns the record of a row that was refused alone, with the database's reason.
    func refused(
        _ row: Int, _ batch: WriteBatch, _ catalogue: SinkCatalogue, _ error: PostgresError
    ) -> RefusedTick? {
        var found: RefusedTick?
        walk(row..<row + 1, batch, catalogue) { _, item, _, _, ordinal, _ in
            found = RefusedTick(
                item: item, ordinal: ordinal, sink: catalogue.sinks[sink].name,
                reason: error.category == .missingPartition ? .outOfRange : .data,
                refusal: DeadLetter.Refusal(error))
        }
        return found
    }
}
