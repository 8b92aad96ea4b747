import TestSupport
import Testing

@Suite("The scripts of the pages") struct ScriptTests {
    @Test("a checker of types finds nothing wrong, and nothing that is not used")
    func types() throws {
        let project = "\(ServerPrograms.checkout)/services/cockpit/CPages/jsconfig.json"
        #expect(try run("/usr/bin/env", ["tsc", "--project", project]).isEmpty)
    }
}
