import Membership
import PostgresClient
import Primitives
import ServiceRuntime
import ServiceTestSupport
import StoreSinks
import TestSupport
import Testing

@testable import StoreWriter

@Suite("The writer's upkeep of the database")
struct MaintenanceTests {
    // MARK: settings

    @Test("how long is kept, by table")
    func plan() throws {
        let settings = PostgresSettings(
            try TestService.configuration(
                Main.description, ["WRITER_RETENTION": "trades=30d, bars=3650d,quotes=1d"]))
        #expect(
            settings.retention.rules.map { "\($0.table) \($0.days)" } == [
                "bar_versions 3650", "bars_long 3650", "bars_short 3650", "quotes 1", "trades 30",
            ])
        let none = PostgresSettings(try TestService.configuration(Main.description, [:]))
        #expect(none.retention.rules.isEmpty)
    }

    @Test("all problems of the list are told at once")
    func problems() {
        let found = TestService.problems(
            Main.description,
            ["WRITER_RETENTION": "trade=30d,quotes=12h,bars,trades=0d,depth=3d,depth=4d,news=-1d"])
        #expect(found.count == 1)
        for part in [
            "WRITER_RETENTION: ", "\"trade\" is none of the tables", "(bar_versions, bars_long,",
            "\"quotes=12h\" does not keep 1d to 36500d", "\"bars\" is not of the form table=30d",
            "\"trades=0d\" does", "depth is named twice", "\"news=-1d\" does",
        ] {
            #expect(found.first?.contains(part) == true, "\(part): \(found)")
        }
    }

    @Test(
        "compression keeps away from what may still change",
        arguments: [("1d", false), ("47h", false), ("1s", false), ("0s", true), ("2d", true)])
    func compression(value: String, isRight: Bool) {
        let found = TestService.problems(Main.description, ["WRITER_COMPRESS_AFTER": value])
        #expect(found.isEmpty == isRight, "\(found)")
        if !isRight { #expect(found.first?.contains("at least 2d") == true) }
    }

    @Test("the tables of the setting are those of the schema")
    func tables() throws {
        let database = try TestDatabase.migrated("keeping_tables", mode: .plain)
        let cut = try database.psql("SELECT known_as(table_name) FROM time_tables() ORDER BY 1")
            .split(separator: "\n").map(String.init)
        #expect(Set(cut).isSubset(of: RetentionPlan.tables), "\(cut)")
        #expect(RetentionPlan.tables == RetentionPlan.tables.sorted())
    }

    // MARK: durability

    private func profile(
        fsync: String = "on", pages: String = "on", commit: String = "on", standby: Bool = false
    ) -> DatabaseProfile {
        DatabaseProfile(
            mode: "plain", serverVersion: "17.1", timescaleVersion: nil, license: nil,
            isStandby: standby, fsync: fsync, fullPageWrites: pages, synchronousCommit: commit)
    }

    @Test("which promises do not hold, and what to set")
    func broken() {
        #expect(profile().isDurable)
        for commit in ["local", "remote_write", "remote_apply"] {
            #expect(profile(commit: commit).isDurable)
        }
        #expect(profile(fsync: "off").broken.first?.contains("set fsync = on") == true)
        #expect(profile(pages: "off").broken.first?.contains("full_page_writes = on") == true)
        #expect(profile(commit: "off").broken.first?.contains("ALTER ROLE") == true)
        #expect(profile(standby: true).broken.first?.contains("POSTGRES_HOST") == true)
        #expect(profile(fsync: "off", pages: "off", commit: "off", standby: true).broken.count == 4)
    }

    /// Returns the section of `/status` as it is written.
    private func status(_ report: DatabaseReport) throws -> JSONValue {
        var json = JSONWriter(capacity: 256)
        json.object { report.write(into: &$0) }
        return try JSONValue.parse(json.text)
    }

    @Test("a problem stands until a check has ended")
    func problemStands() throws {
        let report = DatabaseReport(retention: RetentionPlan.parse([]).plan)
        report.checked(problem: "the days of trades are locked")
        _ = report.found(profile())
        #expect(try status(report)["problem"]?.string == "the days of trades are locked")
        report.checked(problem: nil)
        #expect(try status(report)["problem"]?.string == nil)
    }

    /// The maintenance alone, as the writer starts it.
    private struct Upkeep {
        let service: RunningService
        let report: DatabaseReport

        init(
            _ bench: WriterBench, _ changes: [String: String] = [:],
            dropRetryFirst: Duration = Maintenance.dropRetryFirst
        ) throws {
            let service = try TestService(
                Main.description, bench.environment().merging(changes) { $1 })
            let settings = PostgresSettings(service.context.configuration)
            let report = DatabaseReport(retention: settings.retention)
            self.report = report
            let fence = ServerFence(
                try bench.tape.connect(service), of: .store, service.context.telemetry)
            self.service = try service.start { context in
                Maintenance(
                    settings, fence, context: context, report: report,
                    pace: Maintenance.Pace(check: .milliseconds(20), dropRetryFirst: dropRetryFirst)
                ).run()
                return .success
            }
        }

        func metric(_ name: String) -> Double? { service.service.metric(name) }
    }

    @Test("a database that may lose what it acknowledged is told, until it no longer may")
    func durability() throws {
        let server = try PostgresServer(settings: ["fsync=on"])
        let bench = try WriterBench("writer_durable", server: server)
        let upkeep = try Upkeep(bench, ["WRITER_BACKUPS": "noted"])
        expectSoon(upkeep.metric("mds_store_durable"), 1, "\(upkeep.service.log.text)")
        #expect(upkeep.metric("mds_store_durability_promised") == 1)
        #expect(upkeep.metric("mds_store_backups_expected{by=\"noted\"}") == 1)
        let role = "ALTER ROLE \(bench.database.writer) SET synchronous_commit"
        try bench.database.psql("\(role) = off")
        #expect(eventually { upkeep.metric("mds_store_durable") == 0 })
        let profile = try #require(try status(upkeep.report)["profile"])
        #expect(profile["mode"]?.string == "plain")
        #expect(profile["server_version"]?.string?.hasPrefix("17.") == true)
        #expect(profile["durable"]?.bool == false)
        #expect(profile["durability"]?["synchronous_commit"]?.string == "off")
        #expect(
            profile["problems"]?.array?.first?.string?.contains("synchronous_commit is off") == true
        )
        try bench.database.psql("\(role) = on")
        #expect(eventually { upkeep.metric("mds_store_durable") == 1 })
        #expect(try upkeep.service.stop() == .success)
        let log = upkeep.service.log.text
        #expect(log.split(separator: "\n").count { $0.contains("writer.durability.changed") } == 2)
    }

    // MARK: maintenance

    @Test(
        "coming days are made and old ones dropped, by one of all writers",
        arguments: DatabaseMode.here)
    func keeps(mode: DatabaseMode) throws {
        let database = try TestDatabase("writer_keeps", schema: "wkeeps", mode: mode)
        let bench = try WriterBench(
            try TestTape(NatsServer.shared(), namespace: "wkeeps\(mode)"), database,
            retention: ["trades": 30, "quotes": 2])
        for (days, ordinal) in [(40, 1), (35, 11), (1, 21)] {
            let start = "date_trunc('day', now(), 'UTC') - interval '\(days) days'"
            try database.psql("SELECT make_time_partition('trades', \(start))")
            try database.insertTrades(4, from: "(\(start))", ordinal: ordinal)
        }
        if mode.isPlain {
            let tomorrow = try database.psql(
                """
                SELECT name FROM time_partitions('trades')
                WHERE from_ts = date_trunc('day', now(), 'UTC') + interval '24 hours'
                """)
            try database.psql("DROP TABLE \(tomorrow)")
        }
        let settings = [
            "WRITER_RETENTION": "trades=30d,quotes=2d", "MDS_NAMESPACE": "wkeeps",
            "WRITER_DATABASE_BYTES": "1GiB",
        ]
        let first = try Upkeep(bench, settings)
        let second = try Upkeep(bench, settings)
        try database.expectSoon("SELECT count(*) FROM trades", "4", "\(first.service.log.text)")
        for upkeep in [first, second] {
            #expect(
                try eventually { try status(upkeep.report)["kept_at"]?.string != nil },
                "\(upkeep.service.log.text)")
            try expectSizes(upkeep, database)
            #expect(try upkeep.service.stop() == .success)
        }
        func sum(_ name: String) -> Double {
            [first, second].reduce(0) { $0 + ($1.metric(name) ?? 0) }
        }
        #expect(sum("mds_store_dropped_rows_total{table=\"trades\"}") == 8)
        // Empty days are dropped as well.
        #expect(sum("mds_store_dropped_days_total{table=\"trades\"}") >= 2)
        #expect(sum("mds_store_partitions_made_total") == (mode.isPlain ? 1 : 0))
        try database.expect("SELECT sum(rows) FROM retired_rows", "8")
    }

    @Test("the age of the last backup is shown once one is noted, and never goes back")
    func backups() throws {
        let bench = try WriterBench("writer_backups")
        let name = #"mds_backup_last_success_timestamp_seconds{kind="base"}"#
        let upkeep = try Upkeep(bench)
        #expect(eventually { upkeep.metric("mds_store_durable") != nil })
        #expect(upkeep.metric(name) == nil)
        func note(_ arguments: String) throws {
            try bench.database.psql("SELECT note_backup('base', \(arguments))")
        }
        try note("to_timestamp(1000), 5, 'somewhere'")
        #expect(eventually { upkeep.metric(name) == 1_000 }, "\(upkeep.service.log.text)")
        try note("to_timestamp(900)")
        try note("to_timestamp(1100)")
        #expect(eventually { upkeep.metric(name) == 1_100 })
        // A clock that is ahead would hide for years that later backups fail.
        try note("to_timestamp(32503680000)")
        #expect(eventually { (upkeep.metric(name) ?? 0) > 1_100 })
        #expect((upkeep.metric(name) ?? 0) < 32_503_680_000)
        try bench.database.expect("SELECT count(*) FROM backups WHERE finished_at <= now()", "1")
        #expect(try upkeep.service.stop() == .success)
    }

    /// The days of a table count, as partitions or as chunks.
    private func expectSizes(_ upkeep: Upkeep, _ database: TestDatabase) throws {
        let alone = try Double(database.psql("SELECT pg_total_relation_size('trade_rows')")) ?? 0
        func bytes(_ table: String) -> Double {
            upkeep.metric("mds_store_bytes{table=\"\(table)\"}") ?? 0
        }
        #expect(eventually { bytes("other") > 0 }, "\(upkeep.service.log.text)")
        #expect(bytes("trades") > alone && bytes("bars_short") >= 0)
        #expect(upkeep.metric("mds_store_capacity_bytes") == 1_073_741_824)
        let told = try status(upkeep.report)["bytes"]
        #expect(told?["trades"]?.double == bytes("trades"))
        #expect(told?["other"]?.double == bytes("other"))
    }

    /// Returns a database in which trades of 40 to 38 days ago are too old, and a session that
    /// reads the table.
    private func read(_ name: String) throws -> (bench: WriterBench, reader: PostgresConnection) {
        let bench = try WriterBench(
            try TestTape(NatsServer.shared(), namespace: name),
            try TestDatabase("writer_\(name)", schema: name, mode: .plain),
            retention: ["trades": 30])
        for days in 38...40 {
            let start = "date_trunc('day', now(), 'UTC') - interval '\(days) days'"
            try bench.database.psql("SELECT make_time_partition('trades', \(start))")
            try bench.database.insertTrades(4, from: "(\(start))", ordinal: days * 10)
        }
        let reader = try bench.database.connectWriter()
        try reader.script(
            "SET idle_in_transaction_session_timeout = 0; BEGIN; SELECT count(*) FROM trades")
        return (bench, reader)
    }

    private static let oldScans = """
        SELECT sum(seq_scan) FROM pg_stat_user_tables
        WHERE relname LIKE 'trades_p%'
            AND relname < 'trades_p' || to_char(now() - interval '30 days', 'YYYYMMDD')
            AND relname <> 'trades_p19700101'
        """

    @Test("a table that is being read is not counted, and tried again in minutes, not in seconds")
    func readForLong() throws {
        let (bench, reader) = try read("wread")
        defer { reader.close() }
        let upkeep = try Upkeep(bench, ["WRITER_RETENTION": "trades=30d"])
        let failures = "mds_store_maintenance_failures_total"
        #expect(eventually { upkeep.metric(failures) == 1 }, "\(upkeep.service.log.text)")
        let scans = try bench.database.psql(Self.oldScans)
        // At least two further checks of the database.
        let role = "ALTER ROLE \(bench.database.writer) SET synchronous_commit"
        for (value, word) in [("off", "synchronous_commit"), ("on", "fsync")] {
            try bench.database.psql("\(role) = \(value)")
            #expect(
                try eventually {
                    let profile = try status(upkeep.report)["profile"]
                    let problems = profile?["problems"]?.array?.compactMap(\.string) ?? []
                    return problems.contains { $0.hasPrefix("synchronous_commit") }
                        == (word == "synchronous_commit")
                })
        }
        #expect(upkeep.metric(failures) == 1)
        #expect(try status(upkeep.report)["problem"]?.string?.contains("55P03") == true)
        #expect(try upkeep.service.stop() == .success)
        try bench.database.expect(Self.oldScans, scans)
        try bench.database.expect("SELECT count(*) FROM trades", "12")
    }

    @Test("when the reader has gone the days go, and the problem with them")
    func readNoMore() throws {
        let (bench, reader) = try read("wread2")
        let upkeep = try Upkeep(
            bench, ["WRITER_RETENTION": "trades=30d"], dropRetryFirst: .milliseconds(20))
        #expect(eventually { (upkeep.metric("mds_store_maintenance_failures_total") ?? 0) > 1 })
        reader.close()
        try bench.database.expectSoon(
            "SELECT count(*) FROM trades", "0", "\(upkeep.service.log.text)")
        #expect(try eventually { try status(upkeep.report)["problem"] == .null })
        #expect(try upkeep.service.stop() == .success)
        try bench.database.expect("SELECT sum(rows) FROM retired_rows", "12")
    }

    @Test("what fails is told and tried again, and the writing goes on")
    func undisturbed() throws {
        let bench = try WriterBench("writer_undisturbed")
        try bench.database.psql(
            """
            ALTER FUNCTION store_mode() RENAME TO elsewhere;
            SELECT make_time_partition('trades', now() - interval '40 days')
            """)
        var source = try bench.source(0)
        let running = try bench.start(["WRITER_RETENTION": "trades=30d"])
        WriterBench.fill(&source, ticks: 40)
        try source.publish(watermark: .undefined)
        #expect(bench.isComplete([40]), "\(bench.shown)")
        #expect(eventually { running.isReady })
        #expect(
            eventually {
                (running.service.metric("mds_store_maintenance_failures_total") ?? 0) > 0
            })
        try bench.database.psql("ALTER FUNCTION elsewhere() RENAME TO store_mode")
        #expect(eventually { running.service.metric("mds_store_durable") == 0 })
        #expect(try running.stop() == .success)
    }

    @Test("the audits hold after days were dropped", arguments: DatabaseMode.usual)
    func audited(mode: DatabaseMode) throws {
        let bench = try WriterBench(
            try TestTape(NatsServer.shared(), namespace: "wret\(mode)"),
            try TestDatabase("writer_retired", schema: "wret\(mode)", mode: mode),
            retention: ["trades": 30, "quotes": 30])
        var source = try bench.source(0)
        for _ in 0..<10 {
            WriterBench.fill(&source, ticks: 20)
            try source.publish(watermark: .undefined)
        }
        let running = try bench.start()
        #expect(bench.isComplete([200]), "\(bench.shown)")
        #expect(try running.stop() == .success)
        try Audit.expectAll(in: bench.database)
        let writer = try bench.database.connectWriter()
        for table in ["trades", "quotes"] {
            try writer.execute("SELECT apply_retention($1, '30 days')", [.text(table)])
        }
        try bench.database.expect("SELECT count(*) FROM trades", "0")
        try bench.database.expect("SELECT sum(rows) FROM retired_rows", "200")
        try Audit.expectAll(in: bench.database)
        #expect(try bench.missing() == "0")
        // A row that disappeared without retention is still noticed.
        try bench.database.psql(
            "UPDATE retired_rows SET rows = rows - 1 WHERE table_name = 'trades'")
        #expect(try Audit.lines(of: bench.database).contains { $0.contains("|f|") })
    }
}
