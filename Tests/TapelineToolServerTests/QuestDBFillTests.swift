import MarketModel
import Primitives
import QuestDBAccess
import QuestDBWire
import ServiceRuntime
import ServiceTestSupport
import StoreSinks
import TapeProtocol
import TestSupport
import Testing

@testable import StoreWriter
@testable import TapelineTool
@testable import TapelineToolTests

/// A store of QuestDB that is filled from one of PostgreSQL, with real writers of both. The
/// recorder stands in the place of a server, which it is not.
@Suite(
    "tapeline store fill of a store of QuestDB",
    .enabled(if: PythonServer.obstacle == nil, "\(PythonServer.obstacle ?? "")"))
struct QuestDBFillTests {
    private static let fill = ["store", "fill", "store-q", "--from", "store"]

    private func scene(_ name: String) throws -> ServerFillScene {
        try ServerFillScene(name, "store-q", kind: "questdb", front: "questdb_recorder.py")
    }

    @Test("a hole is filled with the same rows, also when an answer is lost; the audit knows of it")
    func hole() throws {
        var scene = try scene("q")
        let writer = try scene.first.startWriter()
        try AcceptBench.publish(&scene.source, packets: 10)
        let before = try scene.second.startWriter(scene.own)
        try scene.expect("0 50 50 1 50")
        #expect(try before.stop() == .success)
        try AcceptBench.publish(&scene.source, packets: 10)
        try scene.first.expectRows(0, "1-100")
        try scene.purge()
        try AcceptBench.publish(&scene.source, packets: 1)
        let after = try scene.second.startWriter(scene.own)
        try scene.expect("0 60 60 1 105")

        let dry = try Said(Self.fill + ["--dry-run"], scene.environment)
        #expect(dry.code == .pending, "\(dry.output) \(dry.errors)")
        #expect(try after.stop() == .success)
        // Rows are stored, then what says so, and the command does not hear of either. Its client
        // may send a request once more by itself.
        _ = try scene.front.command("lose 4")
        for audit in [ExitCode.failure, .success] {
            let lost = complaint { _ = try Said(Self.fill, scene.environment) }
            #expect(lost.contains("store-q takes no copies of ordinals 51 to 95"), "\(lost)")
            try scene.expect("0 105 105 1 105")
            #expect(try scene.command("audit").code == audit)
        }
        let said = try Said(Self.fill, scene.environment)
        #expect(said.code == .success, "\(said.output) \(said.errors)")
        try scene.expect("0 105 105 1 105")
        let again = try Said(Self.fill, scene.environment)
        #expect(again.code == .success, "\(again.output) \(again.errors)")
        let fills = try scene.client.rows(
            "SELECT first_ordinal, last_ordinal, \"rows\", from_store FROM fills")
        #expect(fills.count == 1)
        #expect(try fills.number(0, "first_ordinal") == 51)
        #expect(try fills.number(0, "last_ordinal") == 95)
        #expect(try fills.number(0, "rows") == 45 && fills.text(0, "from_store") == "store")

        // The copies have the time of the tape to the nanosecond, as rows of the writer have it.
        let question = QuestDBPlace(isDerived: false, partition: 0).ordinals(
            of: "test", 41...105, in: SinkCatalogue([.trades]).sinks.map { QuestDBTable($0) },
            within: ["trades": Self.time(50)...Self.time(52)])
        let found = try scene.client.rows(try #require(question))
        #expect(try (0..<found.count).map { try found.number($0, "ordinal") } == [50, 51, 52])

        // The writer works on, and the audit counts what was copied, also where its table was
        // switched off.
        let later = try scene.second.startWriter(scene.own)
        try AcceptBench.publish(&scene.source, packets: 1)
        try scene.expect("0 110 110 1 110")
        #expect(try later.stop() == .success && writer.stop() == .success)
        for changes in [[:], ["STORE_TABLES": "quotes"]] {
            let audit = try scene.command("audit", changes)
            #expect(audit.code == .success, "\(audit.said)")
        }
    }

    private static func time(_ ordinal: Int64) -> Timestamp {
        Timestamp(nanoseconds: 1_700_000_000_000_000_000 + ordinal)
    }

    @Test("a beginning is filled, and what would lose or double rows is refused in one line")
    func beginning() throws {
        var scene = try scene("qbegin")
        let empty = complaint { _ = try Said(Self.fill, scene.environment) }
        #expect(empty.contains("store store-q has read nothing yet"), "\(empty)")
        let writer = try scene.first.startWriter()
        try AcceptBench.publish(&scene.source, packets: 10)
        try scene.first.expectRows(0, "1-50")
        try scene.purge()
        let own = try scene.second.startWriter(scene.own)
        try AcceptBench.publish(&scene.source, packets: 1)
        try scene.expect("0 10 10 46 55")
        #expect(try own.stop() == .success)
        _ = try scene.front.command("suspend trades")
        let bad = complaint { _ = try Said(Self.fill, scene.environment) }
        #expect(bad.contains("trades is suspended") && !bad.contains("\n"), "\(bad)")
        _ = try scene.front.command("resume trades")
        let said = try Said(Self.fill, scene.environment)
        #expect(said.code == .success, "\(said.output) \(said.errors)")
        try scene.expect("0 55 55 1 55")
        #expect(try scene.command("audit").code == .success && writer.stop() == .success)
    }

    @Test("a row that was refused is stored when it is taken, once, and the audit counts it")
    func letters() throws {
        var scene = try scene("qletters")
        _ = try scene.front.command("refuse 3")
        let own = try scene.second.startWriter(scene.own)
        try AcceptBench.publish(&scene.source, packets: 1)
        try scene.expect("0 4 4 1 5")
        let replay = ["dlq", "replay", "--all"]
        // The letter follows the rows.
        let isThere = try eventually {
            try Said(["dlq", "list"], scene.environment).output.contains("trades")
        }
        #expect(isThere)
        let refused = try Said(replay, scene.environment)
        #expect(
            refused.code == .failure && refused.output.contains("refused again"),
            "\(refused.output)")
        try scene.expect("0 4 4 1 5")
        _ = try scene.front.command("take 3")
        let trial = try Said(replay + ["--dry-run"], scene.environment)
        #expect(trial.output.contains("would be stored"), "\(trial.output) \(trial.errors)")
        for words in ["1 dead letter: 1 stored", "1 dead letter: 1 present"] {
            let said = try Said(replay, scene.environment)
            #expect(said.code == .success && said.output.contains(words), "\(said.output)")
            try scene.expect("0 5 5 1 5")
        }
        #expect(try own.stop() == .success)
        let audit = try scene.command("audit")
        #expect(audit.code == .success, "\(audit.said)")
    }
}

extension ServerFillScene {
    /// The partition, its rows and ordinals, the first and the last one.
    fileprivate func expect(_ wanted: String, _ location: SourceLocation = #_sourceLocation) throws
    {
        try first.expect(wanted, location) { try front.command("count") }
    }

    fileprivate var client: QuestDBClient {
        get throws {
            try QuestDBClient(
                QuestDBClient.Settings(
                    url: own["QUESTDB_URL"] ?? "", user: "", password: nil)
            ) { _ in }
        }
    }
}
