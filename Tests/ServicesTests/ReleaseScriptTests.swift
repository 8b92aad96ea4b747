import Foundation
import TestSupport
import Testing

/// The scripts of a release are written in Python, and so are their tests.
@Suite("Scripts of a release")
struct ReleaseScriptTests {
    @Test("the version has one place, and packets stay readable for every release")
    func scripts() throws {
        let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        // Failed tests show in its exit status and in its output.
        _ = try run("/usr/bin/env", ["python3", tests.appending(path: "release_scripts.py").path])
    }
}
