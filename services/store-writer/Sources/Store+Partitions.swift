import MarketModel
import PostgresClient
import Primitives
import StoreSinks
import TapeCodec

extension Store {
    /// Time partitions that are made for one table and batch at most. A batch of more days comes
    /// again when these are made.
    static let partitionsMax = 4_096
    private static let dayNanoseconds: Int64 = 86_400_000_000_000

    /// Makes the time partitions of one table for the batch's rows. A time that may have none is
    /// left out: its rows are refused one by one.
    func makePartitions(
        of table: String, for batch: WriteBatch, on database: PostgresConnection
    ) throws(PostgresError) {
        let missing = try missingDays(of: table, for: batch, on: database)
        for day in missing.prefix(Self.partitionsMax) {
            do throws(PostgresError) {
                try database.execute(
                    "SELECT make_time_partition($1, $2::timestamptz)", [.text(table), .text(day)],
                    timeout: Self.statementTimeout)
            } catch  where error.sqlState == .timeOutOfRange {
                continue
            }
        }
        guard missing.count <= Self.partitionsMax else {
            throw .withheld(
                operation: "make partitions", peer: database.peer, category: .retryable,
                reason: "the rows of one batch need \(missing.count) new days of \(table): "
                    + "\(Self.partitionsMax) are made, and the rest follows")
        }
    }

    /// As the server writes them.
    private func missingDays(
        of table: String, for batch: WriteBatch, on database: PostgresConnection
    ) throws(PostgresError) -> [String] {
        var days: Set<Int64> = []
        batch.walk { _, context, record, _, packet in
            guard let index = catalogue.index(of: record),
                catalogue.sinks[index].name.rawValue == table,
                let time = catalogue.sinks[index].time(record, context, packet)?.storable
            else { return }
            let day = time.floored(toNanoseconds: Self.dayNanoseconds)
            days.insert(day.nanoseconds / Self.dayNanoseconds)
        }
        let found = try database.execute(
            "SELECT day FROM missing_partitions($1, $2) AS day",
            [.text(table), .integerArray(days.sorted())], timeout: Self.statementTimeout)
        return (0..<found.rowCount).compactMap { found[$0, 0] }
    }
}
