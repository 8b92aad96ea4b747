import MarketModel
import PostgresClient
import Primitives
import StoreSinks
import TapeCodec

extension Store {
    /// Time partitions that are made for one table and batch at most; of more days than that, those
    /// with the most rows have theirs.
    static let partitionsMax = 64
    private static let dayNanoseconds: Int64 = 86_400_000_000_000

    /// Makes the time partitions of one table for the batch's rows. A time that may have none is
    /// left out: its rows are refused one by one.
    func makePartitions(
        of table: String, for batch: WriteBatch, on database: PostgresConnection
    ) throws(PostgresError) {
        var rows: [Timestamp: Int] = [:]
        batch.walk { _, _, record, _, packet in
            guard let index = catalogue.index(of: record),
                catalogue.sinks[index].name.rawValue == table
            else { return }
            for time in record.times(in: packet) {
                rows[time.floored(toNanoseconds: Self.dayNanoseconds), default: 0] += 1
            }
        }
        let days = rows.sorted { ($0.value, $1.key) > ($1.value, $0.key) }
            .prefix(Self.partitionsMax).map(\.key).sorted()
        for day in days {
            do throws(PostgresError) {
                try database.execute(
                    "SELECT make_time_partition($1, $2)", [.text(table), .timestamp(day)],
                    timeout: Self.statementTimeout)
            } catch  where error.sqlState == .timeOutOfRange {
                continue
            }
        }
    }
}

extension Record {
    /// By one of which its row is placed.
    fileprivate func times(in packet: RawSpan) -> Set<Timestamp> {
        switch self {
        case .trade(let trade): [trade.header.eventTime.storable]
        case .quote(let quote): [quote.header.eventTime.storable]
        case .bar(let bar): [bar.openTime.storable]
        case .other(let message):
            message.tickHeader(in: packet).map {
                [$0.eventTime.storable, $0.receiveTime.storable]
            } ?? []
        case .malformed: []
        }
    }
}

extension Timestamp {
    /// As the sinks place rows whose time is not defined.
    fileprivate var storable: Timestamp { isDefined ? self : Timestamp(nanoseconds: 0) }
}
