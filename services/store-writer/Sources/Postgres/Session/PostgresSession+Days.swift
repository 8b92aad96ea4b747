import PostgresClient
import Primitives
import StoreSinks

// How days (time partitions, or chunks of TimescaleDB) are made before their rows, outside of the
// rows' transaction. A transaction that makes a day locks it with its indexes until COMMIT. In the
// rows' long transaction, others that write to the table would wait for all of it.
extension PostgresSession {
    /// The maximum number of days in `knownDays`. At the maximum all are forgotten, and the next
    /// batch queries its days again.
    private static let knownDaysMax = 65_536

    /// Returns the days of the batch's rows that have to be made first, in order of table and time.
    /// It queries the database for days that are not in `knownDays`. Days for which the database
    /// allows no partition are left out: it refuses their rows, which become dead letters.
    func missingDays(of batch: WriteBatch) throws(StoreError) -> [TableDay] {
        try noteSeries(of: batch)
        return try missing(batch.days(catalogue, series))
    }

    func inputs(of batch: WriteBatch, on days: Set<TableDay>) -> Set<Int> {
        batch.inputs(on: days, catalogue, series)
    }

    /// Does the same for these days.
    private func missing(_ wanted: Set<TableDay>) throws(StoreError) -> [TableDay] {
        let days = wanted.subtracting(knownDays)
        guard !days.isEmpty else { return [] }
        let database = try StoreError.using(required)
        var missing: [TableDay] = []
        for (table, days) in Dictionary(grouping: days, by: \.table) {
            let name = catalogue.name(ofTable: table)
            let found = try limited(database, of: name) { () throws(PostgresError) in
                try database.execute(
                    """
                    SELECT (extract(epoch FROM day) / 86400)::bigint
                    FROM missing_partitions($1, $2) AS day
                    """,
                    [
                        .text(catalogue.tables[table]),
                        .integerArray(days.map(\.number).sorted()),
                    ], timeout: Self.statementTimeout)
            }
            missing += (0..<found.rowCount).compactMap { row in
                found.integer(row, 0).map { TableDay(table: table, number: $0) }
            }
        }
        if knownDays.count + days.count > Self.knownDaysMax { knownDays.removeAll() }
        knownDays.formUnion(days.subtracting(missing))
        return missing.sorted()
    }

    /// Has the database decide in which table the bars of new series are, before their days are
    /// made: a partition that is made then tells the planner which series it cannot have.
    private func noteSeries(of batch: WriteBatch) throws(StoreError) {
        let unknown = batch.unknownSeries(series)
        guard !unknown.isEmpty else { return }
        let database = try StoreError.using(required)
        series.take(
            try limited(database, of: .bars) { () throws(PostgresError) in
                try database.execute(
                    SeriesTables.noting, SeriesTables.parameters(unknown),
                    timeout: Self.statementTimeout)
            })
    }

    /// Makes days of one table in a separate transaction.
    func makeDays(_ days: ArraySlice<TableDay>) throws(StoreError) {
        guard let table = days.first?.table else { return }
        precondition(
            days.count <= TableDay.newDaysMax && days.allSatisfy { $0.table == table },
            "a transaction makes a few days of one table")
        let database = try StoreError.using(required)
        try limited(database, of: catalogue.name(ofTable: table)) { () throws(PostgresError) in
            _ = try database.execute(
                """
                SELECT make_time_partition($1,
                    '1970-01-01 00:00+00'::timestamptz + day * interval '24 hours')
                FROM unnest($2) AS day
                """,
                [
                    .text(catalogue.tables[table]),
                    .integerArray(days.map(\.number)),
                ], timeout: Self.statementTimeout)
        }
        knownDays.formUnion(days)
    }

    /// Makes a table's missing days for a batch, after the table had no partition for one of its
    /// rows. Retention may have dropped a day that is in `knownDays`. The days of replaced versions
    /// are made only here: those of any bar of the batch.
    func makeAgain(_ table: String, for batch: WriteBatch) throws(StoreError) {
        knownDays = knownDays.filter { catalogue.tables[$0.table] != table }
        guard let versions = catalogue.versions, catalogue.tables[versions] == table else {
            return try makeAll(try missingDays(of: batch))
        }
        let days = batch.days(catalogue, series)
            .filter { catalogue.isOfBars($0.table) }
            .map { TableDay(table: versions, number: $0.number) }
        try makeAll(try missing(Set(days)))
    }
}
