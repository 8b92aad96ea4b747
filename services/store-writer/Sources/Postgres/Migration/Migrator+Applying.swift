internal import PostgresClient
internal import Primitives
internal import ServiceRuntime

/// How a file is applied beside sessions that use the tables.
extension Migrator {
    /// The statements that a query of an online file may give.
    static let onlineStatementsMax = 10_000
    /// The pause of a migrator between two looks whether another one has ended.
    private static let turnPause = Duration.milliseconds(200)

    /// Waits until no other migrator is at work. It looks again and again: a statement that waits
    /// would have a snapshot, and an index that the other one makes online waits for all of those.
    func takeTurn() throws(MigrationError) {
        let deadline = SystemClock().deadline(after: timeout)
        while true {
            let taken = try execute(
                "look for other migrations", "SELECT pg_try_advisory_lock(\(Self.lockKey))")
            if taken.scalar == "t" { return }
            guard SystemClock().monotonic() < deadline else { throw .anotherIsAtWork }
            try pause(Self.turnPause)
        }
    }

    /// Applies a file. `version` is its line in the ledger; `nil` for a repeatable file, which has
    /// none.
    func apply(
        _ file: MigrationFile, recordedAs version: Int?, _ report: (Notice) -> Void
    ) throws(MigrationError) {
        guard file.isOnline, let version else {
            return try patiently(file.name, report) { () throws(MigrationError) in
                try transaction(file, recordedAs: version)
            }
        }
        for statement in file.statements {
            for sql in try statements(of: statement, in: file) {
                try online(sql, statement, file, report)
            }
        }
        try record(file, version)
    }

    /// Runs a step until no other session keeps a lock that it needs.
    private func patiently(
        _ name: String, _ report: (Notice) -> Void, _ step: () throws(MigrationError) -> Void
    ) throws(MigrationError) {
        var backoff = Backoff(first: Self.lockPause.first, limit: Self.lockPause.limit)
        var random = SystemRandomNumberGenerator()
        var isLonger = false
        while true {
            do {
                try step()
                if isLonger { try execute("restore the timeout of locks", "RESET lock_timeout") }
                return
            } catch .failed(_, _, let error)
                where [.lockNotAvailable, .deadlockDetected].contains(error.sqlState)
            {
                if connection.isInTransaction { try execute("undo \(name)", "ROLLBACK") }
                let wait = backoff.next(using: &random)
                guard backoff.attempt < Self.lockAttemptsMax else {
                    throw .locked(step: name, attempts: backoff.attempt, error)
                }
                report(.waits(name, attempt: backoff.attempt))
                try pause(wait)
                guard let longer = Self.lockTimeout(afterAttempts: backoff.attempt) else {
                    continue
                }
                isLonger = true
                try execute(
                    "wait longer for locks",
                    "SET lock_timeout = \(longer.components.seconds * 1_000)")
            }
        }
    }

    /// The timeout of a wait for a lock; `nil`: the session's own.
    static func lockTimeout(afterAttempts attempts: Int) -> Duration? {
        guard attempts >= shortAttempts else { return nil }
        return min(lockTimeoutMax, lockTimeout * (2 << min(attempts - shortAttempts, 8)))
    }

    private func transaction(
        _ file: MigrationFile, recordedAs version: Int?
    ) throws(MigrationError) {
        try execute(file.name, "BEGIN")
        do {
            try connection.script(file.sql, timeout: timeout)
        } catch {
            throw .failed(step: file.name, line: file.line(of: error), error)
        }
        // A file that ends the transaction would leave its line in the ledger outside of it.
        guard connection.isInTransaction else {
            throw refusal(file, "the file ends its transaction: no BEGIN or COMMIT in migrations")
        }
        if let version { try record(file, version) }
        try execute(file.name, "COMMIT")
    }

    private func record(_ file: MigrationFile, _ version: Int) throws(MigrationError) {
        try execute(
            file.name,
            "INSERT INTO schema_migrations (version, name, checksum) VALUES ($1, $2, $3)",
            [.integer(Int64(version)), .text(file.name), .text(file.checksum)])
    }

    private func refusal(_ file: MigrationFile, _ reason: String) -> MigrationError {
        .failed(
            step: file.name, line: nil,
            .unexpected(operation: file.name, peer: connection.peer, reason: reason))
    }
}

// MARK: - Online files

extension Migrator {
    /// Returns what a statement of an online file runs: itself, or, for a query, the statements
    /// that are its rows. So a file can name what only the database knows, such as partitions.
    private func statements(
        of statement: MigrationFile.Statement, in file: MigrationFile
    ) throws(MigrationError) -> [String] {
        guard statement.sql.uppercased().hasPrefix("SELECT") else { return [statement.sql] }
        let rows: PostgresResult
        do throws(PostgresError) {
            rows = try connection.execute(statement.sql, timeout: timeout)
        } catch {
            throw .failed(step: file.name, line: statement.line, error)
        }
        guard rows.rowCount <= Self.onlineStatementsMax else {
            throw .tooManyStatements(step: file.name, max: Self.onlineStatementsMax)
        }
        return (0..<rows.rowCount).compactMap { rows[$0, 0] }
    }

    private func online(
        _ sql: String, _ statement: MigrationFile.Statement, _ file: MigrationFile,
        _ report: (Notice) -> Void
    ) throws(MigrationError) {
        // Nobody waits behind a statement that is concurrent, and cut in its wait it would leave
        // an index that is of no use.
        let isConcurrent = sql.uppercased().contains(" CONCURRENTLY ")
        if isConcurrent { try execute("lift the timeout of locks", "SET lock_timeout = 0") }
        try patiently(file.name, report) { () throws(MigrationError) in
            do throws(PostgresError) {
                try connection.script(sql, timeout: timeout)
            } catch {
                throw .failed(step: file.name, line: statement.line, error)
            }
        }
        guard !connection.isInTransaction else {
            throw refusal(file, "the file begins a transaction: each statement is one by itself")
        }
        if isConcurrent { try execute("restore the timeout of locks", "RESET lock_timeout") }
    }

    /// Waits in the server, so that a session that ends also ends the wait. An index that another
    /// migrator makes online waits for this statement, which is short.
    private func pause(_ duration: Duration) throws(MigrationError) {
        try execute(
            "pause", "SELECT pg_sleep(($1::bigint / 1000.0)::float8)",
            [.integer(Int64(duration / .milliseconds(1)))])
    }
}

extension MigrationFile {
    /// Returns the line at which the server found the error, counted from 1.
    fileprivate func line(of error: PostgresError) -> Int? {
        guard let position = error.serverError?.position, position > 0 else { return nil }
        return sql.unicodeScalars.prefix(position - 1).count { $0 == "\n" } + 1
    }
}
