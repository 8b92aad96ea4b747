import MarketModel
import Membership
import NatsTransport
import Primitives
import QuestDBAccess
import ServiceRuntime
import ServiceTestSupport
import StoreHTTP
import StoreSinks
import TapeCodec
import TapeKeeping
import TapeProtocol
import TapeTransport
import TestSupport
import Testing

@testable import StoreWriter

@Suite(
    "QuestDB as the store, by a recorder", .serialized,
    .enabled(if: QuestDBBench.obstacle == nil, "\(QuestDBBench.obstacle ?? "")"))
struct QuestDBTests {
    @Test("'migrate' makes what is missing, and refuses what would lose rows or keep them twice")
    func migrate() throws {
        let bench = try QuestDBBench("wqdbmigrate")
        #expect(try bench.migrate(["--dry-run"]) == .pending)
        #expect(try bench.migrate() == .success)
        #expect(try bench.migrate(["--dry-run"]) == .success)
        let settings = QuestDBClient.Settings(
            url: "http://127.0.0.1:\(bench.front.port())", user: "", password: nil)
        let server = try QuestDBServer(settings, SinkCatalogue()) { _ in }
        #expect(try server.problem() == nil)
        try bench.plan("plain trades")
        #expect(
            try server.problem()
                == "trades has no DEDUP, so a repeat would be there twice: mend it by hand")
        #expect(throws: SettingsError.self) { try bench.migrate() }
        try bench.plan("drop trades")
        #expect(try bench.migrate() == .success)
        #expect(try server.problem() == nil)
        let changes = [
            "mode nosync", "mode async", "version 9.1.4", "protocols [1,2]", "parts 5000",
        ]
        for change in changes {
            try bench.plan("set \(change)")
            #expect(throws: SettingsError.self, "\(change)") { try bench.migrate() }
            #expect(try server.problem() != nil, "\(change)")
            for right in ["mode sync", "version 9.2.0", "protocols [1,2,3]", "parts 0"] {
                try bench.plan("set \(right)")
            }
        }
    }

    @Test("faults of the settings are told together, and a refusal without the password")
    func settings() throws {
        let problems = TestService.problems(
            Main.description,
            [
                "STORE_KIND": "questdb", "QUESTDB_URL": "ftp://a", "WRITER_OVERFLOW": "drop",
                "WRITER_PURGE_AFTER": "standby", "WRITER_HOT_STATE": "false",
            ])
        #expect(problems.count == 3, "\(problems)")
        let bench = try QuestDBBench("wqdbuser")
        do {
            try bench.migrate([], ["QUESTDB_USER": "ada", "QUESTDB_PASSWORD": "wrong"])
            Issue.record("the password is taken")
        } catch {
            #expect("\(error)".contains("status 401"), "\(error)")
            #expect(!"\(error)".contains("wrong"), "\(error)")
        }
    }

    @Test("a password that is refused is read again from its file, and no row is lost")
    func newPassword() throws {
        try QuestDBBench("wqdbnewkey").storeWithNewPasswords(
            "QUESTDB_PASSWORD", ["QUESTDB_USER": "ada"])
    }

    @Test("each record is one row, through lost answers, a server that is away, and a full disk")
    func stores() throws {
        let bench = try QuestDBBench("wqdbstores")
        var sources = try bench.sources()
        let first = try bench.begin(&sources)
        try bench.storeThroughFaults(&sources)
        #expect(try first.stop() == .success)
        try bench.publish(&sources)
        let second = try bench.start()
        #expect(try bench.isComplete(100), "\(bench.seen)")
        #expect(try second.stop() == .success)
        try bench.judge(ticks: 100)
    }

    @Test(
        "QuestDB's own client makes the same bytes of what was sent",
        .enabled(if: PythonServer.obstacle(of: "questdb") == nil))
    func client() throws {
        let bench = try QuestDBBench("wqdbclient")
        try bench.migrate()
        var sources = try bench.sources()
        try bench.publish(&sources)
        for index in sources.indices { sources[index].skip = 5 }
        try bench.publish(&sources)
        let writer = try bench.start()
        #expect(
            try eventually(within: 60) {
                let shown = try bench.shown()
                return !shown.isEmpty && shown.allSatisfy { $0.hasSuffix(" 50 50 1 55") }
            }, "\(bench.seen)")
        #expect(try writer.stop() == .success)
        try bench.compareWithClient()
    }

    @Test("rows that the server refuses become dead letters, and all others are stored")
    func refusedRows() throws {
        let bench = try QuestDBBench("wqdbletters")
        try bench.migrate()
        try bench.plan("refuse 3")
        let letter = try bench.letterOfRefusedRows()
        #expect(letter.storeKind == "questdb")
        #expect(letter.refusal.message.contains("to be refused"), "\(letter.refusal.message)")
    }

    @Test(
        "a table that is not as it was when the session began stops the position",
        arguments: [
            ("drop trades", "trades was dropped or made anew while rows"),
            ("again quotes", "quotes was dropped or made anew while rows"),
            ("plain trades", "trades has no DEDUP"), ("suspend quotes", "quotes is suspended"),
        ])
    func changed(command: String, said: String) throws {
        let bench = try QuestDBBench("wqdb\(command.prefix(4))")
        var sources = try bench.sources()
        let writer = try bench.begin(&sources)
        try bench.plan("slow 1")
        try bench.publish(&sources)
        #expect(try eventually(within: 60) { try bench.plan("held") == "1" })
        try bench.plan(command)
        try bench.plan("release")
        #expect(
            eventually(within: 60) {
                writer.service.log.text.contains(said)
            }, "\(writer.service.log.text)")
        _ = try writer.stop()
    }

    @Test("a server that is started again with another commit mode stops the position")
    func otherMode() throws {
        let bench = try QuestDBBench("wqdbmode")
        var sources = try bench.sources()
        let writer = try bench.begin(&sources)
        try bench.plan("set mode nosync")
        try bench.publish(&sources)
        #expect(
            eventually(within: 60) {
                writer.service.log.text.contains("cairo.commit.mode is nosync")
            }, "\(writer.service.log.text)")
        #expect(try bench.declared() > 0)
        try bench.plan("set mode sync")
        #expect(try bench.isComplete(50), "\(bench.seen)")
        #expect(try eventually(within: 120) { try bench.declared() == 0 })
        #expect(try writer.stop() == .success)
        try bench.judge(ticks: 50)
    }

    @Test("where the record is lost, the rows come again, and replace the same ones")
    func lostRecord() throws {
        let bench = try QuestDBBench("wqdblost")
        var sources = try bench.sources()
        let first = try bench.begin(&sources)
        #expect(try first.stop() == .success)
        let bucket = try bench.tape.client.jetStream.openOrMakeBucket(
            GroupRegistry.configuration(bench.tape.names))
        for partition in 0..<2 {
            let place = SinkPlace(input: .ticks, partition: Partition(partition))
            _ = try bucket.delete(IntentBucket.key(of: place, .store))
        }
        try bench.publish(&sources)
        let second = try bench.start()
        #expect(try bench.isComplete(50), "\(bench.seen)")
        #expect(try second.stop() == .success)
        try bench.judge(ticks: 50)
    }

    @Test("another database than that of the record is refused")
    func otherDatabase() throws {
        let bench = try QuestDBBench("wqdbother")
        try bench.refuseOtherDatabase { try bench.plan("drop store_identity") }
        #expect(try bench.isComplete(25))
    }

    @Test("the audit counts the rows, and finds one that is lost")
    func audit() throws {
        let bench = try QuestDBBench("wqdbaudit")
        var sources = try bench.sources()
        let writer = try bench.begin(&sources)
        #expect(try writer.stop() == .success)
        // The first places are counted when their rows are shown.
        try bench.plan("behind 2")
        let clean = try bench.audit()
        #expect(clean.code == .success, "\(clean.said)")
        // Rows of a table that was switched off since are counted, too.
        let fewer = try TestService(
            Main.description, bench.environment.merging(["STORE_TABLES": "trades"]) { $1 },
            arguments: ["audit"])
        #expect(try Main.run(fewer.context) == .success, "\(fewer.log.text)")
        for table in ["trades", "quotes"] { try bench.plan("lose_rows \(table) 3") }
        let found = try bench.audit()
        #expect(found.code == .failure)
        #expect(found.said.contains("ticks of partition 1: test has 24 ordinals, written are 25"))
    }
}
