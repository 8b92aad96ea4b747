import PostgresClient
import Primitives
import StoreSinks

// Partitions and chunks are made before their rows come, outside of the transaction of the rows:
// each is locked with its indexes until COMMIT, and all that goes to that table waits for it.
extension Store {
    /// Partitions or chunks that one transaction makes at most.
    static let newDaysMax = 8
    /// Days that a session remembers as made. Beyond it all are asked for again.
    private static let knownDaysMax = 65_536

    /// The days of the batch's rows that have to be made first, by table and time. A day that may
    /// have no partition is not among them: its rows are refused one by one.
    func missingDays(of batch: WriteBatch) throws(PostgresError) -> [TableDay] {
        let days = batch.days(catalogue).subtracting(knownDays)
        guard !days.isEmpty else { return [] }
        let database = try required()
        var missing: [TableDay] = []
        for (sink, days) in Dictionary(grouping: days, by: \.sink) {
            let found = try database.execute(
                """
                SELECT (extract(epoch FROM day) / 86400)::bigint
                FROM missing_partitions($1, $2) AS day
                """,
                [
                    .text(catalogue.sinks[sink].name.rawValue),
                    .integerArray(days.map(\.number).sorted()),
                ], timeout: Self.statementTimeout)
            missing += (0..<found.rowCount).compactMap { row in
                found.integer(row, 0).map { TableDay(sink: sink, number: $0) }
            }
        }
        if knownDays.count + days.count > Self.knownDaysMax { knownDays.removeAll() }
        knownDays.formUnion(days.subtracting(missing))
        return missing.sorted()
    }

    /// Makes days of one table, in a transaction of their own; at most `newDaysMax`.
    func makeDays(_ days: ArraySlice<TableDay>) throws(PostgresError) {
        guard let sink = days.first?.sink else { return }
        precondition(
            days.count <= Self.newDaysMax && days.allSatisfy { $0.sink == sink },
            "a transaction makes a few days of one table")
        try required().execute(
            """
            SELECT make_time_partition($1,
                '1970-01-01 00:00+00'::timestamptz + day * interval '24 hours')
            FROM unnest($2) AS day
            """,
            [
                .text(catalogue.sinks[sink].name.rawValue),
                .integerArray(days.map(\.number)),
            ], timeout: Self.statementTimeout)
        knownDays.formUnion(days)
    }

    /// Makes all these days, one transaction after the other.
    func makeAll(_ days: [TableDay]) throws(PostgresError) {
        var rest = days[...]
        while !rest.isEmpty {
            let part = Self.portion(rest)
            try makeDays(part)
            rest.removeFirst(part.count)
        }
    }

    /// What one transaction makes of days in order.
    static func portion(_ days: ArraySlice<TableDay>) -> ArraySlice<TableDay> {
        days.prefix(newDaysMax).prefix { $0.sink == days.first?.sink }
    }

    /// A table refuses a row for want of a partition that this session believed to be there:
    /// retention may have dropped it.
    func makeAgain(_ table: String, for batch: WriteBatch) throws(PostgresError) {
        knownDays = knownDays.filter { catalogue.sinks[$0.sink].name.rawValue != table }
        try makeAll(try missingDays(of: batch))
    }
}
