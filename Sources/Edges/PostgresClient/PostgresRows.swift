internal import CPostgres
package import Primitives

/// The result of a statement in the server's binary form. Numbers and times are not converted to
/// text and back.
package struct PostgresRows: Equatable, Sendable {
    package struct Column: Equatable, Sendable {
        package let name: String
        /// The number of the column's type in `pg_type`.
        package let type: UInt32
    }

    package internal(set) var columns: [Column] = []
    package internal(set) var rowCount = 0
    /// Rows inserted, updated, deleted or returned, as the server counted them.
    package internal(set) var affectedRows = 0

    /// The place of a value in `bytes`; a length of -1 is NULL.
    private struct Field: Equatable {
        var start: Int
        var count: Int
    }

    private var fields: [Field] = []
    private var bytes: [UInt8] = []

    /// The memory that the values use.
    var byteCount: Int { bytes.count + fields.count * MemoryLayout<Field>.stride }

    // MARK: values

    package func isNull(_ row: Int, _ column: Int) -> Bool { field(row, column).count < 0 }

    /// `nil` is NULL, or a column that is no integer.
    package func integer(_ row: Int, _ column: Int) -> Int64? {
        switch columns[column].type {
        case TypeOID.int2: word(row, column, 2).map { Int64(Int16(truncatingIfNeeded: $0)) }
        case TypeOID.int4: word(row, column, 4).map { Int64(Int32(truncatingIfNeeded: $0)) }
        case TypeOID.oid: word(row, column, 4).map { Int64(UInt32(truncatingIfNeeded: $0)) }
        case TypeOID.int8: word(row, column, 8).map { Int64(bitPattern: $0) }
        default: nil
        }
    }

    /// `nil` is NULL, or a column of another type.
    package func bool(_ row: Int, _ column: Int) -> Bool? {
        columns[column].type == TypeOID.bool ? word(row, column, 1).map { $0 != 0 } : nil
    }

    /// `nil` is NULL, or a column that is no floating-point number.
    package func double(_ row: Int, _ column: Int) -> Double? {
        switch columns[column].type {
        case TypeOID.float4:
            word(row, column, 4).map {
                Double(Float(bitPattern: UInt32(truncatingIfNeeded: $0)))
            }
        case TypeOID.float8: word(row, column, 8).map { Double(bitPattern: $0) }
        default: nil
        }
    }

    /// Returns the bytes as text, for the text types, names, enums and json; malformed UTF-8
    /// becomes U+FFFD. `nil` is NULL. The binary form of other types is no text: cast them in the
    /// statement.
    package func text(_ row: Int, _ column: Int) -> String? {
        bytes(row, column).map { String(decoding: $0, as: UTF8.self) }
    }

    /// Returns the value as the server sent it; `nil` is NULL.
    package func bytes(_ row: Int, _ column: Int) -> ArraySlice<UInt8>? {
        let field = field(row, column)
        return field.count < 0 ? nil : bytes[field.start..<field.start + field.count]
    }

    /// `nil` is NULL, or a column of another type. A time beyond the range of 64-bit nanoseconds,
    /// including infinity, is clamped to the range.
    package func timestamp(_ row: Int, _ column: Int) -> Timestamp? {
        let types = [TypeOID.timestamptz, TypeOID.timestamp]
        guard types.contains(columns[column].type), let word = word(row, column, 8) else {
            return nil
        }
        return Timestamp(postgresMicroseconds: Int64(bitPattern: word))
    }

    /// Returns value × 10^scale, exactly. `nil` is NULL, a column of another type, NaN or infinity,
    /// or a number that does not fit: with more decimals than `scale`, or beyond 128 bits.
    package func numeric(_ row: Int, _ column: Int, scale: Int) -> Int128? {
        guard columns[column].type == TypeOID.numeric, let bytes = bytes(row, column) else {
            return nil
        }
        return NumericEncoding.value(of: Array(bytes), scale: scale)
    }

    private func field(_ row: Int, _ column: Int) -> Field {
        precondition(
            (0..<rowCount).contains(row) && columns.indices.contains(column),
            "no row \(row), column \(column) in a result of \(rowCount) x \(columns.count)")
        return fields[row * columns.count + column]
    }

    /// Returns a big-endian number of `count` bytes.
    private func word(_ row: Int, _ column: Int, _ count: Int) -> UInt64? {
        guard let bytes = bytes(row, column), bytes.count == count else { return nil }
        return bytes.reduce(0) { $0 << 8 | UInt64($1) }
    }
}

// MARK: - Filling

extension PostgresRows {
    /// Appends the rows of a result. Returns false when the server sent a value whose size is not
    /// that of its type, or text where binary was requested.
    mutating func append(_ result: borrowing ResultHandle) -> Bool {
        let count = result.columnCount
        if columns.isEmpty, count > 0 {
            columns = (0..<count).map { Column(name: result.name($0), type: result.type($0)) }
        }
        if let tuples = result.tuples { affectedRows = tuples }
        guard result.rowCount > 0 else { return true }
        guard count == columns.count else { return false }
        for column in 0..<count {
            guard result.isBinary(column), result.type(column) == columns[column].type else {
                return false
            }
        }
        for row in 0..<result.rowCount {
            for column in 0..<count {
                guard let length = append(result, row, column) else { return false }
                if length >= 0, let fixed = TypeOID.fixedLength(columns[column].type) {
                    guard length == fixed else { return false }
                }
            }
            rowCount += 1
        }
        return true
    }

    private mutating func append(
        _ result: borrowing ResultHandle, _ row: Int, _ column: Int
    ) -> Int? {
        let start = bytes.count
        guard result.appendValue(row, column, to: &bytes) else {
            fields.append(Field(start: start, count: -1))
            return -1
        }
        fields.append(Field(start: start, count: bytes.count - start))
        return bytes.count - start
    }
}

extension ResultHandle {
    var columnCount: Int { Int(max(0, unsafe PQnfields(pointer))) }
    var rowCount: Int { Int(max(0, unsafe PQntuples(pointer))) }
    var tuples: Int? { unsafe text(PQcmdTuples(pointer)).flatMap { Int($0) } }

    func name(_ column: Int) -> String {
        unsafe text(PQfname(pointer, Int32(clamping: column))) ?? ""
    }

    func type(_ column: Int) -> UInt32 { unsafe PQftype(pointer, Int32(clamping: column)) }

    func isBinary(_ column: Int) -> Bool {
        unsafe PQfformat(pointer, Int32(clamping: column)) == 1
    }

    /// Appends a value. Returns false when it is NULL.
    func appendValue(_ row: Int, _ column: Int, to bytes: inout [UInt8]) -> Bool {
        let row = Int32(clamping: row)
        let column = Int32(clamping: column)
        guard unsafe PQgetisnull(pointer, row, column) == 0 else { return false }
        let length = Int(unsafe PQgetlength(pointer, row, column))
        // Safety: libpq keeps that many bytes there as long as the result lives.
        let raw = unsafe UnsafeRawBufferPointer(
            start: PQgetvalue(pointer, row, column), count: max(0, length))
        unsafe bytes.append(contentsOf: raw)
        return true
    }
}

/// The type numbers of `pg_type`, which never change.
enum TypeOID {
    static let bool: UInt32 = 16
    static let bytea: UInt32 = 17
    static let name: UInt32 = 19
    static let int8: UInt32 = 20
    static let int2: UInt32 = 21
    static let int4: UInt32 = 23
    static let text: UInt32 = 25
    static let oid: UInt32 = 26
    static let float4: UInt32 = 700
    static let float8: UInt32 = 701
    static let textArray: UInt32 = 1_009
    static let int8Array: UInt32 = 1_016
    static let varchar: UInt32 = 1_043
    static let timestamp: UInt32 = 1_114
    static let timestamptz: UInt32 = 1_184
    static let numeric: UInt32 = 1_700

    /// Returns `nil` when values of the type have any length.
    static func fixedLength(_ type: UInt32) -> Int? {
        switch type {
        case bool: 1
        case int2: 2
        case int4, oid, float4: 4
        case int8, float8, timestamp, timestamptz: 8
        default: nil
        }
    }
}
