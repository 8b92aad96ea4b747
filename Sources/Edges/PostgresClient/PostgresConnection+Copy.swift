internal import CPostgres

extension PostgresConnection {
    /// Runs `COPY … FROM STDIN (FORMAT binary)` and returns how many rows the server accepted.
    ///
    /// `body` writes the rows. If it throws, the COPY is aborted, none of its rows is stored, and
    /// that error is thrown. Every wait ends at the deadline, also those in `body`. The server's
    /// error about a row is read and thrown only after `body`. After an error the caller has to
    /// roll back an open transaction.
    ///
    /// `opening` (BEGIN, a SAVEPOINT) is sent in the same message and runs first. This saves a
    /// round trip per transaction.
    @discardableResult
    package func copyIn(
        _ sql: String, after opening: String? = nil, timeout: Duration,
        _ body: (inout BinaryCopyWriter) throws(PostgresError) -> Void
    ) throws(PostgresError) -> Int {
        let operation = operationName(sql)
        let deadline = Deadline(after: timeout)
        try begin(opening.map { "\($0); \(sql)" } ?? sql, operation, deadline)
        do {
            var writer = BinaryCopyWriter(operation: operation) {
                [session] (bytes) throws(PostgresError) in
                try session.putCopyData(bytes, operation, deadline)
            }
            try body(&writer)
            try writer.finish()
        } catch {
            abort(operation)
            throw error
        }
        try session.putCopyEnd(nil, operation, deadline)
        return try collect(operation, deadline).affectedRows
    }

    /// Sends the statement, and returns when the server expects rows.
    private func begin(
        _ sql: String, _ operation: String, _ deadline: Deadline
    ) throws(PostgresError) {
        try refuseNUL(sql, operation)
        let open = unsafe try session.require(operation)
        guard unsafe sql.withCString({ unsafe PQsendQuery(open, $0) }) == 1 else {
            throw session.lost(operation)
        }
        try session.flush(operation, deadline)
        var failure = PostgresError.unexpected(
            operation: operation, peer: peer, reason: "the statement is no COPY FROM STDIN")
        while let result = try session.nextResult(operation, deadline) {
            switch result.status {
            case PGRES_COPY_IN: return
            case PGRES_TUPLES_OK, PGRES_COMMAND_OK, PGRES_EMPTY_QUERY: continue
            case PGRES_COPY_OUT, PGRES_COPY_BOTH:
                session.close()
                throw failure
            default: failure = error(in: result, operation)
            }
        }
        throw failure
    }

    /// Ends a COPY after an error in `body`, so that the session can continue; the server stores
    /// none of its rows. A session that does not answer within `abortWait` is closed.
    private func abort(_ operation: String) {
        guard session.isOpen else { return }
        let deadline = Deadline(after: PostgresLimits.abortWait)
        do {
            try session.putCopyEnd("aborted by the client", operation, deadline)
            while let result = try session.nextResult(operation, deadline) { _ = result.status }
        } catch {
            session.close()
        }
    }
}

extension Session {
    /// Sends bytes of rows. Returns when libpq's buffer is empty, so that its size is bounded.
    func putCopyData(
        _ bytes: RawSpan, _ operation: String, _ deadline: Deadline
    ) throws(PostgresError) {
        while true {
            let open = unsafe try require(operation)
            // Safety: libpq copies the bytes before it returns.
            let queued = unsafe bytes.withUnsafeBytes { raw in
                unsafe PQputCopyData(
                    open, raw.baseAddress?.assumingMemoryBound(to: CChar.self),
                    Int32(clamping: raw.count))
            }
            guard queued >= 0 else { throw lost(operation) }
            try flush(operation, deadline)
            // 0 means that libpq had no room for them, and has taken none.
            if queued > 0 { return }
        }
    }

    /// Ends the COPY. A `reason` aborts it; without one it is complete.
    func putCopyEnd(
        _ reason: String?, _ operation: String, _ deadline: Deadline
    ) throws(PostgresError) {
        while true {
            let open = unsafe try require(operation)
            let queued = unsafe PQputCopyEnd(open, reason)
            guard queued >= 0 else { throw lost(operation) }
            try flush(operation, deadline)
            if queued > 0 { return }
        }
    }
}
