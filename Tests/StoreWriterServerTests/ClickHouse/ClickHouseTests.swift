import ClickHouseWire
import Foundation
import MarketModel
import Membership
import NatsTransport
import Primitives
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
    "ClickHouse as the store", .serialized,
    .enabled(if: ClickHouseBench.obstacle == nil, "\(ClickHouseBench.obstacle ?? "")"))
struct ClickHouseTests {
    @Test("'migrate' makes what is missing, mends settings, and says so before")
    func migrate() throws {
        let bench = try ClickHouseBench("wchmigrate")
        #expect(try bench.migrate(["--dry-run"]) == .pending)
        #expect(try bench.migrate() == .success)
        #expect(try bench.migrate(["--dry-run"]) == .success)
        let client = try ClickHouseClient(bench.clientSettings) { _ in }
        let server = try ClickHouseServer(bench.clientSettings, SinkCatalogue()) { _ in }
        #expect(try server.problem() == nil)
        try client.run("ALTER TABLE trades RESET SETTING fsync_after_insert")
        #expect(
            try server.problem()
                == "trades lacks the setting fsync_after_insert = 1: run 'store-writer migrate'")
        #expect(try bench.migrate(["--dry-run"]) == .pending)
        #expect(try bench.migrate() == .success)
        #expect(try server.problem() == nil)
        try client.run("ALTER TABLE quotes DROP COLUMN bid_price")
        #expect(throws: SettingsError.self) { try bench.migrate() }
        try client.run("DROP TABLE quotes")
        #expect(try server.problem()?.contains("there is no table quotes") == true)
    }

    @Test("faults of the settings are told together, and no password")
    func settings() {
        let problems = TestService.problems(
            Main.description,
            [
                "STORE_KIND": "clickhouse", "CLICKHOUSE_URL": "ftp://a",
                "CLICKHOUSE_DATABASE": "a-b",
                "WRITER_OVERFLOW": "drop", "WRITER_PURGE_AFTER": "standby",
                "CLICKHOUSE_PASSWORD": "s3cret", "WRITER_HOT_STATE": "false",
            ])
        #expect(problems.count == 4, "\(problems)")
        #expect(problems.allSatisfy { !$0.contains("s3cret") })
        #expect(
            TestService.problems(Main.description, ["CLICKHOUSE_URL": "ftp://a"]).isEmpty,
            "another kind is used")
    }

    @Test("a server that refuses says why in one line, without the password")
    func refusals() throws {
        let bench = try ClickHouseBench("wchrefuse")
        func fault(_ settings: ClickHouseClient.Settings, _ sql: String) -> StoreServerError? {
            do throws(StoreServerError) {
                try ClickHouseClient(settings) { _ in }.run(sql, isInDatabase: false)
                return nil
            } catch {
                return error
            }
        }
        var settings = bench.clientSettings
        #expect(fault(settings, "SELECT * FROM nowhere")?.fault == .schema)
        #expect(fault(settings, "SELECT * FROM nowhere")?.code == 60)
        #expect(fault(settings, "SELEC")?.fault == .schema)
        settings.password = "wrong"
        let refused = fault(settings, "SELECT 1")
        #expect(refused?.fault == .schema && refused?.code == 516)
        #expect(refused?.description.contains("wrong") == false)
        settings.url = "http://127.0.0.1:1"
        #expect(fault(settings, "SELECT 1")?.fault == .away)
    }

    @Test("a password that is refused is read again from its file, and no row is lost")
    func newPassword() throws {
        try ClickHouseBench("wchnewkey").storeWithNewPasswords("CLICKHOUSE_PASSWORD")
    }

    @Test("each tick is one row, whatever the server does, and with another writer")
    func exactOnce() throws {
        let bench = try ClickHouseBench("wchonce")
        var sources = try bench.sources()
        let first = try bench.begin(&sources)
        try bench.storeThroughFaults(&sources)
        // A hole on the tape is named once.
        for index in sources.indices { sources[index].skip = 5 }
        try bench.publish(&sources)
        #expect(
            try eventually(within: 60) {
                try bench.shown().allSatisfy { $0.hasSuffix(" 100 100 1 105") }
            }, "\(bench.seen)")
        #expect(try first.stop() == .success)
        let gaps = try bench.rows(
            """
            SELECT concat(toString(partition), ' ', toString(first_ordinal), ' ',
                toString(last_ordinal), ' ', reason) FROM ordinal_gaps ORDER BY partition
            """)
        #expect(gaps == [["0 76 80 hole"], ["1 76 80 hole"]])
        try bench.publish(&sources)
        let second = try bench.start()
        #expect(
            try eventually(within: 60) {
                try bench.shown().allSatisfy { $0.hasSuffix(" 125 125 1 130") }
            }, "\(bench.seen)")
        #expect(try second.stop() == .success)
        try bench.expectSeenFromOutside(rows: 250)
    }

    @Test("rows that a constraint refuses become dead letters, and all others are stored")
    func refusedRows() throws {
        let bench = try ClickHouseBench("wchletters")
        try bench.migrate()
        let client = try ClickHouseClient(bench.clientSettings) { _ in }
        try client.run(
            "ALTER TABLE trades ADD CONSTRAINT odd CHECK toString(price) != '0.000000003'")
        let letter = try bench.letterOfRefusedRows()
        #expect(letter.storeKind == "clickhouse" && letter.sink == "trades")
        #expect(letter.refusal.message.contains("odd"), "\(letter.refusal.message)")
    }

    @Test("where the record is lost, nothing is stored twice: a person is needed")
    func lostRecord() throws {
        let bench = try ClickHouseBench("wchlost")
        var sources = try bench.sources()
        let first = try bench.begin(&sources)
        #expect(try first.stop() == .success)
        let bucket = try bench.tape.client.jetStream.openOrMakeBucket(
            GroupRegistry.configuration(bench.tape.names))
        _ = try bucket.delete(
            IntentBucket.key(of: SinkPlace(input: .ticks, partition: Partition(0)), .store))
        try bench.publish(&sources)
        let second = try bench.start()
        #expect(
            eventually(within: 60) { second.service.log.text.contains("the record up to 0") },
            "\(second.service.log.text)")
        _ = try second.stop()
        #expect(try bench.shown().first == "0 25 25 1 25")
    }

    @Test("another database than that of the record is refused")
    func otherDatabase() throws {
        let bench = try ClickHouseBench("wchother")
        let client = try ClickHouseClient(bench.clientSettings) { _ in }
        try bench.refuseOtherDatabase {
            try client.run("DROP DATABASE \(ClickHouseBench.database) SYNC", isInDatabase: false)
        }
        #expect(try bench.shown().isEmpty)
    }

    @Test("the audit counts the rows, and finds one that is lost or there twice")
    func audit() throws {
        let bench = try ClickHouseBench("wchaudit")
        var sources = try bench.sources()
        let writer = try bench.begin(&sources)
        #expect(try writer.stop() == .success)
        let clean = try bench.audit()
        #expect(clean.code == .success, "\(clean.said)")
        let client = try ClickHouseClient(bench.clientSettings) { _ in }
        try client.run(
            "INSERT INTO trades SELECT * FROM trades WHERE ordinal = 2 AND partition = 0")
        try client.run(
            "ALTER TABLE trades DELETE WHERE ordinal = 3 AND partition = 1 "
                + "SETTINGS mutations_sync = 2")
        let found = try bench.audit()
        #expect(found.code == .failure)
        #expect(found.said.contains("ticks of partition 0: test has 26 rows of 25 ordinals"))
        #expect(found.said.contains("ticks of partition 1: test has 24 ordinals, written are 25"))
    }

    @Test("the view has the last version of a bar, and another one what was known at a time")
    func bars() throws {
        let bench = try ClickHouseBench("wchbars")
        try bench.migrate()
        var source = TestSource(bench.tape, Partition(0), source: .operator, kind: .bars)
        try source.define("S0", provider: "test", of: "test")
        try source.define(series: "1s")
        let writer = try bench.start()
        let known = try (1...3).map { version in
            for window in 0..<4 {
                // The last version of the last window has no vwap.
                var bar = Bar(
                    from: WriterBench.start + Int64(window) * 1_000_000_000,
                    close: Price(raw: Int64(version) * 1_000_000_000))
                if window < 3 || version < 3 { bar.vwap = Price(raw: 5) }
                source.append(bar)
            }
            try source.publish(watermark: Timestamp(nanoseconds: WriterBench.start))
            let wanted = "\(version * 4)"
            #expect(
                try eventually(within: 60) {
                    try bench.rows("SELECT toString(count()) FROM bar_versions") == [[wanted]]
                })
            return try bench.rows(
                "SELECT toString(toUnixTimestamp64Micro(max(assumeNotNull(taken_at)))) "
                    + "FROM bar_versions")[0][0]
        }
        #expect(try writer.stop() == .success)
        func closes(_ view: String) throws -> [[String]] {
            try bench.rows(
                "SELECT CAST(concat(toString(close), ' ', ifNull(toString(vwap), '-'), ' ', "
                    + "toString(revision)) AS String) FROM \(view) WHERE symbol = 'S0' ORDER BY ts")
        }
        #expect(
            try closes("bars") == [
                ["3 0.000000005 9"], ["3 0.000000005 10"], ["3 0.000000005 11"], ["3 - 12"],
            ])
        for (version, time) in known.enumerated() {
            let at = "bars_as_of(at = fromUnixTimestamp64Micro(\(time), 'UTC'))"
            #expect(
                try closes(at).map { $0[0].prefix(2) }
                    == Array(repeating: "\(version + 1) ", count: 4))
        }
    }
}
