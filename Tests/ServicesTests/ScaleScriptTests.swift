import Foundation
import TestSupport
import Testing

/// The model of what a load needs is written in Python.
@Suite("The model of docs/scale.md")
struct ScaleScriptTests {
    private static let script = "\(ServerPrograms.checkout)/Benchmarks/scale/scale.py"

    @Test("the page has the tables that the model prints")
    func page() throws {
        let printed = try run("/usr/bin/env", ["python3", "-B", Self.script, "--page"])
        let page = try String(
            contentsOfFile: "\(ServerPrograms.checkout)/docs/scale.md", encoding: .utf8)
        #expect(
            page.contains("\n\(printed)\n"), "make them again: Benchmarks/scale/scale.py --write")
    }

    @Test("rates, packets, bars, costs, errors and cuts follow from the figures")
    func rules() throws {
        let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        // Failed tests show in its exit status and in its output.
        _ = try run("/usr/bin/env", ["python3", tests.appending(path: "scale_scripts.py").path])
    }
}
