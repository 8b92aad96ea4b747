import Foundation
import TestSupport
import Testing

/// The scripts of the compose cluster are written in Python, and so are their tests.
@Suite("Scripts of the compose cluster")
struct ComposeScriptTests {
    @Test("the number of workers follows the rules of KEDA and the HPA, and charts are whole")
    func rules() throws {
        let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        // Failed tests show in its exit status and in its output.
        _ = try run("/usr/bin/env", ["python3", tests.appending(path: "compose_scripts.py").path])
    }
}
