internal import CPostgres

// Statements of people: what they are is not known before, nor how much comes.
extension PostgresConnection {
    /// Has the server read one statement, which does not run, and returns the names of its columns;
    /// none if it has no rows. A text of several statements is refused by the server.
    package func columns(
        of sql: String, timeout: Duration
    ) throws(PostgresError) -> [String] {
        let deadline = Deadline(after: timeout)
        let operation = operationName(sql)
        try refuseNUL(sql, operation)
        let open = unsafe try session.require(operation)
        guard unsafe PQsendPrepare(open, "", sql, 0, nil) == 1 else {
            throw session.lost(operation)
        }
        try session.flush(operation, deadline)
        _ = try collect(operation, deadline)
        let prepared = unsafe try session.require(operation)
        guard unsafe PQsendDescribePrepared(prepared, "") == 1 else {
            throw session.lost(operation)
        }
        try session.flush(operation, deadline)
        return try collect(operation, deadline).columns
    }

    /// Runs one statement, and hands over the values of each row as text when it comes, so that one
    /// row is in memory. Where `take` returns false, or `isWanted`, which is asked before each
    /// second of waiting, the session is closed: the server ends the statement within
    /// a second. Returns whether all rows were taken.
    package func eachRow(
        _ sql: String, timeout: Duration, while isWanted: () -> Bool,
        _ take: ([String?]) -> Bool
    ) throws(PostgresError) -> Bool {
        let deadline = Deadline(after: timeout)
        let operation = try send(sql, [], isBinary: false, deadline)
        var failure: PostgresError?
        while let result = try session.nextResult(operation, deadline, while: isWanted) {
            switch result.status {
            case PGRES_SINGLE_TUPLE:
                guard take(result.firstRow) else {
                    session.close()
                    return false
                }
            case PGRES_TUPLES_OK, PGRES_COMMAND_OK, PGRES_EMPTY_QUERY: continue
            case PGRES_COPY_IN, PGRES_COPY_OUT, PGRES_COPY_BOTH:
                session.close()
                throw .unexpected(
                    operation: operation, peer: peer, reason: "COPY needs its own operation")
            default: failure = failure ?? error(in: result, operation)
            }
        }
        if !session.isOpen { session.close() }
        if let failure { throw failure }
        return true
    }
}
