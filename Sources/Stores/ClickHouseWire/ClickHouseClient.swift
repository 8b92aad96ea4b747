internal import HTTPClient
internal import ServiceRuntime
package import StoreSinks

/// One thread's way to a server of ClickHouse. Every call blocks, up to a deadline of its own.
package final class ClickHouseClient {
    package struct Settings: Sendable {
        /// As `http://host:8123`.
        package var url: String
        package var user: String
        package var password: String?
        package var database: String

        package init(url: String, user: String, password: String?, database: String) {
            self.url = url
            self.user = user
            self.password = password
            self.database = database
        }

        /// Why the URL is none; `nil`: it is one.
        package var problem: String? {
            guard let url = HTTPURL(url) else {
                return "it is not http://host:port or https://host:port"
            }
            guard url.description.split(separator: "/").count <= 2, !self.url.contains("?") else {
                return "it has a path or a query: give http://host:port alone"
            }
            return nil
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
    /// A larger answer is an error.
    static let answerBytesMax = 16 << 20
    /// More rows would be taken as several blocks.
    package static let blockRowsMax = 1_000_000

    private let settings: Settings
    private let client: HTTPClient
    private let outcomes: Mailbox<Void>
    /// Called before each call, with the longest time that it takes.
    private let onCall: (Duration) -> Void
    package let peer: String

    package init(
        _ settings: Settings, onCall: @escaping (Duration) -> Void
    ) throws(ClickHouseError) {
        self.settings = settings
        self.onCall = onCall
        guard let url = HTTPURL(settings.url), settings.problem == nil else {
            throw ClickHouseError("CLICKHOUSE_URL is no URL", .schema)
        }
        peer = "ClickHouse \(url.peer)"
        var configuration = HTTPConfiguration()
        configuration.bodyBytesMax = Self.answerBytesMax
        configuration.requestTimeout = Self.questionTimeout
        // While the server works on an insert, nothing moves.
        configuration.slowTimeout = Self.questionTimeout
        configuration.requestsPerServerMax = 1
        let outcomes = Mailbox<Void>(capacity: 1)
        self.outcomes = outcomes
        do throws(HTTPError) {
            client = try HTTPClient(configuration) { _ = outcomes.send(()) }
        } catch {
            throw ClickHouseError(error, "start the client")
        }
    }

    // MARK: questions

    /// Runs a statement without rows in its answer. `isInDatabase` is false for what makes it.
    package func run(_ sql: String, isInDatabase: Bool = true) throws(ClickHouseError) {
        _ = try post(
            question(isInDatabase), Array(sql.utf8), Self.questionTimeout,
            "run '\(sql.prefix(60))…'")
    }

    /// Asks a question, and returns the rows of its answer.
    package func ask(
        _ sql: String, parameters: [(name: String, value: String)] = [], isInDatabase: Bool = true
    ) throws(ClickHouseError) -> ClickHouseAnswer {
        var query = question(isInDatabase)
        query.append(("default_format", "RowBinary"))
        for (name, value) in parameters { query.append(("param_\(name)", value)) }
        return ClickHouseAnswer(
            try post(query, Array(sql.utf8), Self.questionTimeout, "ask"))
    }

    /// Returns the version of the server, as `26.3.1.12`.
    package func version() throws(ClickHouseError) -> String {
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

    /// Returns the bytes of the tables that have rows, by name.
    package func tableBytes() throws(ClickHouseError) -> [(table: String, bytes: Int64)] {
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
    package func insert(_ block: NativeBlock, token: String) throws(ClickHouseError) {
        precondition(block.rowCount <= Self.blockRowsMax, "the server would divide the block")
        let columns = block.table.columns.map(\.name).joined(separator: ", ")
        var query = Self.common + Self.ofInserts
        query.append(("database", settings.database))
        query.append(("insert_deduplication_token", token))
        query.append(("query", "INSERT INTO \(block.table.name) (\(columns)) FORMAT Native"))
        _ = try post(
            query, block.body, Self.insertTimeout, "insert into \(block.table.name)")
    }

    private typealias Parameter = (name: String, value: String)

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

    // MARK: the way

    private func post(
        _ query: [Parameter], _ body: [UInt8], _ timeout: Duration,
        _ operation: String
    ) throws(ClickHouseError) -> [UInt8] {
        guard let url = HTTPURL(base, query: query) else {
            throw ClickHouseError("\(operation): the statement is too long", .schema)
        }
        var headers = [HTTPHeader("X-ClickHouse-User", settings.user)]
        if let password = settings.password, !password.isEmpty {
            headers.append(HTTPHeader("X-ClickHouse-Key", password, isSecret: true))
        }
        let request = HTTPRequest(
            url, headers: headers, body: body, wantedHeaders: [ClickHouseError.codeHeader],
            timeout: timeout)
        let response = try answer(request, timeout, operation)
        guard response.status == 200, response.headers[ClickHouseError.codeHeader] == nil else {
            throw ClickHouseError(response, operation, peer)
        }
        return response.body
    }

    private var base: String {
        settings.url.hasSuffix("/") ? settings.url : settings.url + "/"
    }

    private func answer(
        _ request: HTTPRequest, _ timeout: Duration, _ operation: String
    ) throws(ClickHouseError) -> HTTPResponse {
        onCall(timeout)
        let id: HTTPRequestID
        do throws(HTTPError) {
            id = try client.request(request)
        } catch {
            throw ClickHouseError(error, operation)
        }
        // The client itself ends it in time; this deadline is for what must not happen.
        let deadline = ContinuousClock.now + timeout + .seconds(5)
        var woken: [Void] = []
        while ContinuousClock.now < deadline {
            for outcome in client.take() where outcome.id == id {
                switch outcome.result {
                case .success(let response): return response
                case .failure(let error): throw ClickHouseError(error, operation)
                }
            }
            _ = outcomes.receive(into: &woken, max: 1, timeout: .seconds(1))
            woken.removeAll(keepingCapacity: true)
        }
        client.cancel(id)
        throw ClickHouseError("\(operation): \(peer) gave no answer", .away)
    }
}
