package import Primitives

/// The address of a database, the user, and the server's timeouts.
///
/// libpq parameters that are not set have libpq's own defaults: without a password it reads
/// `~/.pgpass`, as every PostgreSQL program does.
package struct PostgresConfiguration: Sendable {
    /// The values of libpq's `sslmode` that the product supports.
    package enum SSLMode: String, Sendable, CaseIterable {
        case disable
        case prefer
        case require
        case verifyFull = "verify-full"
    }

    /// The servers, of which one accepts writes. They are tried in this order.
    package var hosts: [PostgresHost]
    package var database: String
    package var user: String
    /// Another one has no successor: set `renewable` after it.
    package var password: String? { didSet { renewable = nil } }
    /// The password, where it may have a successor: it is read again when a server refuses it.
    package var renewable: RenewableSecret?
    package var sslMode: SSLMode = .prefer
    /// The path of the PEM file with the certificates that may sign the server's certificate.
    package var rootCertificate: String?
    /// The name that `pg_stat_activity` shows: that of the service, and of its part.
    package var applicationName = "tapeline"
    /// After this time the server ends a statement. This and the next two end work that a dead or
    /// paused client has left. The caller needs its own deadlines as well, because a stopped server
    /// measures no time.
    package var statementTimeout = Duration.seconds(60)
    /// After this time the server ends a statement that waits for one lock.
    package var lockTimeout = Duration.seconds(10)
    /// After this time the server ends a session that is idle in an open transaction.
    package var idleInTransactionTimeout = Duration.seconds(60)
    /// Further run-time settings of the session, such as `search_path`.
    package var settings: [(name: String, value: String)] = []

    /// A database of several servers.
    package init(
        hosts: [PostgresHost], database: String, user: String, password: String? = nil
    ) {
        precondition(!hosts.isEmpty, "a database has a server")
        self.hosts = hosts
        self.database = database
        self.user = user
        self.password = password
    }

    /// A database of one server.
    package init(
        host: String, port: UInt16 = 5_432, database: String, user: String, password: String? = nil
    ) {
        self.init(
            hosts: [PostgresHost(host, port: port)], database: database, user: user,
            password: password)
    }

    /// Hosts, ports, database and user in one short text, for messages.
    package var peer: String {
        "\(hosts.map(\.description).joined(separator: ","))/\(database) as \(user)"
    }

    /// Returns the same database on one of its servers.
    package func on(_ host: PostgresHost) -> PostgresConfiguration {
        var one = self
        one.hosts = [host]
        return one
    }
}

/// The settings by which each side notices a dead peer.
enum Keepalive {
    /// The kernel probes an idle connection after this many seconds. The next two constants are the
    /// interval and the number of probes.
    static let idleSeconds = 5
    static let intervalSeconds = 2
    static let probes = 3
    /// The connection ends when sent data were not acknowledged for this long.
    static let userTimeoutMilliseconds = 10_000
    /// While a statement runs, the server checks at this interval whether the client is still
    /// there, so that a killed client's locks are released soon.
    static let serverCheckMilliseconds = 1_000
}

extension PostgresConfiguration {
    /// libpq's keywords and values for the first server. `nil` means libpq's default. libpq could
    /// try a list of servers, too, but it would end with the first one that accepts writes, which
    /// may be an earlier primary.
    var parameters: [(keyword: String, value: String?)] {
        [
            ("host", hosts[0].name), ("port", String(hosts[0].port)), ("dbname", database),
            ("user", user),
            ("password", renewable?.value ?? password), ("sslmode", sslMode.rawValue),
            ("sslrootcert", rootCertificate), ("gssencmode", "disable"),
            ("application_name", applicationName), ("client_encoding", "UTF8"),
            ("target_session_attrs", "read-write"), ("options", options),
            ("keepalives", "1"), ("keepalives_idle", String(Keepalive.idleSeconds)),
            ("keepalives_interval", String(Keepalive.intervalSeconds)),
            ("keepalives_count", String(Keepalive.probes)),
            ("tcp_user_timeout", String(Keepalive.userTimeoutMilliseconds)),
        ]
    }

    /// The settings, which are sent with the start-up message: this needs no round trip, and none
    /// can be forgotten.
    private var options: String {
        runtimeSettings.map { "-c \(escaped($0.name))=\(escaped($0.value))" }
            .joined(separator: " ")
    }

    /// The settings of the session.
    var runtimeSettings: [(name: String, value: String)] {
        let fixed: [(name: String, value: String)] = [
            ("statement_timeout", milliseconds(statementTimeout)),
            ("lock_timeout", milliseconds(lockTimeout)),
            ("idle_in_transaction_session_timeout", milliseconds(idleInTransactionTimeout)),
            ("client_connection_check_interval", String(Keepalive.serverCheckMilliseconds)),
            ("standard_conforming_strings", "on"), ("TimeZone", "UTC"), ("DateStyle", "ISO"),
            ("bytea_output", "hex"),
        ]
        return fixed + settings
    }

    /// Escapes a text, because the server splits the options at blanks without a preceding
    /// backslash.
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
    package var description: String {
        "\(peer) (password \(password == nil ? "none" : "<redacted>"), sslmode \(sslMode.rawValue))"
    }

    package var debugDescription: String { description }

    /// `dump` and test failures show mirrors, so the mirror does not contain the password.
    package var customMirror: Mirror { Mirror(self, children: ["peer": peer]) }
}
