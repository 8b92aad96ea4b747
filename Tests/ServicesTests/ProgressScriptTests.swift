import Foundation
import TestSupport
import Testing

/// `deploy/local/progress.py` shows how far the build of `make demo` is.
@Suite("The progress of a build")
struct ProgressScriptTests {
    @Test("what is to be built, how long it takes, and how that is shown")
    func rules() throws {
        let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        // Failed tests show in its exit status and in its output.
        _ = try run("/usr/bin/env", ["python3", tests.appending(path: "progress_scripts.py").path])
    }
}
