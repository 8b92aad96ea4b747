internal import CPostgres

extension PostgresConnection {
    /// Runs one statement with parameters `$1` …, and returns its rows in binary form.
    package func rows(
        _ sql: String, _ parameters: [PostgresValue] = [], timeout: Duration
    ) throws(PostgresError) -> PostgresRows {
        let deadline = Deadline(after: timeout)
        let operation = try send(sql, parameters, isBinary: true, deadline)
        var rows = PostgresRows()
        var failure: PostgresError?
        while let result = try session.nextResult(operation, deadline) {
            try take(result, operation, into: &rows, &failure)
        }
        if !session.isOpen { session.close() }
        if let failure { throw failure }
        return rows
    }

    /// Reads one result of a statement: rows or an error. Throws an error that ends the session.
    func take(
        _ result: borrowing ResultHandle, _ operation: String, into rows: inout PostgresRows,
        _ failure: inout PostgresError?
    ) throws(PostgresError) {
        switch result.status {
        case PGRES_SINGLE_TUPLE, PGRES_TUPLES_OK, PGRES_COMMAND_OK:
            guard rows.append(result) else {
                session.close()
                throw .unexpected(
                    operation: operation, peer: peer,
                    reason: "a value has not the size of its type")
            }
            if rows.byteCount > PostgresLimits.resultBytesMax {
                session.close()
                throw .invalidValue(
                    operation: operation,
                    reason: "the result is larger than \(PostgresLimits.resultBytesMax) bytes")
            }
        case PGRES_EMPTY_QUERY: return
        case PGRES_COPY_IN, PGRES_COPY_OUT, PGRES_COPY_BOTH:
            session.close()
            throw .unexpected(
                operation: operation, peer: peer, reason: "COPY needs its own operation")
        default: failure = failure ?? error(in: result, operation)
        }
    }
}
