package import Primitives
package import StoreHTTP
package import StoreSinks

/// One thread's way to a server of ClickHouse. Every call blocks, up to a deadline of its own.
package final class ClickHouseClient {
    package struct Settings: Sendable {
        /// As `http://host:8123`.
        package var url: String
        package var user: String
        /// Another one has no successor: set `renewable` after it.
        package var password: String? { didSet { renewable = nil } }
        /// Reads the password again when the server refuses it; `nil`: it is in no file.
        package var renewable: RenewableSecret?
        package var database: String

        package init(url: String, user: String, password: String?, database: String) {
            self.url = url
            self.user = user
            self.password = password
            self.database = database
        }
    }

    /// The oldest version of a server that drops repeats as a store needs it.
    private static let versionMin = [26, 2]
    /// The server ends an insert after this time.
    package static let insertSecondsMax = 10
    /// No answer to an insert comes later.
    static let insertTimeout = Duration.seconds(20)
    /// The server ends a question after this time, and no answer comes later than the next.
    static let questionSecondsMax = 60
    static let questionTimeout = Duration.seconds(70)
    /// More rows would be taken as several blocks.
    package static let blockRowsMax = 1_000_000

    private let settings: Settings
    private let client: StoreHTTPClient
    package let peer: String

    package init(
        _ settings: Settings, onCall: @escaping (Duration) -> Void
    ) throws(StoreServerError) {
        self.settings = settings
        client = try StoreHTTPClient(
            settings.url, timeoutMax: Self.questionTimeout, onCall: onCall)
        peer = "ClickHouse \(client.peer)"
    }

    // MARK: questions

    /// Runs a statement without rows in its answer. `isInDatabase` is false for what makes it.
    package func run(_ sql: String, isInDatabase: Bool = true) throws(StoreServerError) {
        _ = try post(
            question(isInDatabase), Array(sql.utf8), Self.questionTimeout,
            "run '\(sql.prefix(60))…'")
    }

    /// Asks a question, and returns the rows of its answer.
    package func ask(
        _ sql: String, parameters: [(name: String, value: String)] = [], isInDatabase: Bool = true
    ) throws(StoreServerError) -> ClickHouseAnswer {
        var query = question(isInDatabase)
        query.append(("default_format", "RowBinary"))
        for (name, value) in parameters { query.append(("param_\(name)", value)) }
        return ClickHouseAnswer(
            try post(query, Array(sql.utf8), Self.questionTimeout, "ask"))
    }

    /// Returns the version of the server, as `26.3.1.12`.
    package func version() throws(StoreServerError) -> String {
        var answer = try ask("SELECT version()", isInDatabase: false)
        return try answer.text()
    }

    /// Returns whether a server of this version cannot be a store. Pure.
    package static func isTooOld(_ version: String) -> Bool {
        let numbers = version.split(separator: ".").prefix(2).compactMap { Int($0) }
        return numbers.count < 2 || numbers.lexicographicallyPrecedes(versionMin)
    }

    /// What such a server lacks.
    package static let wantsNewer = "a store wants 26.2 or newer"

    /// Which database it has; empty: it does not say so.
    package func identity() throws(StoreServerError) -> String {
        var answer = try ask(
            "SELECT toString(uuid) FROM system.databases WHERE name = currentDatabase()")
        let identity = answer.isOver ? "" : try answer.text()
        return identity.contains { $0 != "0" && $0 != "-" } ? identity : ""
    }

    /// Returns the bytes of the tables that have rows, by name.
    package func tableBytes() throws(StoreServerError) -> [(table: String, bytes: Int64)] {
        var answer = try ask(
            "SELECT table, toInt64(sum(bytes_on_disk)) FROM system.parts WHERE active "
                + "AND database = currentDatabase() GROUP BY table ORDER BY table")
        var found: [(table: String, bytes: Int64)] = []
        while !answer.isOver {
            let table = try answer.text()
            found.append((table: table, bytes: try answer.integer()))
        }
        return found
    }

    /// Returns the names of the database's tables and views.
    package func tableNames() throws(StoreServerError) -> Set<String> {
        var answer = try ask("SELECT name FROM system.tables WHERE database = currentDatabase()")
        var names: Set<String> = []
        while !answer.isOver { names.insert(try answer.text()) }
        return names
    }

    private func question(_ isInDatabase: Bool) -> [Parameter] {
        var query = Self.common
        if isInDatabase { query.append(("database", settings.database)) }
        query.append(("max_execution_time", String(Self.questionSecondsMax)))
        return query
    }

    /// Returns a text as it stands in a statement.
    package static func quoted(_ text: String) -> String {
        "'\(text.replacing("\\", with: "\\\\").replacing("'", with: "\\'"))'"
    }

    // MARK: inserts

    /// Inserts a block. When it returns, the rows outlive a crash of the server, as its table says.
    /// The server drops a block whose token it remembers.
    package func insert(_ block: NativeBlock, token: String) throws(StoreServerError) {
        precondition(block.rowCount <= Self.blockRowsMax, "the server would divide the block")
        let columns = block.table.columns.map(\.name).joined(separator: ", ")
        var query = Self.common + Self.ofInserts
        query.append(("database", settings.database))
        query.append(("insert_deduplication_token", token))
        query.append(("query", "INSERT INTO \(block.table.name) (\(columns)) FORMAT Native"))
        _ = try post(
            query, block.body, Self.insertTimeout, "insert into \(block.table.name)")
    }

    private typealias Parameter = StoreHTTPClient.Question.Parameter

    private static let common: [Parameter] = [
        // What goes wrong in the middle of an answer is its status, too.
        ("wait_end_of_query", "1"),
        // A part of an answer, or an old one, is no answer.
        ("use_query_cache", "0"), ("timeout_overflow_mode", "throw"),
        ("read_overflow_mode", "throw"), ("result_overflow_mode", "throw"),
    ]

    /// What makes an insert one block that is stored when it is answered, and is dropped when it is
    /// a repeat.
    private static let ofInserts: [Parameter] = [
        ("async_insert", "0"), ("insert_deduplicate", "1"), ("deduplicate_insert", "enable"),
        ("max_insert_block_size", "1048576"), ("max_insert_threads", "1"),
        ("input_format_parallel_parsing", "0"), ("throw_on_max_partitions_per_insert_block", "1"),
        ("max_partitions_per_insert_block", "1"),
        ("max_execution_time", String(insertSecondsMax)),
    ]

    private func post(
        _ query: [Parameter], _ body: [UInt8], _ timeout: Duration,
        _ operation: String
    ) throws(StoreServerError) -> [UInt8] {
        var question = StoreHTTPClient.Question(operation, timeout: timeout)
        question.query = query
        question.headers = [("X-ClickHouse-User", settings.user, false)]
        question.body = body
        question.wantedHeader = StoreServerError.codeHeader
        let answer = try client.ask(question, settings.password, settings.renewable) { password in
            guard let password, !password.isEmpty else { return [] }
            return [("X-ClickHouse-Key", password, true)]
        }
        guard answer.status == 200, answer.header == nil else {
            throw StoreServerError(answer, operation, peer)
        }
        return answer.body
    }
}
