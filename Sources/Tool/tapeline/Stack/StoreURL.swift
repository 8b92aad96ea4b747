import ClickHouseWire
import StoreHTTP

/// Where the tables of a further store are that is none of the stack's server of PostgreSQL:
/// `http://user@host:8123/database` is a server of ClickHouse.
struct StoreURL: Hashable, Sendable, CustomStringConvertible {
    static let passwordFile = "CLICKHOUSE_PASSWORD_FILE"

    let description: String
    private let server: String
    private let user: String
    private let database: String

    init(_ text: String) throws(ToolError) {
        func refused(_ reason: String) -> ToolError {
            .usage("--store wants STORE=http://USER@HOST:PORT/DATABASE: \(reason)")
        }
        guard let scheme = ["http://", "https://"].first(where: { text.hasPrefix($0) }) else {
            throw refused("'\(text.prefix(80))' does not begin with http:// or https://")
        }
        let parts = text.dropFirst(scheme.count).split(
            separator: "/", omittingEmptySubsequences: false)
        let authority = parts[0].split(separator: "@", omittingEmptySubsequences: false)
        guard let host = authority.last, authority.count <= 2, parts.count <= 2 else {
            throw refused("it has more parts than these")
        }
        guard authority.count == 1 || !authority[0].contains(":") else {
            throw refused(
                "a password would show in the list of processes: write it into a file of its own "
                    + "and name that: --set \(Self.passwordFile)=…")
        }
        server = scheme + host
        user = authority.count == 2 ? String(authority[0]) : "default"
        database = parts.count == 2 && !parts[1].isEmpty ? String(parts[1]) : "market_data"
        description = text
        if let problem = StoreHTTPClient.problem(server) { throw refused(problem) }
    }

    func settings(password: String?) -> ClickHouseClient.Settings {
        ClickHouseClient.Settings(url: server, user: user, password: password, database: database)
    }

    /// What a writer is told of it.
    var environment: [String: String] {
        [
            "STORE_KIND": "clickhouse", "CLICKHOUSE_URL": server, "CLICKHOUSE_USER": user,
            "CLICKHOUSE_DATABASE": database,
        ]
    }
}
