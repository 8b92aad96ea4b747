/// Where a database is, who connects, and how long the server may take for what.
///
/// Unset libpq parameters still come from libpq's own defaults: without a password a
/// `~/.pgpass` is asked, as every PostgreSQL program does.
public struct PostgresConfiguration: Sendable {
    public enum SSLMode: String, Sendable, CaseIterable {
        case disable
        case prefer
        case require
        case verifyFull = "verify-full"
    }

    public var host: String
    public var port: UInt16
    public var database: String
    public var user: String
    public var password: String?
    public var sslMode: SSLMode = .prefer
    /// Path of the PEM file with the certificates that may sign the server's.
    public var rootCertificate: String?
    /// Shown by `pg_stat_activity`: service, partition, epoch.
    public var applicationName = "tapeline"
    /// The server gives up a statement, a wait for a lock, an idle open transaction after these.
    /// They end work that a dead or paused client left behind; the caller's own deadlines come on
    /// top, because a stopped server keeps no time.
    public var statementTimeout = Duration.seconds(60)
    public var lockTimeout = Duration.seconds(10)
    public var idleInTransactionTimeout = Duration.seconds(60)
    /// Further run-time settings of the session, such as `search_path`.
    public var settings: [(name: String, value: String)] = []

    public init(
        host: String, port: UInt16 = 5_432, database: String, user: String, password: String? = nil
    ) {
        self.host = host
        self.port = port
        self.database = database
        self.user = user
        self.password = password
    }

    /// Host, port, database and user in one short text for messages.
    public var peer: String { "\(host):\(port)/\(database) as \(user)" }
}

/// How a dead peer is noticed, and by whom.
enum Keepalive {
    /// The kernel probes an idle connection after this many seconds, this often, this many times.
    static let idleSeconds = 5
    static let intervalSeconds = 2
    static let probes = 3
    /// Sent data that nobody acknowledged for so long ends the connection.
    static let userTimeoutMilliseconds = 10_000
    /// While a statement runs, the server looks this often whether the client is still there, so
    /// that a killed client's locks go soon.
    static let serverCheckMilliseconds = 1_000
}

extension PostgresConfiguration {
    /// libpq's keywords and values. A value of nil stays libpq's default.
    var parameters: [(keyword: String, value: String?)] {
        [
            ("host", host), ("port", String(port)), ("dbname", database), ("user", user),
            ("password", password), ("sslmode", sslMode.rawValue),
            ("sslrootcert", rootCertificate), ("gssencmode", "disable"),
            ("application_name", applicationName), ("client_encoding", "UTF8"),
            ("target_session_attrs", "read-write"), ("options", options),
            ("keepalives", "1"), ("keepalives_idle", String(Keepalive.idleSeconds)),
            ("keepalives_interval", String(Keepalive.intervalSeconds)),
            ("keepalives_count", String(Keepalive.probes)),
            ("tcp_user_timeout", String(Keepalive.userTimeoutMilliseconds)),
        ]
    }

    /// Settings go with the start-up message: no round trip, and none can be forgotten.
    private var options: String {
        let fixed: [(name: String, value: String)] = [
            ("statement_timeout", milliseconds(statementTimeout)),
            ("lock_timeout", milliseconds(lockTimeout)),
            ("idle_in_transaction_session_timeout", milliseconds(idleInTransactionTimeout)),
            ("client_connection_check_interval", String(Keepalive.serverCheckMilliseconds)),
            ("standard_conforming_strings", "on"), ("TimeZone", "UTC"), ("DateStyle", "ISO"),
            ("bytea_output", "hex"),
        ]
        return (fixed + settings).map { "-c \(escaped($0.name))=\(escaped($0.value))" }
            .joined(separator: " ")
    }

    /// The server splits the options at blanks that no backslash precedes.
    private func escaped(_ text: String) -> String {
        var result = ""
        for character in text.unicodeScalars {
            if character == "\\" || character.properties.isWhitespace { result += "\\" }
            result.unicodeScalars.append(character)
        }
        return result
    }

    private func milliseconds(_ duration: Duration) -> String {
        let (seconds, attoseconds) = min(max(duration, .zero), Deadline.longest).components
        let all = seconds * 1_000 + attoseconds / 1_000_000_000_000_000
        return String(min(all, Int64(Int32.max)))
    }
}

extension PostgresConfiguration: CustomStringConvertible, CustomDebugStringConvertible,
    CustomReflectable
{
    public var description: String {
        "\(peer) (password \(password == nil ? "none" : "<redacted>"), sslmode \(sslMode.rawValue))"
    }

    public var debugDescription: String { description }

    /// `dump` and test failures show mirrors: the password is not in it.
    public var customMirror: Mirror { Mirror(self, children: ["peer": peer]) }
}
