import Foundation
import TestSupport
import Testing

/// The scripts of the compose cluster decide in Python, and so their tests are in Python, too.
@Suite("Scripts of the compose cluster")
struct ComposeScriptTests {
    @Test("the number of workers follows the rules of KEDA and the HPA, and charts are whole")
    func rules() throws {
        let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        // Unsuccessful tests are its exit status, and in what the failure says.
        _ = try run("/usr/bin/env", ["python3", tests.appending(path: "compose_scripts.py").path])
    }
}
