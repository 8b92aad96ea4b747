internal import CPostgres
internal import Primitives

/// One session with a PostgreSQL server.
///
/// It is not Sendable: one thread owns it, blocks in it, and may hand it to another thread. Every
/// operation has a deadline from the caller. When it passes, or the connection is lost, the session
/// is closed and stays closed (`isUsable`): the owner makes a new one. It never reconnects by
/// itself, because only the owner knows what a lost answer means.
package final class PostgresConnection {
    let session: Session

    /// Connects to the first server of the list that accepts writes and that `accept` does not
    /// refuse by throwing. Blocks for at most `timeout`, and as long as `accept` takes; the C
    /// library resolves the names first, with its own timeouts. Each server may take an equal share
    /// of the time that is left, so that one that does not answer leaves time for the others.
    /// `onNotice` is called during calls on this connection, `onWait` before each second in which a
    /// call waits for the server.
    package init(
        _ configuration: PostgresConfiguration, timeout: Duration,
        onNotice: @escaping (String) -> Void = { _ in },
        onWait: @escaping () -> Void = {},
        accept: (PostgresConnection) throws(PostgresError) -> Void = { _ in }
    ) throws(PostgresError) {
        let deadline = Deadline(after: timeout)
        var failures: [PostgresError] = []
        for (index, host) in configuration.hosts.enumerated() {
            do throws(PostgresError) {
                let share = deadline.share(among: configuration.hosts.count - index)
                let opened = try Self.open(
                    configuration.on(host), share, onWait: onWait, onNotice: onNotice)
                let connection = PostgresConnection(opened)
                try connection.settle(configuration.on(host), share, onWait: onWait)
                try accept(connection)
                session = opened
                return
            } catch {
                failures.append(error)
            }
        }
        throw failures.count == 1
            ? failures[0] : .noServer(peer: configuration.peer, failures)
    }

    init(_ session: Session) { self.session = session }

    /// Opens a session. A password that the server refuses is read again, once.
    private static func open(
        _ configuration: PostgresConfiguration, _ deadline: Deadline,
        onWait: @escaping () -> Void, onNotice: @escaping (String) -> Void
    ) throws(PostgresError) -> Session {
        let used = configuration.renewable?.value
        do throws(PostgresError) {
            return try Session(
                configuration, onWait: onWait, onNotice: onNotice, deadline: deadline)
        } catch {
            guard error.category == .authentication, let used,
                configuration.renewable?.renew(refused: used) == true
            else { throw error }
        }
        return try Session(configuration, onWait: onWait, onNotice: onNotice, deadline: deadline)
    }

    /// Whether the session is open, as far as it is known here.
    package var isUsable: Bool { session.isOpen }
    /// True between BEGIN and its end, even after a statement in between has failed.
    package var isInTransaction: Bool { session.isInTransaction }
    /// The server's version, 170012 for 17.12; 0 when closed.
    package var serverVersion: Int { session.serverVersion }
    /// The process id of the session's server process, as `pg_stat_activity` shows it.
    package var backendProcessID: Int32 { session.backendProcessID }
    /// When the server's certificate ends, in seconds since 1970; `nil` without TLS.
    package var certificateEnd: Int64? { session.certificateEnd }
    /// Host, port, database and user, for messages.
    package var peer: String { session.peer }

    /// Closes the session. Idempotent. The server rolls an open transaction back.
    package func close() { session.close() }

    /// Runs one statement with parameters `$1` … through the extended protocol.
    @discardableResult
    package func execute(
        _ sql: String, _ parameters: [PostgresValue] = [], timeout: Duration
    ) throws(PostgresError) -> PostgresResult {
        let deadline = Deadline(after: timeout)
        let operation = try send(sql, parameters, isBinary: false, deadline)
        return try collect(operation, deadline)
    }

    /// Sends a statement, whose rows come one by one. Returns its first words.
    func send(
        _ sql: String, _ parameters: [PostgresValue], isBinary: Bool, _ deadline: Deadline
    ) throws(PostgresError) -> String {
        let statement = try Statement(sql, parameters)
        let operation = statement.operation
        let open = unsafe try session.require(operation)
        guard unsafe statement.send(on: open, isBinary: isBinary),
            unsafe PQsetSingleRowMode(open) == 1
        else { throw session.lost(operation) }
        try session.flush(operation, deadline)
        return operation
    }

    /// Runs several statements in one message through the simple protocol. The first error skips
    /// the rest. Their results are dropped. Without BEGIN they are one transaction.
    package func script(_ sql: String, timeout: Duration) throws(PostgresError) {
        let operation = operationName(sql)
        let deadline = Deadline(after: timeout)
        try refuseNUL(sql, operation)
        let open = unsafe try session.require(operation)
        // Row by row, because libpq would otherwise collect the results that are dropped here.
        guard unsafe sql.withCString({ unsafe PQsendQuery(open, $0) }) == 1,
            unsafe PQsetSingleRowMode(open) == 1
        else { throw session.lost(operation) }
        try session.flush(operation, deadline)
        _ = try collect(operation, deadline, keepRows: false)
    }
}

// MARK: - Results

extension PostgresConnection {
    /// Reads all results, so that the session is ready for the next operation. Then throws the
    /// first error among them.
    func collect(
        _ operation: String, _ deadline: Deadline, keepRows: Bool = true
    ) throws(PostgresError) -> PostgresResult {
        var all = PostgresResult()
        var failure: PostgresError?
        while let result = try session.nextResult(operation, deadline) {
            switch result.status {
            case PGRES_SINGLE_TUPLE, PGRES_TUPLES_OK, PGRES_COMMAND_OK:
                if keepRows { result.append(to: &all) }
                if all.byteCount > PostgresLimits.resultBytesMax { throw tooLarge(operation) }
            case PGRES_EMPTY_QUERY:
                continue
            case PGRES_COPY_IN, PGRES_COPY_OUT, PGRES_COPY_BOTH:
                // The server expects or sends COPY data that this call does not handle. Only a new
                // session helps.
                session.close()
                throw .unexpected(
                    operation: operation, peer: peer, reason: "COPY needs its own operation")
            default:
                failure = failure ?? error(in: result, operation)
            }
        }
        if !session.isOpen { session.close() }
        if let failure { throw failure }
        return all
    }

    /// Returns the error in a failed result: the server's, or a lost connection when it has no
    /// code.
    func error(in result: borrowing ResultHandle, _ operation: String) -> PostgresError {
        if let error = result.serverError {
            return .server(operation: operation, peer: peer, error)
        }
        return .connectionLost(operation: operation, peer: peer, reason: result.message)
    }

    private func tooLarge(_ operation: String) -> PostgresError {
        session.close()
        return .invalidValue(
            operation: operation,
            reason: "the result is larger than \(PostgresLimits.resultBytesMax) bytes")
    }
}

/// Throws when a statement holds a NUL character.
func refuseNUL(_ sql: String, _ operation: String) throws(PostgresError) {
    // A C string ends at the first NUL, so the rest of the statement would be cut off without
    // notice.
    guard !sql.utf8.contains(0) else {
        throw .invalidValue(operation: operation, reason: "the statement holds a NUL character")
    }
}

/// Returns the leading words of a statement, for messages: "COPY trades", "SELECT
/// advance_positions". It contains no quoted text, number or punctuation, so no value and no
/// secret.
func operationName(_ sql: String) -> String {
    let words = sql.split(whereSeparator: \.isWhitespace).prefix(3)
        .prefix { $0.utf8.allSatisfy { ($0 | 0x20) >= 0x61 && ($0 | 0x20) <= 0x7a || $0 == 0x5f } }
    return words.isEmpty ? "statement" : String(words.joined(separator: " ").prefix(60))
}
