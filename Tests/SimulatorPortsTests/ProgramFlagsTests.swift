import SimulatorPorts
import Testing

@testable import IBKRSimulator
@testable import PolledSimulatorProgram

@Suite("The flags of the simulators' programs")
struct ProgramFlagsTests {
    @Test("as many instruments are made up as there is room for beside the usual ones")
    func instruments() throws {
        _ = try ServerArguments.parse(["--instruments", "4900"])
        #expect(throws: FlagProblem("--instruments wants a number from 0 to 4900, not '4901'")) {
            try ServerArguments.parse(["--instruments", "4901"])
        }
    }

    @Test("simulated time begins in 1970 at the earliest")
    func start() throws {
        _ = try PolledArguments.parse(["--start", "1970-01-01T00:00:00Z"])
        #expect(throws: FlagProblem.self) {
            try PolledArguments.parse(["--start", "1969-12-31T23:59:59Z"])
        }
    }
}
