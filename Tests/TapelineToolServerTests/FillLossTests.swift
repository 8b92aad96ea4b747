import MarketModel
import Primitives
import ServiceRuntime
import ServiceTestSupport
import TapeProtocol
import TestSupport
import Testing

@testable import TapelineTool
@testable import TapelineToolTests

/// What is not copied stays a named gap, and is copied later, once it can be.
@Suite("tapeline store fill: what stays missing is named") struct FillLossTests {
    /// Of how many rows it is known when the tape took them.
    private let known = """
        SELECT count(*), count(k.taken_at) FROM trade_rows r LEFT JOIN LATERAL
            taken_at('ticks', r.partition::integer, r.source, r.ordinal) k ON true
        """

    @Test("dead letters of the other store stay a gap, and come when they are replayed there")
    func letters() throws {
        var scene = try FillTests.Scene("letters")
        let (first, second) = (scene.first, scene.second)
        _ = try first.query("ALTER TABLE trade_rows ADD CONSTRAINT no_poison CHECK (price < 600)")
        try scene.publish(10)
        let before = try scene.startSecond()
        try second.expectRows(0, "1-50")
        try before.stop()
        try AcceptBench.publish(&scene.source, packets: 4)
        try AcceptBench.publish(&scene.source, packets: 1, life: 700)
        try AcceptBench.publish(&scene.source, packets: 4)
        try first.expectRows(0, "1-70 76-95")
        try scene.purge()
        try AcceptBench.publish(&scene.source, packets: 1)
        let after = try scene.startSecond()
        try second.expectRows(0, "1-50 91-100")
        for _ in 0..<2 {
            let said = try scene.fill()
            #expect(said.code == .incomplete, "\(said.output) \(said.errors)")
            #expect(said.output.contains("5 ordinals stay missing"), "\(said.output)")
            #expect(try second.rows(0) == "1-70 76-100")
            #expect(try second.gaps == "test/0 71-75 hole")
            #expect(try second.query(known) == "95|95", "a repeated run forgets no time")
            try second.expectCleanAudit()
        }
        // A letter of its own of such an ordinal would be stored beside the copy.
        let states =
            """
            SELECT replay_state('store-b', 'ticks', 0, 'test', n, 'ticks')
            FROM (VALUES (60), (73)) v(n)
            """
        #expect(try second.query(states) == "settled\nmissing")
        _ = try first.query("ALTER TABLE trade_rows DROP CONSTRAINT no_poison")
        let replayed = try DlqTools(environment: first.environment).dlq("replay", "--all", "--json")
        #expect(try replayed.json()["stored"]?.int == 5, "\(replayed.output)")
        let said = try scene.fill()
        #expect(said.code == .success, "\(said.output) \(said.errors)")
        #expect(try second.rows(0) == "1-100")
        #expect(try second.query(known) == "100|100")
        try scene.end(after)
    }

    @Test("the books believe no ordinals that are not missing, and no counts that do not add up")
    func wrongCounts() throws {
        var scene = try FillTests.Scene("counts")
        let after = try scene.makeHole()
        func refusal(_ ordinals: String, _ filled: Int, _ named: String) -> String {
            do {
                _ = try scene.second.query(
                    """
                    SELECT fill_ordinals('store-b', 'ticks', 0, 'test', \(ordinals), \(filled),
                        '\(named)', '[]', '[]')
                    """)
                return ""
            } catch {
                return "\(error)"
            }
        }
        let twice = """
            [{"first_ordinal": 51, "last_ordinal": 52}, {"first_ordinal": 52, "last_ordinal": 53}]
            """
        let outside = "[{\"first_ordinal\": 94, \"last_ordinal\": 97}]"
        #expect(refusal("51, 95", 41, twice).contains("stay missing"))
        #expect(refusal("51, 95", 41, outside).contains("stay missing"))
        #expect(refusal("51, 95", 44, "[]").contains("stay missing"))
        #expect(refusal("50, 95", 46, "[]").contains("are no gap"))
        #expect(try scene.second.gaps == "test/0 51-95 hole")
        #expect(try scene.fill().code == .success)
        try scene.end(after)
    }

    @Test("rows of a time that retention has dropped here do not come back")
    func retiredHere() throws {
        var scene = try FillTests.Scene("retired")
        let after = try scene.makeHole()
        _ = try scene.second.query(
            """
            INSERT INTO retired_rows (table_name, input, source, partition, rows, last_ordinal,
                until)
            VALUES ('trades', 'ticks', 'other', 0, 0, 0, '2023-11-15Z')
            """)
        let said = try scene.fill()
        #expect(said.code == .incomplete, "\(said.output) \(said.errors)")
        #expect(try scene.second.rows(0) == "1-50 96-105")
        #expect(try scene.second.gaps == "test/0 51-95 hole")
        _ = try scene.second.query("DELETE FROM retired_rows")
        #expect(try scene.fill().code == .success)
        try scene.end(after)
    }

    @Test("rows that the other store has lost, or retention has dropped there, stay a gap")
    func lostThere() throws {
        var scene = try FillTests.Scene("lost")
        let after = try scene.makeHole()
        _ = try scene.first.query("DELETE FROM trade_rows WHERE ordinal BETWEEN 60 AND 64")
        let refused = complaint { try scene.fill() }
        #expect(refused.contains("are not what its books say"), "\(refused)")
        #expect(try scene.second.gaps == "test/0 51-95 hole")
        _ = try scene.first.query(
            """
            INSERT INTO retired_rows (table_name, input, source, partition, rows, last_ordinal,
                until)
            VALUES ('trades', 'ticks', 'test', 0, 5, 64, '2000-01-01Z')
            """)
        let said = try scene.fill()
        #expect(said.code == .incomplete, "\(said.output) \(said.errors)")
        #expect(try scene.second.rows(0) == "1-59 65-105")
        #expect(try scene.second.gaps == "test/0 60-64 hole")
        #expect(try scene.second.query(known) == "100|100")
        for writer in [after, scene.writer] { #expect(try writer.stop() == .success) }
        try scene.second.expectCleanAudit()
    }

    @Test("of a source that began while the store was away, the beginning is a named hole")
    func newSource() throws {
        var scene = try FillTests.Scene("source")
        try scene.publish(10)
        let before = try scene.startSecond()
        try scene.second.expectRows(0, "1-50")
        try before.stop()
        try scene.publish(2)
        var late = try scene.first.source(0, name: "late")
        try AcceptBench.publish(&late, packets: 10)
        try scene.first.expect("50") {
            try scene.first.query("SELECT count(*) FROM trades WHERE source = 'late'")
        }
        try scene.purge()
        try AcceptBench.publish(&scene.source, packets: 1)
        let after = try scene.startSecond()
        let gaps = """
            SELECT string_agg(format('%s %s-%s', source, first_ordinal, last_ordinal), ', '
                ORDER BY source) FROM gaps
            """
        try scene.second.expect("late 1-45, test 51-60", log: "\(after.reasons)") {
            try scene.second.query(gaps)
        }
        #expect(
            try scene.second.query("SELECT first_ordinal FROM sink_audit WHERE source = 'late'")
                == "1")
        let said = try scene.fill()
        #expect(said.code == .success, "\(said.output) \(said.errors)")
        try scene.end(after)
    }

    @Test("a version of a bar is not copied where the one that stands is not there any more")
    func standingGone() throws {
        var scene = try BustedRowsTests.Scene("fill_gone")
        let second = try AcceptBench("fill_b_gone", beside: scene.bench)
        try FillTests.beginBars(&scene, second)
        scene.trade(3, .cancel)
        try scene.publish(reached: 61)
        try scene.bench.expect("3 bust 1, 4 closed 0, 1 closed 0") {
            try FillTests.bars(scene.bench)
        }
        scene.trade(2, .cancel)
        try scene.publish(reached: 62)
        try scene.bench.expect("2 bust 2, 4 closed 0, 1 closed 0") {
            try FillTests.bars(scene.bench)
        }
        scene.trade(300)
        try scene.publish(reached: 200)
        try scene.bench.expect("2 bust 2, 4 closed 0, 1 closed 0, 1 closed 0") {
            try FillTests.bars(scene.bench)
        }
        let names = scene.bench.tape.names
        let partition = names.partition(of: try #require(Symbol("AAPL")))
        try FillTests.purge(scene.bench, names.barStream, names.bars(partition))
        let writer = try FillTests.goOn(scene, second)
        _ = try scene.bench.query(
            """
            DELETE FROM bars_short WHERE series = '1s' AND reason = 'bust';
            INSERT INTO retired_rows (table_name, input, source, partition, rows, replaced,
                last_ordinal, until)
            VALUES ('bars_short', 'bars', 'operator', \(partition.number), 1, 2, 0, '2000-01-01Z')
            """)
        let said = try Said(
            ["store", "fill", "store-b", "--from", "store"],
            FillTests.environment(scene.bench, second))
        #expect(said.code == .incomplete, "\(said.output) \(said.errors)")
        #expect(try FillTests.bars(second) == "4 closed 0, 4 closed 0, 1 closed 0, 1 closed 0")
        #expect(try writer.stop() == .success)
        #expect(try scene.writer.stop() == .success)
        scene.worker.stop()
        try second.expectCleanAudit()
    }
}
