internal import CPostgres

extension PostgresConnection {
    /// Runs `COPY … FROM STDIN (FORMAT binary)` and returns how many rows the server accepted.
    ///
    /// `body` writes the rows. If it throws, the COPY is aborted without a trace and its error is
    /// thrown. The deadline covers everything, including `body`. The server reports an error in a
    /// row only at the end, so it is thrown after `body`.
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

    /// Ends a COPY so that nothing of it remains and the session can continue. A session that does
    /// not answer is closed. The caller throws the cause.
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
    /// Queues and sends the bytes. None stay in libpq's buffer, so its size is bounded.
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
