import ClickHouseWire
import QuestDBAccess
import StoreHTTP

/// Where the tables of a further store are that is none of the stack's server of PostgreSQL:
/// `http://user@host:8123/database` is a server of ClickHouse, `questdb+http://user@host:9000` one
/// of QuestDB.
struct StoreURL: Hashable, Sendable, CustomStringConvertible {
    /// The settings that name the files with passwords.
    static let passwordFiles = ["CLICKHOUSE_PASSWORD_FILE", "QUESTDB_PASSWORD_FILE"]
    private static let questdb = "questdb+"

    let description: String
    private let isQuestDB: Bool
    private let address: String
    private let user: String
    private let database: String

    init(_ text: String) throws(ToolError) {
        func refused(_ reason: String) -> ToolError {
            .usage(
                "--store wants STORE=http://USER@HOST:PORT/DATABASE or "
                    + "STORE=\(Self.questdb)http://USER@HOST:PORT: \(reason)")
        }
        isQuestDB = text.hasPrefix(Self.questdb)
        let url = isQuestDB ? String(text.dropFirst(Self.questdb.count)) : text
        guard let scheme = ["http://", "https://"].first(where: { url.hasPrefix($0) }) else {
            throw refused("'\(text.prefix(80))' does not begin with http:// or https://")
        }
        let parts = url.dropFirst(scheme.count).split(
            separator: "/", omittingEmptySubsequences: false)
        let authority = parts[0].split(separator: "@", omittingEmptySubsequences: false)
        guard let host = authority.last, authority.count <= 2, parts.count <= (isQuestDB ? 1 : 2)
        else { throw refused("it has more parts than these") }
        let passwordFile = Self.passwordFiles[isQuestDB ? 1 : 0]
        guard authority.count == 1 || !authority[0].contains(":") else {
            throw refused(
                "a password would show in the list of processes: write it into a file of its own "
                    + "and name that: --set \(passwordFile)=…")
        }
        address = scheme + host
        user = authority.count == 2 ? String(authority[0]) : isQuestDB ? "" : "default"
        database = parts.count == 2 && !parts[1].isEmpty ? String(parts[1]) : "market_data"
        description = text
        if let problem = StoreHTTPClient.problem(address) { throw refused(problem) }
    }

    /// The setting that names the file with its password.
    var passwordFile: String { Self.passwordFiles[isQuestDB ? 1 : 0] }

    func server(password: String?) -> StoreServer {
        isQuestDB
            ? .questdb(QuestDBClient.Settings(url: address, user: user, password: password))
            : .clickhouse(
                ClickHouseClient.Settings(
                    url: address, user: user, password: password, database: database))
    }

    /// What a writer gets of it.
    var environment: [String: String] {
        isQuestDB
            ? ["STORE_KIND": "questdb", "QUESTDB_URL": address].merging(
                user.isEmpty ? [:] : ["QUESTDB_USER": user]
            ) { $1 }
            : [
                "STORE_KIND": "clickhouse", "CLICKHOUSE_URL": address, "CLICKHOUSE_USER": user,
                "CLICKHOUSE_DATABASE": database,
            ]
    }
}
