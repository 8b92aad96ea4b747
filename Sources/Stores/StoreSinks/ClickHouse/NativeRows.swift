internal import MarketModel
package import PostgresClient
package import Primitives
internal import TapeCodec

/// Collects rows of one table, for blocks of it.
package struct NativeRows: BlockRowWriter {
    package typealias Failure = Never

    /// The earliest time that the server's type has: 1900. An earlier one stands as this; the
    /// columns with nanoseconds have it as it is.
    static let microsecondsMin: Int64 = -2_208_988_800_000_000

    package let table: ClickHouseTable
    private var columns: [NativeColumn]
    /// The column of the next value.
    private var next: Int
    private let timePlace: Int?
    /// The times of all rows by which the table is divided, in microseconds.
    private var times: [Int64] = []
    package private(set) var rowCount = 0

    package init(_ table: ClickHouseTable) {
        self.table = table
        columns = table.columns.map { NativeColumn($0) }
        next = columns.count
        timePlace = table.division == .none ? nil : table.place("ts")
    }

    /// The count of PostgreSQL's columns is not that of all.
    package mutating func row(columns _: Int16) {
        precondition(next == columns.count, "\(table.name): a row lacks values")
        next = 0
        rowCount += 1
    }

    package mutating func null() { set { $0.addNull() } }
    package mutating func bool(_ value: Bool) { set { $0.add(value) } }
    package mutating func int64(_ value: Int64) { set { $0.add(value) } }
    package mutating func text(_ value: String) { set { $0.add(value) } }
    package mutating func text(_ value: RawSpan) {
        columns[next].add(value)
        next += 1
    }
    package mutating func packedText(_ word: UInt64) { set { $0.add(packed: word) } }
    package mutating func bytes(_ value: [UInt8]) { set { $0.add(value) } }
    package mutating func jsonb(_ text: String) { set { $0.add(text) } }
    package mutating func timestamptz(_ value: Timestamp) {
        guard value.isDefined else { return null() }
        let time = max(
            Self.microsecondsMin, value.floored(toNanoseconds: 1_000).nanoseconds / 1_000)
        if next == timePlace { times.append(time) }
        set { $0.add(time) }
    }
    package mutating func numeric(_ value: Int128, scale: Int) {
        set { $0.add(value, scale: scale) }
    }
    package mutating func shared(_ place: CopyFields.Place, of fields: borrowing CopyFields) {
        fields.withText(place) { columns[next].add($0) }
        next += 1
    }

    @inline(__always)
    private mutating func set(_ add: (inout NativeColumn) -> Void) {
        add(&columns[next])
        next += 1
    }

    package static func write(of sink: Sink) -> Sink.WriteNative { sink.writeNative }

    /// Its types have room for all that the tape has.
    package var unfit: UnfitValue? { nil }

    /// Returns the rows by the table's partitions, in order.
    package func parts() -> [BlockPart<NativeBlock>] {
        guard rowCount > 0 else { return [] }
        let all = Array(0..<rowCount)
        let whole = NativeBlock(table: table, part: 0, columns: columns, rowCount: rowCount)
        guard timePlace != nil else { return [BlockPart(block: whole, rows: all)] }
        let numbers = times.map { TablePart.number($0, table.division) }
        let parts = Set(numbers).sorted()
        if let only = parts.first, parts.count == 1 {
            return [BlockPart(block: whole.of(only), rows: all)]
        }
        return parts.map { part in
            BlockPart(
                block: whole.rows(numbers.map { $0 == part }).of(part),
                rows: all.filter { numbers[$0] == part })
        }
    }
}

/// The numbers of a table's partitions.
enum TablePart {
    private static let dayMicroseconds: Int64 = 86_400_000_000

    static func number(_ time: Int64, _ division: ClickHouseTable.Division) -> Int {
        switch division {
        case .none: return 0
        case .days, .months: break
        }
        let (year, month, day) = date(time)
        return division == .days ? (year * 100 + month) * 100 + day : year * 100 + month
    }

    /// The date in UTC of a time in microseconds since 1970.
    static func date(_ time: Int64) -> (year: Int, month: Int, day: Int) {
        let floored =
            time / dayMicroseconds - (time % dayMicroseconds < 0 ? 1 : 0)
        // Days since the first of March of the year 0; years begin in March.
        let days = Int(floored) + 719_468
        let era = days / 146_097
        let ofEra = days % 146_097
        let yearOfEra = (ofEra - ofEra / 1_460 + ofEra / 36_524 - ofEra / 146_096) / 365
        let ofYear = ofEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let marchMonth = (5 * ofYear + 2) / 153
        let month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
        return (
            yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month,
            ofYear - (153 * marchMonth + 2) / 5 + 1
        )
    }
}
