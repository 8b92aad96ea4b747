internal import Primitives

/// Rows of one table and one of its partitions, which the server takes as a whole or not at all.
package struct NativeBlock: StoreBlock {
    package let table: ClickHouseTable
    /// The table's partition: 20261130 for a day, 202611 for a month, 0 for all.
    package let part: Int
    private let columns: [NativeColumn]
    package let rowCount: Int

    init(table: ClickHouseTable, part: Int, columns: [NativeColumn], rowCount: Int) {
        self.table = table
        self.part = part
        self.columns = columns
        self.rowCount = rowCount
    }

    package var tableName: String { table.name }

    /// The keys of its rows, in order.
    package var keys: [BlockKey] {
        guard let source = table.place(table.identity.source),
            let ordinal = table.place(table.identity.ordinal)
        else { preconditionFailure("\(table.name) does not tell its rows apart") }
        return zip(columns[source].texts(), columns[ordinal].integers()).map {
            BlockKey(source: $0, ordinal: $1)
        }
    }

    /// Returns a value of a column of whole numbers.
    package func integer(_ name: String, row: Int) -> Int64 {
        guard let place = table.place(name) else { preconditionFailure("no column \(name)") }
        return columns[place].integers()[row]
    }

    /// Returns a value of a column of texts.
    package func text(_ name: String, row: Int) -> String {
        guard let place = table.place(name) else { preconditionFailure("no column \(name)") }
        return columns[place].texts()[row]
    }

    /// The body of its insert: FORMAT Native.
    package var body: [UInt8] {
        var body: [UInt8] = []
        body.append(varint: columns.count)
        body.append(varint: rowCount)
        for column in columns { column.write(into: &body) }
        return body
    }

    /// Continues a checksum with its rows.
    package func digest(after previous: UInt64) -> UInt64 {
        let named = Checksum.chained(Checksum.of(table.name), after: previous)
        let sum = Checksum.chained(UInt64(part), after: named)
        return body.withRawSpan { Checksum.chained($0, after: sum) }
    }

    /// Returns some of its rows.
    package func rows(_ isWanted: [Bool]) -> NativeBlock {
        NativeBlock(
            table: table, part: part, columns: columns.map { $0.rows(isWanted) },
            rowCount: isWanted.count { $0 })
    }

    func of(_ part: Int) -> NativeBlock {
        NativeBlock(table: table, part: part, columns: columns, rowCount: rowCount)
    }
}
