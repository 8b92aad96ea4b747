internal import CSQLite

/// A connection to a file of SQLite, as far as the store needs one.
@safe  // Safety: the handle is this object's alone, on one thread, and is closed by `deinit`.
final class SQLiteFile {
    struct Failure: Error { let code: Int32, message: String }

    private var handle: OpaquePointer?

    init(_ path: String, timeoutMilliseconds: Int32) throws {
        try check(unsafe sqlite3_open(path, &handle))
        unsafe sqlite3_busy_timeout(handle, timeoutMilliseconds)
    }

    deinit { unsafe sqlite3_close_v2(handle) }

    /// Runs a statement once for each list of values, and returns the rows of its answers.
    @discardableResult
    func run(_ sql: String, _ lists: [[String?]] = [[]]) throws -> [[String?]] {
        var statement: OpaquePointer?
        try check(unsafe sqlite3_prepare_v2(handle, sql, -1, &statement, nil))
        defer { unsafe sqlite3_finalize(statement) }
        let copied = unsafe unsafeBitCast(-1, to: sqlite3_destructor_type.self)
        var rows: [[String?]] = []
        for list in lists {
            for (place, value) in zip(Int32(1)..., list) {
                let size = Int32(value?.utf8.count ?? 0)
                try check(unsafe sqlite3_bind_text(statement, place, value, size, copied))
            }
            while unsafe sqlite3_step(statement) == SQLITE_ROW {
                var row: [String?] = []
                for column in 0..<(unsafe sqlite3_column_count(statement)) {
                    let text = unsafe sqlite3_column_text(statement, column)
                    row.append(unsafe text.map { unsafe String(cString: $0) })
                }
                rows.append(row)
            }
            // It tells the error of the last step.
            try check(unsafe sqlite3_reset(statement))
        }
        return rows
    }

    private func check(_ code: Int32) throws {
        guard code != SQLITE_OK else { return }
        throw Failure(code: code, message: unsafe String(cString: sqlite3_errmsg(handle)))
    }
}
