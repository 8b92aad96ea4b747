import MarketModel
import Primitives
import ServiceRuntime
import ServiceTestSupport
import TapeProtocol
import TestSupport
import Testing

@testable import TapelineTool

/// A system whose bars hold, and each way in which they may not, on real servers.
@Suite("tapeline prove", .serialized) struct ProveTests {
    @Test("a clean system proves from both sides; what is changed, removed or added is found")
    func changes() throws {
        let scene = try ProveBench("changes")
        let all = Int64(scene.barCount)
        try expect(scene.prove(), .success, equal: all)
        try expect(scene.prove("AAPL", "--series", "1m"), .success, equal: 2)

        let place = "symbol = 'AAPL' AND series = '1s' AND ts = '2023-11-14 22:13:50Z'"
        _ = try scene.bench.query("UPDATE bars SET high = high + 0.000000001 WHERE \(place)")
        let changed = try scene.prove()
        expect(changed, .failure, equal: all - 1, differing: 1)
        let field = changed.json["tape"]?["bars"]?.array?.first?["fields"]?.array?.first
        #expect(field?["name"]?.string == "high")
        _ = try scene.bench.query("UPDATE bars SET high = high - 0.000000001 WHERE \(place)")
        try expect(scene.prove(), .success, equal: all)

        _ = try scene.bench.query(
            "CREATE TABLE kept AS SELECT * FROM bars WHERE \(place); DELETE FROM bars WHERE \(place)"
        )
        try expect(scene.prove(), .failure, equal: all - 1, missing: 1)
        _ = try scene.bench.query("INSERT INTO bars SELECT * FROM kept")

        _ = try scene.bench.query(
            """
            UPDATE kept SET ts = ts + interval '4 minutes',
                open_time_ns = open_time_ns + 240000000000,
                close_time_ns = close_time_ns + 240000000000;
            INSERT INTO bars SELECT * FROM kept
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

    @Test("where the tape does not reach any more, the tables prove alone, and it is said")
    func purged() throws {
        let scene = try ProveBench("purged")
        let symbol = try #require(Symbol("AAPL"))
        let names = scene.bench.tape.names
        let stream = names.tickStream(of: names.partition(of: symbol))
        try scene.bench.api("STREAM.PURGE.\(stream)", #"{"keep":20}"#)
        let found = try scene.prove()
        #expect(found.code == .incomplete)
        #expect(found.count("tables", "equal") == Int64(scene.barCount))
        #expect(found.json["not_on_tape"]?.array?.count == 1)
        try #expect(scene.prove("--table-only").code == .success)
    }

    @Test("what makes no sense is refused with a line that says why")
    func refused() throws {
        for arguments in [
            [], ["--from", "-1h"], ["--from", "-1m", "--to", "-1h"],
            ["--from", "seq:3", "--to", "now"],
            ["--from", "-1h", "--to", "now", "--series", "a b"],
        ] {
            #expect(throws: ToolError.self) {
                try ProveCommand.parse(arguments, now: Timestamp(nanoseconds: 1))
            }
        }
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
