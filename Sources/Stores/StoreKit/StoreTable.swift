internal import Primitives

/// Rows of one table, column by column. Each row but those of `ordinal_gaps` has the columns
/// `source`, `partition` and `ordinal`, which identify the record within its table, and `taken_at`:
/// when the tape had it, no value where that is not known.
public struct StoreTable: Sendable, Equatable {
    /// Its name, as in STORE_TABLES, or `ordinal_gaps`: ordinals that have no row anywhere.
    public let name: String
    /// Of equal length. A table has the same columns in each batch.
    public let columns: [StoreColumn]

    public init(name: String, columns: [StoreColumn]) {
        precondition(
            columns.allSatisfy { $0.count == columns.first?.count }, "columns of unequal length")
        self.name = name
        self.columns = columns
    }

    public var rowCount: Int { columns.first?.count ?? 0 }

    /// Returns some of its rows.
    package func rows(_ range: Range<Int>) -> StoreTable {
        StoreTable(name: name, columns: columns.map { $0.rows(range) })
    }

    /// Returns it without these rows.
    package func without(_ rows: Set<Int>) -> StoreTable {
        StoreTable(name: name, columns: columns.map { $0.without(rows) })
    }
}

/// The values of one column, in the order of the rows; `nil` is no value.
public struct StoreColumn: Sendable, Equatable {
    public enum Values: Sendable, Equatable {
        case int64([Int64?])
        /// Numbers: each × 10^-scale. The scale of a column is the same in each batch.
        case decimal([Int128?], scale: Int)
        case text([String?])
        case bool([Bool?])
        /// Microseconds since 1970 UTC.
        case time([Int64?])
        /// Documents of JSON.
        case json([String?])
        case bytes([[UInt8]?])
    }

    public let name: String
    public let values: Values

    public init(name: String, values: Values) {
        self.name = name
        self.values = values
    }

    public var count: Int {
        switch values {
        case .int64(let values), .time(let values): values.count
        case .decimal(let values, _): values.count
        case .text(let values), .json(let values): values.count
        case .bool(let values): values.count
        case .bytes(let values): values.count
        }
    }

    /// Returns a value as an exact text: decimals as `-12.5`, `true`, times as their number, bytes
    /// in hexadecimal digits. For a store that keeps texts. One that is made for speed takes the
    /// arrays.
    public func text(_ row: Int) -> String? {
        switch values {
        case .int64(let values), .time(let values): values[row].map { String($0) }
        case .decimal(let values, let scale):
            values[row].map { FixedPoint.text($0, decimals: scale) }
        case .text(let values), .json(let values): values[row]
        case .bool(let values): values[row].map { $0 ? "true" : "false" }
        case .bytes(let values): values[row].map(Self.hexadecimal)
        }
    }

    private static func hexadecimal(_ bytes: [UInt8]) -> String {
        bytes.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
    }

    fileprivate func rows(_ range: Range<Int>) -> StoreColumn {
        let kept: Values =
            switch values {
            case .int64(let values): .int64(Array(values[range]))
            case .decimal(let values, let scale): .decimal(Array(values[range]), scale: scale)
            case .text(let values): .text(Array(values[range]))
            case .bool(let values): .bool(Array(values[range]))
            case .time(let values): .time(Array(values[range]))
            case .json(let values): .json(Array(values[range]))
            case .bytes(let values): .bytes(Array(values[range]))
            }
        return StoreColumn(name: name, values: kept)
    }

    fileprivate func without(_ rows: Set<Int>) -> StoreColumn {
        func rest<Value>(_ values: [Value]) -> [Value] {
            values.indices.filter { !rows.contains($0) }.map { values[$0] }
        }
        let kept: Values =
            switch values {
            case .int64(let values): .int64(rest(values))
            case .decimal(let values, let scale): .decimal(rest(values), scale: scale)
            case .text(let values): .text(rest(values))
            case .bool(let values): .bool(rest(values))
            case .time(let values): .time(rest(values))
            case .json(let values): .json(rest(values))
            case .bytes(let values): .bytes(rest(values))
            }
        return StoreColumn(name: name, values: kept)
    }
}
