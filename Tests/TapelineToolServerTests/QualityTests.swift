import Foundation
import Primitives
import ServiceRuntime
import TestSupport
import Testing

@testable import TapelineTool
@testable import TapelineToolTests

/// How complete and how clean a day is, from a real database.
@Suite("tapeline quality", .serialized) struct QualityTests {
    @Test("counts and rates of a day, as table, object and page")
    func day() throws {
        let scene = try ProveBench.mended("quality")
        let folder = try TemporaryFolder("quality")
        let page = folder.file("day.html")
        // The tape begins within the first minute, whose bar is partial. Nothing is to be done.
        let said = try scene.tapeline(
            ["quality", "--day", "2023-11-14", "--json", "--html", page])
        #expect(said.code == .success, "\(said.output)")
        let all = try said.json()
        let one = all["symbols"]?.array?.first
        #expect(one?["ticks"]?.int == 402)
        #expect(one?["late"]?.int == 1)
        #expect(one?["per_million"]?["late"]?.int == 2_487)
        #expect(one?["changes"]?.int == 1)
        #expect(one?["bars"]?.int == scene.barCount)
        #expect(one?["rewritten"]?.int == 2, "\(said.output)")
        #expect(one?["longest_pause_seconds"]?.string == "0.250")
        let html = try String(contentsOfFile: page, encoding: .utf8)
        #expect(html.contains("<title>22:00: 402</title>"), "\(html)")
        #expect(html.contains("<td>AAPL</td>") && !html.contains("<script"))
        #expect(html.contains("partial without a gap: a feed began within the bar"))

        _ = try scene.bench.query("UPDATE bars_short SET partial = false")
        let table = try scene.tapeline(["quality", "--day", "2023-11-14", "AAPL"])
        #expect(table.code == .success, "\(table.output)")
        #expect(table.output.contains("1 (0.24 %)"), "\(table.output)")
        let none = try scene.tapeline(["quality", "--day", "2023-11-13"])
        #expect(none.code == .incomplete)
        #expect(none.output.contains("no tick and no bar of that day is stored"))
        #expect(
            throws: ToolError.refused("nothing of AAPLE is stored, so nothing can be said of it")
        ) {
            try scene.tapeline(["quality", "--day", "2023-11-14", "AAPL", "AAPLE"])
        }

        // A gap of the whole source counts for its symbol, and time in two gaps counts once.
        _ = try scene.bench.query(
            """
            INSERT INTO gaps (sink, input, partition, source, reason, symbol, kind, from_time,
                to_time, state, receive_time, epoch, ordinal)
            VALUES ('store', 'ticks', 0, 'test0', 'disconnected', NULL, 'any',
                '2023-11-14 23:20:00Z', '2023-11-14 23:20:10Z', 'abandoned', now(), 1, 9000),
                ('store', 'ticks', 0, 'test0', 'disconnected', 'AAPL', 'trade',
                '2023-11-14 23:20:05Z', '2023-11-14 23:20:12Z', 'abandoned', now(), 1, 9001)
            """)
        let lost = try scene.tapeline(["quality", "--day", "2023-11-14", "--json"])
        #expect(lost.code == .failure)
        let missing = try lost.json()["symbols"]?.array?.first?["missing_seconds"]
        #expect(missing?.string == "12.000" || missing?.double == 12, "\(lost.output)")
        _ = try scene.bench.query("DELETE FROM gaps WHERE ordinal IN (9000, 9001)")
        _ = try scene.bench.query("UPDATE sink_source_ordinals SET dead_lettered = 3")
        #expect(try scene.tapeline(["quality", "--day", "2023-11-14"]).code == .failure)
    }
}
