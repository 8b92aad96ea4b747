import ServiceTestSupport
import TestSupport
import Testing

@testable import StoreWriter

/// A tape, and the recorder in the place of a server of QuestDB, which it is not: it keeps what it
/// gets, and a judge of its own reads that.
struct QuestDBBench: FrontBench {
    static let obstacle = PythonServer.obstacle
    private static let scripts =
        "\(ServerPrograms.checkout)/Tests/StoreWriterServerTests/fronts"
    private static let engines = "\(ServerPrograms.checkout)/deploy/local/engines.sh"

    let folder: TemporaryFolder
    let front: PythonServer
    let tape: TestTape
    let records = HandRecords()

    init(_ namespace: String) throws {
        folder = try TemporaryFolder("questdb")
        front = try PythonServer("\(Self.scripts)/questdb_recorder.py", [folder.path])
        tape = try TestTape(NatsServer.shared(), namespace: namespace, partitions: 2)
    }

    var environment: [String: String] {
        tape.environment.merging([
            "STORE_KIND": "questdb", "WRITER_HOT_STATE": "false", "WRITER_THREADS": "2",
            "QUESTDB_URL": "http://127.0.0.1:\(front.port())",
        ]) { $1 }
    }

    /// The rows as a server with deduplication would have them.
    func shown() throws -> [String] {
        try parts("count")
    }

    func named() throws -> [String] { try parts("named") }

    private func parts(_ question: String) throws -> [String] {
        try plan(question).split(separator: ", ").map { String($0) }
    }

    private var requests: String { folder.file("requests") }

    /// Lets the judge read what was kept.
    func judge(ticks: Int) throws {
        let said = try run(
            "/bin/bash",
            [Self.engines, "--of", "websockets", "\(Self.scripts)/questdb_judge.py", requests]
                + ["\(ticks)"])
        #expect(said.contains("partition 1: \(ticks) rows"), "\(said)")
    }

    /// Lets QuestDB's own client make the same rows.
    func compareWithClient() throws {
        let said = try run(
            "/bin/bash",
            [Self.engines, "--of", "questdb", "\(Self.scripts)/questdb_again.py", requests])
        #expect(said.contains("rows are equal"), "\(said)")
    }
}
