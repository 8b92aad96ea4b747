internal import Primitives

/// The server's report of a failure; empty fields are `nil`.
public struct ServerError: Equatable, Sendable {
    public var sqlState: SQLState
    /// ERROR, FATAL or PANIC; in English, whatever the server's language.
    public var severity: String
    public var message: String
    public var detail: String?
    public var hint: String?
    /// Where in the work the error arose; for a COPY with the number of the line.
    public var context: String?
    public var schema: String?
    public var table: String?
    public var column: String?
    public var constraint: String?
    /// The place in the statement's text, in characters from 1.
    public var position: Int?

    /// All other fields are `nil`.
    public init(sqlState: SQLState, severity: String = "ERROR", message: String) {
        self.sqlState = sqlState
        self.severity = severity
        self.message = message
    }

    /// The way to handle it.
    public var category: PostgresErrorCategory {
        sqlState.category(constraint: constraint, table: table)
    }
}

/// A failure of one operation. `operation` contains the statement's first words, never its values.
public enum PostgresError: Error, Equatable, Sendable {
    /// The session could not be opened: refused, unreachable, or the server is read-only.
    case connect(peer: String, reason: String)
    /// The server was reached, but the requested TLS failed: the server has none, its certificate
    /// is not the expected one, or our own files cannot be used.
    case tlsFailed(peer: String, reason: String)
    /// The session ended during the operation; whether it took effect is unknown.
    case connectionLost(operation: String, peer: String, reason: String)
    /// Our own deadline passed; the connection is closed, the outcome unknown.
    case timeout(operation: String, peer: String, after: Duration)
    /// The server refused the operation.
    case server(operation: String, peer: String, ServerError)
    /// A value that cannot be sent: a NUL in text, a field or a result beyond its limit.
    case invalidValue(operation: String, reason: String)
    /// The connection and the call do not match, or the answer cannot be understood.
    case unexpected(operation: String, peer: String, reason: String)
    /// The connection was used after `close`, or after an error that closed it.
    case closed(operation: String, peer: String)
    /// The server was reached, and must not be used: it is not the one that has the data, or a
    /// pooler between us and it does not keep sessions. The reason says what to do.
    case refused(peer: String, reason: String)
    /// None of several servers can be used; one failure for each, in their order.
    case noServer(peer: String, [PostgresError])
}

extension PostgresError {
    /// The way to handle it.
    public var category: PostgresErrorCategory {
        switch self {
        case .connect, .tlsFailed, .connectionLost, .timeout, .closed, .refused: .retryable
        // Another one of them may be usable later. What only a person can mend comes first.
        case .noServer(_, let failures):
            failures.map(\.category).first { $0 != .retryable } ?? .retryable
        case .server(_, _, let error): error.category
        case .invalidValue: .data
        case .unexpected: .fatal
        }
    }

    /// Whether the same work can succeed later.
    public var isRetryable: Bool { category == .retryable }

    /// True when the same work may succeed in smaller pieces: a time ran out, or a limit of one
    /// transaction was reached (its locks, the rows that it unpacks).
    public var mayBeTooMuchAtOnce: Bool {
        if case .timeout = self { return true }
        return switch sqlState {
        case .queryCanceled, .lockNotAvailable, .outOfMemory, .configurationLimitExceeded: true
        default: false
        }
    }

    /// The server's report; `nil` when the error is not the server's.
    public var serverError: ServerError? {
        guard case .server(_, _, let error) = self else { return nil }
        return error
    }

    /// The server's code; `nil` when the error is not the server's.
    public var sqlState: SQLState? { serverError?.sqlState }
}

extension PostgresError: CustomStringConvertible {
    /// The longest detail, because details may quote a row of any length.
    private static let detailCharactersMax = 300

    public var description: String {
        switch self {
        case .connect(let peer, let reason):
            "cannot connect to PostgreSQL at \(peer): \(oneLine(reason)): is it up and reachable?"
        case .tlsFailed(let peer, let reason):
            "TLS with PostgreSQL at \(peer) failed: \(oneLine(reason)): "
                + "check POSTGRES_SSLROOTCERT, the server's certificate and its name, "
                + "and that the server has TLS"
        case .connectionLost(let operation, let peer, let reason):
            "\(operation) lost its connection to PostgreSQL at \(peer): \(oneLine(reason)): "
                + "connect again and read what took effect"
        case .timeout(let operation, let peer, let duration):
            "\(operation) at PostgreSQL \(peer) had no answer within \(duration): "
                + "connect again and read what took effect"
        case .server(let operation, let peer, let error):
            "\(operation) at PostgreSQL \(peer) failed: \(error.line): \(advice)"
        case .invalidValue(let operation, let reason):
            "\(operation): \(oneLine(reason)): set this value aside"
        case .unexpected(let operation, let peer, let reason):
            "\(operation) at PostgreSQL \(peer): \(oneLine(reason)): this is a bug or a peer that "
                + "is no PostgreSQL"
        case .closed(let operation, let peer):
            "\(operation): the connection to PostgreSQL at \(peer) is closed: make a new one"
        case .refused(let peer, let reason): "PostgreSQL at \(peer) is not used: \(reason)"
        case .noServer(let peer, let failures):
            "no server of \(peer) can be used: "
                + failures.map(\.description).joined(separator: "; ")
        }
    }

    /// What to do about an error of the server.
    private var advice: String {
        switch category {
        case .retryable: "retry later"
        case .data: "set the row aside"
        case .missingPartition: "make the time partition"
        case .schema: "run the migration and check the rights"
        case .fenced: "another owner has taken over"
        case .authentication: "check user and password"
        case .fatal: "see the server's log"
        }
    }

    fileprivate static func shortened(_ text: String) -> String {
        text.count <= detailCharactersMax ? text : text.prefix(detailCharactersMax) + "…"
    }
}

extension ServerError {
    fileprivate var line: String {
        var text = "\(severity) \(sqlState): \(oneLine(message))"
        if let detail { text += " (\(PostgresError.shortened(oneLine(detail))))" }
        if let constraint { text += " [constraint \(constraint)]" }
        return text
    }
}
