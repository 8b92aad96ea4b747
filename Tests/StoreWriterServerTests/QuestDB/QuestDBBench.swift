import MarketModel
import Membership
import ServiceTestSupport
import StoreIntents
import TapeProtocol
import TestSupport
import Testing

@testable import StoreWriter

/// A tape, and the recorder in the place of a server of QuestDB, which it is not: it keeps what it
/// gets, and a judge of its own reads that.
struct QuestDBBench: FrontBench {
    static let obstacle = PythonServer.obstacle
    private static let scripts =
        "\(ServerPrograms.checkout)/Tests/StoreWriterServerTests/QuestDB"
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

    /// Of how many partitions a batch is declared, which is not stored for good.
    func declared() throws -> Int {
        let keeper = IntentBucket(tape.client, of: .store)
        let owner = MarkOwner(namespace: tape.names.namespace, name: GroupName.store.text)
        return try (0..<2).count { partition in
            let place = SinkPlace(input: .ticks, partition: Partition(partition))
            guard let value = try keeper.read(place).value else { return false }
            return try KeptIntent(json: value, of: place, store: owner).record.intent != nil
        }
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
