internal import CPostgres

/// The result of a statement: rows as text, or the number of affected rows.
package struct PostgresResult: Equatable, Sendable {
    package internal(set) var columns: [String] = []
    package internal(set) var rowCount = 0
    /// Rows inserted, updated, deleted, copied or returned, as the server counted them.
    package internal(set) var affectedRows = 0
    var values: [String?] = []
    var byteCount = 0

    /// The result of a statement that returns no rows and affects none.
    package static let nothing = PostgresResult()

    /// `nil` is NULL. A row or column that does not exist is a bug of the caller.
    package subscript(row: Int, column: Int) -> String? {
        precondition(
            (0..<rowCount).contains(row) && columns.indices.contains(column),
            "no row \(row), column \(column) in a result of \(rowCount) x \(columns.count)")
        return values[row * columns.count + column]
    }

    /// `nil` is NULL, or a text that is no integer of 64 bits.
    package func integer(_ row: Int, _ column: Int) -> Int64? {
        self[row, column].flatMap { Int64($0) }
    }

    /// The text in the first column of the first row; `nil` when there is none.
    package var scalar: String? { rowCount > 0 && !columns.isEmpty ? self[0, 0] : nil }
}

/// One `PGresult`, cleared with the value.
// Safety: the pointer is this value's alone and lives until its deinit.
@safe
struct ResultHandle: ~Copyable {
    let pointer: OpaquePointer

    /// Takes ownership of the result.
    init(_ result: OpaquePointer) { unsafe pointer = result }

    deinit { unsafe PQclear(pointer) }

    var status: ExecStatusType { unsafe PQresultStatus(pointer) }

    /// libpq's message. It exists even when the server sent none.
    var message: String { unsafe text(PQresultErrorMessage(pointer)) ?? "" }

    /// `nil` when the failure is libpq's own (a lost connection), which has no code.
    var serverError: ServerError? {
        guard let state = field(0x43) else { return nil }
        var error = ServerError(
            sqlState: SQLState(rawValue: state), severity: field(0x56) ?? "ERROR",
            message: field(0x4d) ?? message)
        error.detail = field(0x44)
        error.hint = field(0x48)
        error.context = field(0x57)
        error.schema = field(0x73)
        error.table = field(0x74)
        error.column = field(0x63)
        error.constraint = field(0x6e)
        error.position = field(0x50).flatMap { Int($0) }
        return error
    }

    /// Appends the rows of this result (one, in single-row mode), and sets names and counts.
    func append(to all: inout PostgresResult) {
        let columnCount = Int(unsafe PQnfields(pointer))
        if all.columns.isEmpty, columnCount > 0 {
            all.columns = (0..<columnCount).map {
                unsafe text(PQfname(pointer, Int32(truncatingIfNeeded: $0))) ?? ""
            }
        }
        if let tuples { all.affectedRows = tuples }
        let rows = unsafe PQntuples(pointer)
        for row in 0..<max(0, rows) {
            for column in 0..<Int32(clamping: columnCount) {
                all.values.append(value(row, column))
                all.byteCount += MemoryLayout<String?>.stride
                all.byteCount += Int(unsafe PQgetlength(pointer, row, column))
            }
        }
        all.rowCount += Int(max(0, rows))
    }

    /// The values of the only row that there is in single-row mode.
    var firstRow: [String?] {
        (0..<(unsafe PQnfields(pointer))).map { value(0, $0) }
    }

    private func value(_ row: Int32, _ column: Int32) -> String? {
        guard unsafe PQgetisnull(pointer, row, column) == 0 else { return nil }
        return unsafe text(PQgetvalue(pointer, row, column))
    }

    private func field(_ code: Int32) -> String? {
        unsafe text(PQresultErrorField(pointer, code))
    }
}

/// Copies a C string of libpq. Malformed UTF-8 becomes U+FFFD.
func text(_ pointer: UnsafePointer<CChar>?) -> String? {
    guard let pointer = unsafe pointer else { return nil }
    return unsafe String(cString: pointer)
}
