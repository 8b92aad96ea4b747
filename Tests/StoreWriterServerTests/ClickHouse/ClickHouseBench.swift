import ClickHouseWire
import ServiceTestSupport
import StoreSinks
import TestSupport
import Testing

@testable import StoreWriter

/// A tape, and ClickHouse's engine behind the front in Python.
struct ClickHouseBench: FrontBench {
    static let packages = "clickhouse"
    static let obstacle = PythonServer.obstacle(of: packages)
    static let database = "market_data"
    static let script =
        "\(ServerPrograms.checkout)/Tests/StoreWriterServerTests/fronts/clickhouse_front.py"

    let folder: TemporaryFolder
    let front: PythonServer
    let tape: TestTape
    let records = HandRecords()

    init(_ namespace: String) throws {
        folder = try TemporaryFolder("clickhouse")
        front = try PythonServer(Self.script, [folder.path], of: Self.packages)
        tape = try TestTape(NatsServer.shared(), namespace: namespace, partitions: 2)
    }

    var environment: [String: String] {
        tape.environment.merging([
            "STORE_KIND": "clickhouse", "WRITER_HOT_STATE": "false", "WRITER_THREADS": "2",
            "CLICKHOUSE_URL": "http://127.0.0.1:\(front.port())",
        ]) { $1 }
    }

    var clientSettings: ClickHouseClient.Settings {
        ClickHouseClient.Settings(
            url: "http://127.0.0.1:\(front.port())", user: "default", password: nil,
            database: Self.database)
    }

    /// Returns the rows of an answer, whose columns are texts.
    func rows(_ sql: String, columns: Int = 1) throws -> [[String]] {
        let client = try ClickHouseClient(clientSettings) { _ in }
        var answer = try client.ask(sql)
        var rows: [[String]] = []
        while !answer.isOver {
            rows.append(try (0..<columns).map { _ in try answer.text() })
        }
        return rows
    }

    /// Returns of trades and quotes: partition, how many rows, how many ordinals, first and last.
    func shown() throws -> [String] {
        try rows(
            """
            SELECT concat(toString(partition), ' ', toString(count()), ' ',
                toString(uniqExact(ordinal)), ' ', toString(min(ordinal)), ' ',
                toString(max(ordinal)))
            FROM (SELECT partition, ordinal FROM trades
                UNION ALL SELECT partition, ordinal FROM quotes)
            GROUP BY partition ORDER BY partition
            """
        ).map { $0[0] }
    }

    func named() throws -> [String] {
        try rows(
            "SELECT concat(toString(partition), ' ', "
                + "toString(sum(last_ordinal - first_ordinal + 1))) FROM ordinal_gaps "
                + "WHERE reason IN ('tape_lost', 'hole') GROUP BY partition ORDER BY partition"
        ).map { $0[0] }
    }

    /// Another process opens the folder, when the front has ended.
    func expectSeenFromOutside(rows: Int) throws {
        front.stop()
        let sql =
            "SELECT count(), uniqExact(partition, ordinal) FROM (SELECT partition, ordinal FROM "
            + "trades UNION ALL SELECT partition, ordinal FROM quotes)"
        let engines = "\(ServerPrograms.checkout)/deploy/local/engines.sh"
        let found = try run(
            "/bin/bash",
            [
                engines, "--of", Self.packages, Self.script,
                folder.path, Self.database, sql,
            ])
        #expect(found.split(whereSeparator: \.isWhitespace) == ["\(rows)", "\(rows)"])
    }
}
