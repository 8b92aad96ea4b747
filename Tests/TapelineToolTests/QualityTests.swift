import Foundation
import Primitives
import ServiceRuntime
import TestSupport
import Testing

@testable import TapelineTool

/// How complete and how clean a day is, from a real database.
@Suite("tapeline quality", .serialized) struct QualityTests {
    @Test("counts and rates of a day, as table, object and page")
    func day() throws {
        let scene = try ProveBench.mended("quality")
        let folder = try TemporaryFolder("quality")
        let page = folder.file("day.html")
        // The tape begins within the first minute, whose bar is partial.
        let (code, text) = try scene.quality(["--day", "2023-11-14", "--json", "--html", page])
        #expect(code == .failure, "\(text)")
        let all = try JSONValue.parse(text)
        let one = all["symbols"]?.array?.first
        #expect(one?["ticks"]?.int == 402)
        #expect(one?["late"]?.int == 1)
        #expect(one?["per_million"]?["late"]?.int == 2_487)
        #expect(one?["changes"]?.int == 1)
        #expect(one?["bars"]?.int == scene.barCount)
        #expect(one?["rewritten"]?.int == 2, "\(text)")
        #expect(one?["longest_pause_seconds"]?.string == "0.250")
        let html = try String(contentsOfFile: page, encoding: .utf8)
        #expect(html.contains("<title>22:00: 402</title>"), "\(html)")
        #expect(html.contains("<td>AAPL</td>") && !html.contains("<script"))

        _ = try scene.bench.query("UPDATE bars_short SET partial = false")
        let table = try scene.quality(["--day", "2023-11-14", "--symbols", "AAPL"])
        #expect(table.code == .success, "\(table.text)")
        #expect(table.text.contains("1 (2487 ppm)"), "\(table.text)")
        let none = try scene.quality(["--day", "2023-11-13"])
        #expect(none.code == .incomplete)
        #expect(none.text.contains("no tick and no bar of that day is stored"))

        _ = try scene.bench.query("UPDATE sink_source_ordinals SET dead_lettered = 3")
        #expect(try scene.quality(["--day", "2023-11-14"]).code == .failure)
    }

    @Test("what makes no sense is refused with a line that says why")
    func refused() {
        for words in [
            [], ["--day", "soon"], ["--day", "today", "AAPL"], ["--day", "today", "--silent", "0"],
        ] {
            #expect(throws: ToolError.self) { try ToolCommand.parse(["quality"] + words) }
        }
    }
}
