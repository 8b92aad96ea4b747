import TestSupport
import Testing

/// Some programs of ours are written in Python, and so are their tests.
@Suite("Scripts") struct ScriptTests {
    /// Each `<subject>_scripts.py` beside this file.
    @Test(
        "what a script decides, writes and draws follows from its figures",
        arguments: ["compose", "kubernetes", "progress", "record", "release", "scale", "scaling"])
    func rules(subject: String) throws {
        let tests = "\(ServerPrograms.checkout)/Tests/ServicesTests/\(subject)_scripts.py"
        // Failed tests show in its exit status and in its output.
        try run("/usr/bin/env", ["python3", tests])
    }

    @Test("docs/scale.md has the tables that the model prints")
    func scale() throws {
        let script = "\(ServerPrograms.checkout)/Benchmarks/scale/scale.py"
        let printed = try run("/usr/bin/env", ["python3", "-B", script, "--page"])
        let page = try CheckoutFiles.text("docs/scale.md")
        #expect(page.contains("\n\(printed)\n"), "make them again: \(script) --write")
    }
}
