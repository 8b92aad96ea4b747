import TestSupport
import Testing

@Suite("The scripts of the pages") struct ScriptTests {
    @Test("a checker of types finds nothing wrong, and nothing that is not used")
    func types() throws {
        let project = "\(ServerPrograms.checkout)/services/cockpit/CPages/jsconfig.json"
        #expect(try run("/usr/bin/env", ["tsc", "--project", project]).isEmpty)
    }

    @Test("what scripts compute is right: orders, times, and what part of a chart is shown")
    func computed() throws {
        let script = "\(ServerPrograms.checkout)/Tests/CockpitServerTests/scripts.mjs"
        let files = "\(ServerPrograms.checkout)/services/cockpit/CPages/files"
        #expect(try run("/usr/bin/env", ["node", script, files]).isEmpty)
    }
}
