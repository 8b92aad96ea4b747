import Primitives
import Testing

@testable import PolledSimulatorProgram
@testable import SimulatorPorts

@Suite("The flags of a simulator")
struct SimulatorFlagsTests {
    private struct Arguments: SimulatorArguments, Equatable {
        var flags = SimulatorFlags(port: 7)
        var isQuick = false
        var count = 0

        static var page: SimulatorPage<Self> {
            SimulatorPage(
                "made-up", about: "a test",
                ownFlags: [
                    (
                        "What",
                        [
                            SimulatorFlag("--quick", "soon\nor now") { $0.isQuick = true },
                            .number("--count", 1...9, \.count, "of them"),
                        ]
                    )
                ], example: "--quick", commands: ("mute", "mute 3"))
        }

        func venue(start: Timestamp) -> PolledArguments.Venue {
            PolledArguments().venue(start: start)
        }
    }

    private func parsed(_ words: [String]) throws -> Arguments? {
        guard case .run(let arguments) = try Arguments.parse(words) else { return nil }
        return arguments
    }

    @Test("flags come with a blank or an equals sign, common ones and a simulator's own")
    func flags() throws {
        let given = try parsed([
            "--port", "0", "--control-port=4100", "--address", "0.0.0.0", "--seed=9", "--truth",
            "a", "--market-log=b", "--json", "--quick", "--count", "3", "--tell", "mute 3",
        ])
        var wanted = Arguments()
        wanted.flags.port = 0
        wanted.flags.controlPort = 4_100
        wanted.flags.address = "0.0.0.0"
        wanted.flags.seed = 9
        (wanted.flags.truth, wanted.flags.marketLog) = ("a", "b")
        wanted.flags.isJSON = true
        wanted.flags.told = "mute 3"
        (wanted.isQuick, wanted.count) = (true, 3)
        #expect(given == wanted)
        #expect(try parsed([]) == Arguments())
        #expect(try parsed(["--help"]) == nil && parsed(["--port", "1", "--version"]) == nil)
    }

    @Test(
        "what is wrong is said",
        arguments: [
            (["--port", "70000"], "--port wants a number from 0 to 65535, not '70000'"),
            (["--seed", "x"], "--seed wants a whole number, not 'x'"),
            (["--count", "0"], "--count wants a number from 1 to 9, not '0'"),
            (["--prot", "1"], "'--prot' is no flag: see --help"),
            (["now"], "'now' is no flag: see --help"), (["--seed"], "--seed wants a value"),
            (["--quick=1"], "'--quick' is no flag: see --help"),
        ])
    func problems(_ words: [String], _ problem: String) {
        let thrown = #expect(throws: FlagProblem.self) { try Arguments.parse(words) }
        #expect(thrown?.description == problem)
    }

    @Test("names may come once each")
    func names() throws {
        #expect(
            try SimulatorFlags.names("--a", "X,Y", countMax: 2, example: "X") == ["X", "Y"])
        for wrong in ["", "X,X", "X,Y,Z"] {
            #expect(throws: FlagProblem("--a wants symbols, each once: X")) {
                try SimulatorFlags.names("--a", wrong, countMax: 2, example: "X")
            }
        }
    }

    @Test("commands are listed in lines that fit")
    func commands() {
        let text = SimulatorFlags.lines(
            of: "a | b C|D | " + String(repeating: "long | ", count: 20) + "end")
        let lines = text.split(separator: "\n")
        #expect(lines.count > 1 && lines.allSatisfy { $0.count <= 100 })
        #expect(lines.first?.hasPrefix("a | b C | D | long") == true)
    }
}
