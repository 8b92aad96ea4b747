import MarketModel
import PostgresClient
import Primitives
import ServiceRuntime
import ServiceTestSupport
import TapeCodec
import TapeProtocol
import TestSupport
import Testing

@testable import TapelineTool
@testable import TapelineToolTests

/// A store of which a group of tables waits apart, and loses what it was left. It gets a hole of
/// its own, which is filled with rows of that group alone.
@Suite("tapeline store fill: what a group of tables has lost") struct FillGroupTests {
    /// The usual store, and one whose table of trades is locked, so that it takes other rows alone.
    private struct Scene {
        var stores: FillTests.Scene
        private(set) var writer: RunningService
        private let locker: PostgresConnection

        /// Of both stores 1 to 50 are there. Then come 51 to 60, of which the group lacks its rows.
        init(_ name: String, letter: Bool = false) throws {
            stores = try FillTests.Scene("group_\(name)")
            try stores.publish(10)
            writer = try stores.startSecond()
            try stores.second.expectRows(0, "1-50")
            if letter {
                _ = try stores.second.query(
                    "ALTER TABLE gaps ADD CONSTRAINT no_poison CHECK (kind <> 'quote')")
            }
            locker = try stores.second.connectOwner()
            try locker.execute("BEGIN", timeout: .seconds(10))
            try locker.execute("LOCK TABLE trade_rows IN EXCLUSIVE MODE", timeout: .seconds(10))
            try publish(kind: letter ? .quote : .any)
            try publish()
            try second.expect("ticks 60", log: writer.reasons.description) { try groups }
        }

        var second: AcceptBench { stores.second }

        /// Publishes a packet of four trades and a record of a gap.
        mutating func publish(kind: DataKind = .any) throws {
            for offset in 0..<4 {
                let time = Timestamp(
                    nanoseconds: 1_700_000_000_000_000_000 + Int64(stores.source.nextOrdinal)
                        + Int64(offset))
                stores.source.append(
                    Trade(
                        header: TickHeader(symbol: 0, providerTime: time, receiveTime: time),
                        price: Price(raw: 1_000_000_000), size: Quantity(raw: 1)))
            }
            let time = Timestamp(nanoseconds: 1_700_000_000_000_000_000)
            stores.source.append { builder in
                builder.append(
                    GapRecord(
                        header: TickHeader(symbol: 0, providerTime: time, receiveTime: time),
                        from: time, to: time.advanced(byNanoseconds: 1_000), kind: kind,
                        reason: .disconnected, state: .abandoned)) == .appended
            }
            try stores.source.publish(watermark: .undefined)
        }

        /// The groups that wait apart, and how far the books are.
        var groups: String {
            get throws {
                try second.query(
                    """
                    SELECT concat_ws(' ', (SELECT string_agg(DISTINCT table_group, ',')
                        FROM apart_groups), (SELECT max(last_ordinal) FROM sink_source_ordinals))
                    """)
            }
        }

        /// The holes that the books name, in order.
        var holes: String {
            get throws {
                try second.query(
                    """
                    SELECT coalesce(string_agg(concat_ws(' ', source, first_ordinal || '-'
                        || last_ordinal, reason, table_group), ', ' ORDER BY source,
                        first_ordinal, table_group), '') FROM book_gaps
                    """)
            }
        }

        /// Stops the writer of the second store, which has read ahead.
        func stop() throws { #expect(try writer.stop() == .success) }

        mutating func restart() throws { writer = try stores.startSecond() }

        /// The tape is purged before the group has its rows, which the books name.
        mutating func loseToPurge() throws {
            try stop()
            try stores.purge()
            try restart()
            try unlock()
            try second.expect("60", log: writer.reasons.description) { try groups }
            #expect(try holes == "test 51-55 group_hole ticks")
        }

        func unlock() throws { try locker.execute("ROLLBACK", timeout: .seconds(10)) }

        /// Expects that both stores have the same rows, each once, and clean books.
        func end(_ location: SourceLocation = #_sourceLocation) throws {
            try stores.end(writer)
            let records = """
                SELECT string_agg(concat_ws(' ', source, ordinal, kind), ', '
                    ORDER BY source, ordinal) FROM gaps WHERE ordinal IS NOT NULL
                """
            #expect(
                try stores.first.query(records) == second.query(records), sourceLocation: location)
            #expect(
                try second.query("SELECT count(*) FROM sink_audit WHERE waiting <> 0") == "0",
                sourceLocation: location)
        }
    }

    @Test("rows that the tape was purged of before the group had them are named, and copied")
    func purged() throws {
        var scene = try Scene("purged")
        try scene.loseToPurge()
        let books = "SELECT skipped, missing, gaps, waiting, written FROM sink_audit"
        #expect(try scene.second.query(books) == "4|0|0|0|56")
        try scene.second.expectCleanAudit()
        let shown = try Said(["gaps"], scene.stores.environment)
        #expect(
            shown.output.contains("5 ordinals without rows in the tables of ticks (group_hole)"),
            "\(shown.output) \(shown.errors)")
        // Programs get the same rows.
        let rows = try Said(["gaps", "--json"], scene.stores.environment).output
            .split(separator: "\n").map { try JSONValue.parse(String($0)) }
        let lost = try #require(rows.first { $0["state"]?.string == "books" }, "\(rows)")
        #expect(lost["table_group"]?.string == "ticks" && lost["ordinals"]?.int == 5)
        let dry = try scene.stores.fill("--dry-run", "--json")
        #expect(try dry.code == .pending && dry.json()["missing"]?.int == 5)
        let said = try scene.stores.fill()
        #expect(said.code == .success, "\(said.output) \(said.errors)")
        #expect(said.output.contains("4 rows were copied from store; 0 ordinals stay missing"))
        #expect(try scene.holes.isEmpty)
        #expect(try scene.second.query(books) == "0|0|0|0|60")
        #expect(
            try scene.second.query(
                "SELECT skipped, filled, filled_skipped FROM sink_source_ordinals") == "4|4|4")
        #expect(try scene.stores.fill().code == .success)
        try scene.publish()
        try scene.second.expect("65") { try scene.groups }
        try scene.end()
    }

    @Test("the end of what a group was left is named, too, and a source that began since")
    func tails() throws {
        var scene = try Scene("tails")
        var late = try scene.stores.first.source(0, name: "late")
        try AcceptBench.publish(&late, packets: 2)
        let late10 =
            "SELECT last_ordinal FROM sink_source_ordinals WHERE source = 'late'"
        try scene.second.expect("10") { try scene.second.query(late10) }
        try scene.stop()
        try scene.stores.first.purgeAll()
        try AcceptBench.publish(&late, packets: 1)
        try scene.restart()
        try scene.unlock()
        try scene.second.expect("60", log: scene.writer.reasons.description) { try scene.groups }
        try scene.second.expect("15") { try scene.second.query(late10) }
        #expect(
            try scene.holes == "late 1-10 group_hole ticks, test 51-60 group_hole ticks")
        let said = try scene.stores.fill()
        #expect(said.code == .success, "\(said.output) \(said.errors)")
        #expect(said.output.contains("18 rows were copied"), "\(said.output)")
        try scene.end()
    }

    @Test("what a person gives up for a group is named, and copied")
    func givenUp() throws {
        var scene = try Scene("given")
        let said = try Said(
            ["position", "accept", "--partition", "0", "--apart", "--yes"],
            scene.second.environment.merging(["STORE_NAME": "store-b"]) { $1 })
        #expect(said.code == .success, "\(said.output) \(said.errors)")
        #expect(try scene.holes.hasPrefix("test 51-60 group_hole ticks"))
        try scene.unlock()
        try scene.publish()
        try scene.second.expect("65", log: scene.writer.reasons.description) { try scene.groups }
        let filled = try scene.stores.fill()
        #expect(filled.code == .success, "\(filled.output) \(filled.errors)")
        #expect(filled.output.contains("8 rows were copied"), "\(filled.output)")
        try scene.end()
    }

    @Test(
        "a dead letter of another group in the hole is one row, whatever is done first",
        arguments: [true, false])
    func letter(replaysFirst: Bool) throws {
        var scene = try Scene("letter_\(replaysFirst)", letter: true)
        try scene.stop()
        try scene.stores.purge()
        try scene.restart()
        try scene.unlock()
        try scene.second.expect("60", log: scene.writer.reasons.description) { try scene.groups }
        let states = """
            SELECT replay_state('store-b', 'ticks', 0, 'test', n, g)
            FROM (VALUES (51, 'ticks'), (55, 'ticks'), (55, 'rest'), (56, 'ticks')) v(n, g)
            """
        let (before, holes) = try (scene.second.query(states), scene.holes)
        #expect(before == "missing\nmissing\nsettled\nsettled", "\(holes)")
        _ = try scene.second.query("ALTER TABLE gaps DROP CONSTRAINT no_poison")
        let letters = DlqTools(
            environment: scene.second.environment.merging(["STORE_NAME": "store-b"]) { $1 })
        func replay(_ fate: String) throws {
            let said = try letters.dlq("replay", "--all", "--json")
            #expect(try said.json()[fate]?.int == 1, "\(said.output)")
        }
        if replaysFirst { try replay("stored") }
        let said = try scene.stores.fill()
        #expect(said.code == .success, "\(said.output) \(said.errors)")
        #expect(try scene.second.query(states) == "settled\nsettled\nsettled\nsettled")
        try replay(replaysFirst ? "present" : "stored")
        try scene.end()
    }

    @Test("versions of bars that the group of bars has lost are copied, each once")
    func bars() throws {
        var scene = try BustedRowsTests.Scene("fill_group")
        let second = try AcceptBench("fill_b_group_bars", beside: scene.bench)
        var writer = try second.startWriter(FillTests.Scene.own)
        func expectBars(_ bench: AcceptBench, _ wanted: String) throws {
            try bench.expect(wanted) {
                try bench.query(
                    """
                    SELECT string_agg(concat_ws(' ', trades, reason, replaced), ', ' ORDER BY ts)
                    FROM bars_short WHERE series = '1s'
                    """)
            }
        }
        for place in 0..<9 as Range<Int64> { scene.trade(place) }
        try scene.publish(reached: 60)
        try expectBars(second, "4 closed 0, 4 closed 0, 1 closed 0")
        let locker = try second.connectOwner()
        try locker.execute("BEGIN", timeout: .seconds(10))
        try locker.execute("LOCK TABLE bars_short IN EXCLUSIVE MODE", timeout: .seconds(10))
        scene.trade(3, .cancel)
        try scene.publish(reached: 61)
        scene.trade(300)
        scene.trade(5, .cancel)
        try scene.publish(reached: 200)
        scene.trade(2, .cancel)
        try scene.publish(reached: 201)
        try expectBars(scene.bench, "2 bust 2, 3 bust 1, 1 closed 0, 1 closed 0")
        let heads = """
            SELECT string_agg(last_ordinal::text, ' ' ORDER BY input, partition, source)
            FROM sink_source_ordinals
            """
        try second.expect(try scene.bench.query(heads)) { try second.query(heads) }
        let groups = """
            SELECT coalesce(string_agg(DISTINCT table_group, ','), '') FROM apart_groups
            """
        #expect(try second.query(groups) == "bars")
        try writer.stop()
        let names = scene.bench.tape.names
        let partition = names.partition(of: try #require(Symbol("AAPL")))
        try FillTests.purge(scene.bench, names.barStream, names.bars(partition))
        writer = try second.startWriter(FillTests.Scene.own)
        try locker.execute("ROLLBACK", timeout: .seconds(10))
        try second.expect("", log: "\(writer.reasons)") { try second.query(groups) }
        #expect(
            try second.query("SELECT DISTINCT reason, table_group FROM book_gaps")
                == "group_hole|bars")
        let said = try Said(
            ["store", "fill", "store-b", "--from", "store"],
            FillTests.environment(scene.bench, second))
        #expect(said.code == .success, "\(said.output) \(said.errors)")
        try expectBars(second, "2 bust 2, 3 bust 1, 1 closed 0, 1 closed 0")
        #expect(try writer.stop() == .success)
        #expect(try scene.writer.stop() == .success)
        scene.worker.stop()
        try FillTests.expectEqual(scene.bench, second)
    }

    @Test("a table of gaps that cannot be changed is said in one line")
    func gapsRefuse() throws {
        var stores = try FillTests.Scene("group_refuse")
        let writer = try stores.makeHole()
        for (each, wanted) in [
            ("STATEMENT", "store-b cannot be filled while its table gaps"),
            ("ROW", "store-b takes no copies of ordinals 51 to 95"),
        ] {
            _ = try stores.second.query(
                """
                CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                    RAISE EXCEPTION 'not now' USING ERRCODE = '42501'; END $$;
                CREATE TRIGGER blocked BEFORE INSERT OR UPDATE OR DELETE ON gaps
                    FOR EACH \(each) EXECUTE FUNCTION refuse()
                """)
            let refused = complaint { try stores.fill() }
            #expect(refused.contains(wanted), "\(refused)")
            #expect(refused.contains("not now") && !refused.contains("\n"), "\(refused)")
            _ = try stores.second.query("DROP TRIGGER blocked ON gaps")
        }
        #expect(try stores.fill().code == .success)
        try stores.end(writer)
    }

    @Test("while the group waits apart, its hole and one that it has not read are not copied")
    func waiting() throws {
        var scene = try Scene("waiting")
        try scene.stop()
        for _ in 0..<2 { try scene.publish() }
        try scene.stores.first.expectRows(0, "1-54 56-59 61-64 66-69")
        try scene.stores.purge()
        try scene.restart()
        try scene.second.expect("ticks 70", log: "\(scene.writer.reasons)") { try scene.groups }
        #expect(try scene.holes == "test 61-65 hole")
        _ = try scene.second.query(
            """
            UPDATE apart_groups SET gaps = '[{"source": "test", "first_ordinal": 51,
                "last_ordinal": 52, "reason": "group_hole", "detail": "ticks"}]'
            """)
        #expect(try scene.holes == "test 51-52 group_hole ticks, test 61-65 hole")
        let said = try scene.stores.fill()
        #expect(said.code == .incomplete, "\(said.output) \(said.errors)")
        #expect(said.output.contains("7 of these ordinals are filled later"), "\(said.output)")
        let locker = try scene.second.connectOwner()
        let early = #expect(throws: PostgresError.self) {
            try locker.execute(
                """
                SELECT fill_ordinals('store-b', 'ticks', 0, 'test', 61, 65, 0,
                    '[{"first_ordinal": 61, "last_ordinal": 65}]', '[]', '[]')
                """, timeout: .seconds(10))
        }
        #expect(early?.sqlState == SQLState(rawValue: "TL030"))
        // What counts is whether the table takes rows now, not for which one the group was left.
        _ = try scene.second.query("UPDATE apart_groups SET gaps = '[]', table_name = 'gaps'")
        #expect(try scene.stores.fill().code == .incomplete)
        _ = try scene.second.query("UPDATE apart_groups SET table_name = 'trades'")
        try locker.execute("BEGIN", timeout: .seconds(10))
        try locker.execute("LOCK TABLE gaps IN EXCLUSIVE MODE", timeout: .seconds(10))
        let refused = complaint { try scene.stores.fill() }
        #expect(refused.contains("its table gaps"), "\(refused)")
        try locker.execute("ROLLBACK", timeout: .seconds(10))
        try scene.unlock()
        try scene.second.expect("70", log: scene.writer.reasons.description) { try scene.groups }
        #expect(try scene.holes == "test 51-60 group_hole ticks, test 61-65 hole")
        let filled = try scene.stores.fill()
        #expect(filled.code == .success, "\(filled.output) \(filled.errors)")
        #expect(filled.output.contains("13 rows were copied"), "\(filled.output)")
        try scene.end()
    }

    @Test("what cannot be filled because a group goes apart meanwhile is filled later")
    func apartMeanwhile() throws {
        var scene = try Scene("meanwhile")
        try scene.loseToPurge()
        try scene.stop()
        let command = try StoreCommand.parse(["fill", "store-b", "--from", "store"])
        let said = try Said { [scene] terminal in
            let tool = Tool(
                terminal: terminal, environment: scene.stores.environment,
                shutdown: ShutdownSignal())
            return try command.run(tool, steps: FillSteps(pass: 20, step: 2)) {
                do {
                    _ = try scene.second.query(
                        """
                        INSERT INTO apart_groups (sink, input, partition, owner_epoch, sequence,
                            table_group, table_name, reason, since_ns)
                        SELECT sink, input, partition, owner_epoch, sequence, 'rest', 'events',
                            'no', 5 FROM sink_positions
                        """)
                } catch {
                    Issue.record("\(error)")
                }
            }
        }
        #expect(said.code == .incomplete, "\(said.output) \(said.errors)")
        #expect(said.output.contains("3 of these ordinals are filled later"), "\(said.output)")
        #expect(try scene.holes == "test 53-55 group_hole ticks")
        _ = try scene.second.query("DELETE FROM apart_groups")
        #expect(try scene.stores.fill().code == .success)
        try scene.restart()
        try scene.end()
    }
}

extension AcceptBench {
    /// Returns a session of the owner of the tables.
    fileprivate func connectOwner() throws -> PostgresConnection {
        var owner = PostgresConfiguration(
            host: "127.0.0.1", port: postgres.port, database: database,
            user: PostgresServer.user, password: PostgresServer.password)
        owner.sslMode = .disable
        owner.idleInTransactionTimeout = .seconds(600)
        let session = try PostgresConnection(owner, timeout: .seconds(60))
        try session.execute("SET search_path TO md", timeout: .seconds(10))
        return session
    }

    /// Lets the tape forget all packets of ticks of partition 0.
    fileprivate func purgeAll() throws {
        let names = tape.names
        try api(
            "STREAM.PURGE.\(names.tickStream(0))",
            "{\"filter\": \"\(names.ticks(Partition(0)))\"}")
    }
}
