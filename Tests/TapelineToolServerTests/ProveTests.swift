import MarketModel
import Primitives
import ServiceRuntime
import ServiceTestSupport
import TapeProtocol
import TestSupport
import Testing

@testable import TapelineTool
@testable import TapelineToolTests

/// A system with correct bars, and each way in which they can be wrong, on real servers.
@Suite("tapeline prove", .serialized) struct ProveTests {
    @Test("a clean system proves from both sides; what is changed, removed or added is found")
    func changes() throws {
        let scene = try ProveBench("changes")
        let all = Int64(scene.barCount)
        try expect(scene.prove(), .success, equal: all)
        try expect(scene.prove("AAPL", "--series", "1m"), .success, equal: 2)

        let place = "symbol = 'AAPL' AND series = '1s' AND ts = '2023-11-14 22:13:50Z'"
        _ = try scene.bench.query("UPDATE bars_short SET high = high + 0.000000001 WHERE \(place)")
        let changed = try scene.prove()
        expect(changed, .failure, equal: all - 1, differing: 1)
        let field = changed.json["tape"]?["bars"]?.array?.first?["fields"]?.array?.first
        #expect(field?["name"]?.string == "high")
        _ = try scene.bench.query("UPDATE bars_short SET high = high - 0.000000001 WHERE \(place)")
        try expect(scene.prove(), .success, equal: all)

        _ = try scene.bench.query(
            """
            CREATE TABLE kept AS SELECT * FROM bars_short WHERE \(place);
            DELETE FROM bars_short WHERE \(place)
            """)
        try expect(scene.prove(), .failure, equal: all - 1, missing: 1)
        // Five seconds after its end it may still be on its way to the table.
        try expect(scene.prove([], asked: 36), .success, equal: all - 1)
        _ = try scene.bench.query("INSERT INTO bars_short SELECT * FROM kept")

        _ = try scene.bench.query(
            """
            UPDATE kept SET ts = ts + interval '4 minutes',
                open_time_ns = open_time_ns + 240000000000,
                close_time_ns = close_time_ns + 240000000000;
            INSERT INTO bars_short SELECT * FROM kept
            """)
        try expect(scene.prove(), .failure, equal: all, extra: 1)
    }

    @Test("a trade that is gone from its table is found there, and the tape still proves")
    func trade() throws {
        let scene = try ProveBench("trade")
        _ = try scene.bench.query(
            "DELETE FROM trades WHERE symbol = 'AAPL' AND ordinal = 130")
        let found = try scene.prove()
        #expect(found.code == .failure)
        #expect(found.count("tables", "differing") == 2)
        #expect(found.count("tape", "equal") == Int64(scene.barCount))
        #expect(found.count("tape", "differing") == 0)
    }

    @Test("bars that were computed again prove with what came late and without what was taken back")
    func mended() throws {
        let scene = try ProveBench.mended("mended")
        let all = Int64(scene.barCount)
        #expect(scene.lateCount == 2 && scene.repairedCount == 2)
        try expect(scene.prove(), .success, equal: all)

        // The bar of the second would have counted the late trade if it had not been listed.
        _ = try scene.bench.query(
            """
            CREATE TABLE kept AS SELECT * FROM late_ticks WHERE series = '1s';
            DELETE FROM late_ticks WHERE series = '1s'
            """)
        let unlisted = try scene.prove()
        #expect(unlisted.code == .failure)
        #expect(unlisted.count("tables", "differing") == 1)
        _ = try scene.bench.query("INSERT INTO late_ticks SELECT * FROM kept")
        try expect(scene.prove(), .success, equal: all)

        // A version from before the late trade was listed must not count it.
        let minute = "series = '1m' AND reason = 'bust'"
        let listed = "(SELECT max(ordinal) FROM late_ticks)"
        _ = try scene.bench.query(
            "CREATE TABLE was AS SELECT revision FROM bars WHERE \(minute)")
        _ = try scene.bench.query("UPDATE bars_short SET revision = \(listed) - 1 WHERE \(minute)")
        try expect(scene.prove(), .failure, equal: all - 1, differing: 1)
        _ = try scene.bench.query(
            "UPDATE bars_short SET revision = (SELECT revision FROM was) WHERE \(minute)")

        // Without the cancel the trade is valid, and two bars lack it.
        _ = try scene.bench.query("DELETE FROM trades WHERE action <> 0")
        let standing = try scene.prove()
        #expect(standing.count("tables", "differing") == 2)
    }

    @Test("a bar with a gap, of which a trade was taken back while it was open, proves as partial")
    func takenBackWhileOpen() throws {
        let taken = 188
        var cancel = ProveBench.trade(ProveBench.Value(price: 1, size: 1), taken)
        cancel.header.action = TradeAction.cancel.rawValue
        cancel.header.receiveTime = Timestamp(
            nanoseconds: ProveBench.start + 53 * ProveBench.second)
        let values = (0..<400).map {
            ProveBench.Value(price: Int64($0 + 1) * 10_000_000, size: 3_000_000)
        }
        let scene = try ProveBench(
            "taken_back", [(ProveBench.symbol, values)], extras: [212: cancel], gapAt: 45)
        let minute = try scene.bench.query(
            "SELECT reason, partial FROM bars WHERE series = '1m' ORDER BY ts LIMIT 1 OFFSET 1")
        #expect(minute == "closed|t")
        try expect(scene.prove(), .success, equal: Int64(scene.barCount))
    }

    /// A stretch in which nothing traded is filled without a tick.
    @Test(
        "a bar whose gap was filled while it was open proves as whole", arguments: [true, false])
    func filledWhileOpen(hasPrint: Bool) throws {
        var print = ProveBench.trade(ProveBench.Value(price: 5, size: 7), 181)
        print.header.flags = .backfilled
        print.header.providerID = 9_001
        let values = (0..<400).map {
            ProveBench.Value(price: Int64($0 + 1) * 10_000_000, size: 3_000_000)
        }
        let scene = try ProveBench(
            "filled_\(hasPrint)", [(ProveBench.symbol, values)],
            extras: hasPrint ? [210: print] : [:], gapAt: 45, filledAt: 212)
        let minute = try scene.bench.query(
            "SELECT reason, partial, low = 0.000000005 FROM bars WHERE series = '1m' "
                + "ORDER BY ts LIMIT 1 OFFSET 1")
        #expect(minute == "closed|f|\(hasPrint ? "t" : "f")")
        try expect(scene.prove(), .success, equal: Int64(scene.barCount))
    }

    @Test("a bar that should have been computed again and was not is found")
    func unmended() throws {
        let scene = try ProveBench.mended("unmended")
        _ = try scene.bench.query(
            """
            UPDATE bars_short b SET reason = 'closed', trades = trades + 1,
                open = t.price, high = t.price, volume = volume + t.size
            FROM trades t WHERE b.series = '1s' AND b.reason = 'bust' AND t.ordinal = 121
            """)
        let found = try scene.prove()
        expect(found, .failure, equal: Int64(scene.barCount) - 1, differing: 1)
    }

    @Test("where the tape does not reach any more, the tables prove alone, and it is said")
    func purged() throws {
        let scene = try ProveBench("purged")
        try scene.purge(keeping: 20)
        let found = try scene.prove()
        #expect(found.code == .incomplete)
        #expect(found.count("tables", "equal") == Int64(scene.barCount))
        #expect(found.json["not_on_tape"]?.array?.count == 1)
        try #expect(scene.prove("--table-only").code == .success)
    }

    @Test("row 42: zero, negative, sub-penny and huge values are exact in rows and bars")
    func values() throws {
        let values: [(price: Int64, size: Int64)] = [
            (0, 100_000_000), (-37_630_000_000, 100_000_000), (1, 1), (10, 100_000_000),
            (9_007_199_254_740_993, 9_007_199_254_740_993), (Int64.max - 1, Int64.max - 1),
            (Int64.min, 1), (1_000_000_000, 0), (-1, 300_000_000),
        ]
        let scene = try ProveBench(
            "values",
            [("CL", values.map { ProveBench.Value(price: $0.price, size: $0.size) })])
        for (place, value) in values.enumerated() {
            let row = try scene.bench.query(
                """
                SELECT (price * 1000000000)::numeric(40) || ' ' || (size * 100000000)::numeric(40)
                FROM trades WHERE ordinal = \(place + 1)
                """)
            #expect(row == "\(value.price) \(value.size)", "\(place)")
        }
        let lowest = try scene.bench.query(
            "SELECT min(low) * 1000000000 = \(Int64.min) FROM bars WHERE series = '1m'")
        #expect(lowest == "t")
        let proof = try scene.prove("CL")
        expect(proof, .success, equal: Int64(scene.barCount))
    }

    @Test("row 43: symbols of any characters keep their partition, their rows and their bars")
    func symbols() throws {
        let names = [
            "BRK.B", "../x", ">", "*", "A B", String(repeating: "long", count: 75), "😀",
            "'; DROP TABLE trades; --", "NO", "ON", "null", "%s", "a\\b", "\"q\"",
        ]
        let feeds = names.enumerated().map { number, name in
            (
                symbol: name,
                values: [
                    ProveBench.Value(
                        price: Int64(number + 1) * 1_000_000_000, size: 100_000_000)
                ]
            )
        }
        let scene = try ProveBench("symbols", feeds)
        #expect(try scene.bench.query("SELECT count(DISTINCT symbol) FROM bars") == "14")
        for (number, name) in names.enumerated() {
            let symbol = try #require(Symbol(name))
            let partition = scene.bench.tape.names.partition(of: symbol)
            let hex = name.utf8.map { String(Int($0) + 256, radix: 16).dropFirst() }.joined()
            let row = try scene.bench.query(
                """
                SELECT partition || ' ' || trunc(price) FROM trades
                WHERE convert_to(symbol, 'UTF8') = '\\x\(hex)'::bytea
                """)
            #expect(row == "\(partition) \(number + 1)", "\(name)")
            let proof = try scene.prove("--", name)
            expect(proof, .success, equal: 2)
        }
        expect(try scene.prove(), .success, equal: Int64(scene.barCount))
    }

    private func expect(
        _ outcome: ProveBench.Outcome, _ code: ExitCode, equal: Int64, differing: Int64 = 0,
        missing: Int64 = 0, extra: Int64 = 0, _ location: SourceLocation = #_sourceLocation
    ) {
        #expect(outcome.code == code, sourceLocation: location)
        for side in ["tables", "tape"] {
            let found = ["equal", "differing", "missing", "extra"].map {
                outcome.count(side, $0)
            }
            #expect(
                found == [equal, differing, missing, extra], "\(side) \(outcome.json)",
                sourceLocation: location)
        }
    }
}
