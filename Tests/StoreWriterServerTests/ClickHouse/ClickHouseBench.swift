import ClickHouseWire
import MarketModel
import Primitives
import ServiceRuntime
import ServiceTestSupport
import StoreSinks
import TapeTransport
import TestSupport
import Testing

@testable import StoreWriter

/// A tape, and ClickHouse's engine behind the front in Python.
struct ClickHouseBench {
    static let packages = "clickhouse"
    static let obstacle = PythonServer.obstacle(of: packages)
    static let database = "market_data"
    static let script =
        "\(ServerPrograms.checkout)/Tests/StoreWriterServerTests/ClickHouse/clickhouse_front.py"

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

    /// Runs `store-writer migrate`.
    @discardableResult
    func migrate(_ flags: [String] = [], _ changes: [String: String] = [:]) throws -> ExitCode {
        let service = try TestService(
            Main.description, environment.merging(changes) { $1 }, arguments: ["migrate"] + flags)
        return try Main.run(service.context)
    }

    /// Runs `store-writer audit`. Returns its exit code, and what it said.
    func audit() throws -> (code: ExitCode, said: String) {
        let service = try TestService(Main.description, environment, arguments: ["audit"])
        return (try Main.run(service.context), service.log.text)
    }

    /// Starts a writer that takes all partitions.
    func start(_ changes: [String: String] = [:]) throws -> RunningService {
        let service = try TestService(
            Main.description, environment.merging(changes) { $1 })
        var settings = WriterSettings(service.context.configuration)
        settings.batches.waitNanoseconds = 20_000_000
        let client = try tape.connect(service)
        let member = HandMembership(records, takes: [0, 1])
        return try service.start { [settings] context in
            defer { client.close() }
            return try Writer(
                settings, client: client, context: context, report: WriterReport()
            ) { ports in
                member.join(ports)
                return member
            }.run()
        }
    }

    /// Plans faults of the front.
    @discardableResult
    func plan(_ line: String) throws -> String { try front.command(line) }

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

    /// The same for a message.
    var seen: String {
        do { return "\(try shown())" } catch { return "\(error)" }
    }

    /// Waits until each partition has so many ticks, each once.
    func isComplete(_ ticks: Int) throws -> Bool {
        let wanted = (0..<2).map { "\($0) \(ticks) \(ticks) 1 \(ticks)" }
        return try eventually(within: 120) { try shown() == wanted }
    }

    /// Sources of ticks for both partitions.
    func sources() throws -> [TestSource] {
        let name = try #require(SourceName("test"))
        return try (0..<2).map { partition in
            var source = TestSource(tape, Partition(partition), source: name)
            try source.define("S\(partition)", provider: "test")
            return source
        }
    }

    func publish(_ sources: inout [TestSource], ticks: Int = 25) throws {
        for index in sources.indices {
            WriterBench.fill(&sources[index], ticks: ticks)
            try sources[index].publish(watermark: Timestamp(nanoseconds: WriterBench.start))
        }
    }
}
