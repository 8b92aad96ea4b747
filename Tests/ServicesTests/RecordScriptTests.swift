import Foundation
import TestSupport
import Testing

/// The scripts that make the record of benchmarks are written in Python, and so are their tests.
@Suite("Scripts of the record of benchmarks")
struct RecordScriptTests {
    @Test("quantiles, ratios, the page and its plots follow from the figures")
    func rules() throws {
        let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        // Failed tests show in its exit status and in its output.
        _ = try run("/usr/bin/env", ["python3", tests.appending(path: "record_scripts.py").path])
    }
}
