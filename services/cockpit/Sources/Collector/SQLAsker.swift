import PostgresClient
import Primitives

/// Asks the database one statement of a person, on a session of its own, in a transaction that
/// writes nothing and is never committed. What the statement has taken ends with the session.
struct SQLAsker {
    /// The server ends the statement after this time.
    static let statementTimeout = Duration.seconds(5)
    /// The server needs a moment more, and a stopped one measures no time.
    private static let answerTimeout = Duration.seconds(10)
    /// To connect, and each statement before the person's own, takes at most so long.
    private static let beginTimeout = Duration.seconds(5)
    /// All of it takes less than a thread may be silent.
    static let timeout = answerTimeout + beginTimeout * 5

    /// Nothing was asked, and why.
    struct Refusal: Error, CustomStringConvertible {
        let description: String
    }

    private let configuration: PostgresConfiguration
    private let namespace: String

    init(_ configuration: PostgresConfiguration, namespace: String) {
        var configuration = configuration
        configuration.applicationName = "cockpit sql"
        configuration.statementTimeout = Self.statementTimeout
        configuration.lockTimeout = Self.beginTimeout
        configuration.idleInTransactionTimeout = Self.statementTimeout
        configuration.settings = [
            ("search_path", "\(namespace)_market"), ("max_parallel_workers_per_gather", "0"),
            ("client_min_messages", "error"),
        ]
        self.configuration = configuration
        self.namespace = namespace
    }

    /// Returns the rows. `isWanted` is asked for each row, and each second without one.
    func ask(_ asked: String, while isWanted: () -> Bool) throws -> AskedDocument {
        let sql = Self.trimmed(asked)
        let connection = try PostgresConnection.newest(
            of: configuration, timeout: Self.beginTimeout)
        defer { connection.close() }
        try connection.execute("BEGIN READ ONLY", timeout: Self.beginTimeout)
        try checkRole(connection)
        let columns = try connection.columns(of: sql, timeout: Self.beginTimeout)
        guard !columns.isEmpty else { throw Self.noQuery }
        guard columns.count <= AskedDocument.columnsMax else {
            throw Refusal(
                description: "it has \(columns.count) columns, and may have "
                    + "\(AskedDocument.columnsMax)")
        }
        var document = AskedDocument(columns: columns)
        do throws(PostgresError) {
            _ = try connection.eachRow(
                Self.bounded(sql, columns: columns.count), timeout: Self.answerTimeout,
                while: isWanted
            ) { row in
                document.take(row) && isWanted()
            }
        } catch {
            // Alone it was understood, and within the other one it is not.
            if error.sqlState == Self.syntaxError { throw Self.noQuery }
            throw error
        }
        return document
    }

    private static let syntaxError = SQLState(rawValue: "42601")

    private static let noQuery = Refusal(
        description: "only what has rows and changes nothing can be asked: SELECT, WITH, VALUES or "
            + "TABLE")

    /// Returns a statement without the semicolons at its end, which people type.
    private static func trimmed(_ sql: String) -> String {
        let end = sql.lastIndex { !$0.isWhitespace && $0 != ";" }
        return end.map { String(sql[...$0]) } ?? ""
    }

    /// Returns a statement that has the rows of this one, as text, with limits which the server
    /// keeps. Within it only a query is understood.
    static func bounded(_ sql: String, columns: Int) -> String {
        let names = (1...columns).map { "c\($0)" }
        let values = names.map { "left(\($0)::text, \(AskedDocument.charactersMax + 1))" }
        // A comment may be at the end.
        return """
            SELECT \(values.joined(separator: ", ")) FROM (
            \(sql)
            ) AS asked (\(names.joined(separator: ", "))) LIMIT \(AskedDocument.rowsMax + 1)
            """
    }

    /// Refuses a role that could change something if the transaction allowed it, or that reaches
    /// beyond its own session.
    private func checkRole(_ connection: PostgresConnection) throws {
        let found = try connection.execute(
            """
            SELECT CASE
                WHEN rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls
                THEN 'it has rights of an administrator'
                WHEN EXISTS (
                    SELECT FROM pg_roles AS given
                    WHERE given.rolname LIKE 'pg\\_%' AND pg_has_role(given.oid, 'MEMBER')
                        AND given.rolname NOT IN ('pg_monitor', 'pg_read_all_settings',
                            'pg_read_all_stats', 'pg_stat_scan_tables'))
                THEN 'it is a member of a role of the server, which may do more than read'
                WHEN EXISTS (
                    SELECT FROM pg_class
                    WHERE relnamespace IN (to_regnamespace($1), to_regnamespace($1 || '_market'))
                        AND relkind IN ('r', 'p', 'v', 'm', 'f')
                        AND has_table_privilege(oid, 'INSERT, UPDATE, DELETE, TRUNCATE'))
                THEN 'it may write rows'
                WHEN EXISTS (
                    SELECT FROM pg_proc
                    WHERE pronamespace = 'pg_catalog'::regnamespace
                        AND proname IN ('pg_cancel_backend', 'pg_terminate_backend')
                        AND has_function_privilege(oid, 'EXECUTE'))
                THEN 'it may end sessions: an administrator has to revoke that in this database, '
                    || 'as deploy/local/database.sql does'
                END
            FROM pg_roles WHERE rolname = current_user
            """, [.text(namespace)], timeout: Self.beginTimeout)
        guard let problem = found.scalar else { return }
        throw Refusal(
            description: "the cockpit's role \(configuration.user) is not one of people who read "
                + "(POSTGRES_USER): \(problem)")
    }
}

extension SQLAsker {
    /// Says in one sentence why there are no rows.
    static func reason(_ error: any Error) -> String {
        guard let error = error as? PostgresError else { return "\(error)" }
        guard let server = error.serverError else {
            return "the database did not answer: \(error)"
        }
        if server.sqlState == .queryCanceled {
            return "it took longer than \(statementTimeout.components.seconds) s, and was ended"
        }
        let place = server.position.map { " (character \($0))" } ?? ""
        let hint = server.hint.map { ": \($0)" } ?? ""
        return "\(server.message.prefix(300))\(place)\(hint.prefix(150))"
    }
}
