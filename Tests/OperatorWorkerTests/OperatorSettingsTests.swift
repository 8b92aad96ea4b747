import MarketModel
import MembershipTransport
import OperatorGraph
import ServiceRuntime
import ServiceTestSupport
import StreamCore
import TestSupport
import Testing

@testable import OperatorWorker

@Suite("The operator's settings")
struct OperatorSettingsTests {
    @Test("series arrive, from the finest series to the coarsest")
    func all() throws {
        let settings = try OperatorSettings(
            TestService.configuration(
                Main.description,
                ["OPERATOR_SERIES": "1h,1s,5m"]))
        #expect(settings.program.series.map(\.name.text) == ["1s", "5m", "1h"])
    }

    @Test("the definition follows from the series, in any order of naming")
    func definition() throws {
        func definition(_ series: String) throws -> UInt64 {
            try OperatorSettings(
                TestService.configuration(Main.description, ["OPERATOR_SERIES": series])
            ).definition
        }
        #expect(try definition("1s,1m") == definition("1m,1s"))
        #expect(try definition("1s,1m") != definition("1s,1m,1h"))
        #expect(try definition("60s") != definition("1m"))
    }

    @Test(
        "a value that makes no sense is one sentence that begins with its key",
        arguments: [
            ("OPERATOR_SERIES", "7s"), ("OPERATOR_SERIES", "1x"), ("OPERATOR_SERIES", "1m,60s"),
            ("OPERATOR_SERIES", "0s"), ("OPERATOR_SERIES", "2d"),
        ])
    func bad(key: String, value: String) {
        let found = TestService.problems(Main.description, [key: value])
        #expect(found.count == 1, "\(found)")
        #expect(found.first?.hasPrefix(key) == true, "\(found)")
    }

    @Test("what is wrong with the series is said with what is wrong with other keys")
    func together() {
        let found = TestService.problems(
            Main.description,
            [
                "OPERATOR_SERIES": "7s", "OPERATOR_LIVE": "perhaps", "MDS_PARTITIONS": "none",
                "OPERATOR_GENERATION": "0",
            ])
        for key in ["OPERATOR_SERIES", "OPERATOR_LIVE", "MDS_PARTITIONS", "OPERATOR_GENERATION"] {
            #expect(found.count { $0.hasPrefix(key) } == 1, "\(key): \(found)")
        }
        #expect(found.count == 4)
    }

    @Test("a worker's rank is its generation")
    func rank() throws {
        let configuration = try TestService.configuration(
            Main.description, ["OPERATOR_GENERATION": "2"])
        let found = try Main.membership(configuration, shares: 4, operationsPort: 1)
        #expect(found.rank == 2 && found.semantics == UInt64(GraphProgram.semantics))
    }

    private static let graphs = "\(ServerPrograms.checkout)/services/operator-worker/graphs"

    @Test("a graph takes the place of the series")
    func graph() throws {
        let settings = try OperatorSettings(
            TestService.configuration(
                Main.description,
                ["OPERATOR_GRAPH": "\(Self.graphs)/simple.yaml", "OPERATOR_SERIES": "5s"]))
        #expect(settings.program.series.map(\.name.text) == ["1s", "1m"])
        let series = try OperatorSettings(TestService.configuration(Main.description, [:]))
        #expect(settings.definition == series.definition, "OPERATOR_SERIES has the same default")
    }

    @Test("the watermark of bars comes every second where nodes over all partitions wait for it")
    func awaited() throws {
        var settings = try OperatorSettings(TestService.configuration(Main.description, [:]))
        #expect(settings.watermarkNanosecondsMax == 10_000_000_000)
        settings.program = GraphProgram(try UniverseScene.graph())
        #expect(settings.watermarkNanosecondsMax == 1_000_000_000)
    }

    @Test("every mistake of a graph is a problem of its own that begins with the key")
    func wrongGraph() throws {
        let folder = try TemporaryFolder("graph")
        let path = try folder.write(
            "version: 1\nname: g\nnodes: {b: {operator: bars}}\n", to: "g.yaml")
        let found = TestService.problems(Main.description, ["OPERATOR_GRAPH": path])
        #expect(found.count == 2, "\(found)")
        #expect(found.allSatisfy { $0.hasPrefix("OPERATOR_GRAPH: \(path):3:") }, "\(found)")
    }

    @Test("a graph may use the custom operators of this program")
    func custom() throws {
        let settings = try OperatorSettings(
            TestService.configuration(
                Main.description, ["OPERATOR_GRAPH": "\(Self.graphs)/advanced.yaml"]))
        #expect(settings.program.definition.name == "advanced")
    }

    @Test(
        "what only the program can tell of a graph is a problem of the key, and --check-graph's",
        arguments: [
            (
                "w: {operator: custom, input: trades, code: jump-gard}",
                "g.yaml:3:52: node w: no code is registered as \"jump-gard\": "
                    + "there is jump-guard"
            ),
            (
                "w: {operator: custom, input: trades, code: jump-guard, settings: {percent: 0}}",
                ": node w: jump-guard: percent and patience are numbers from 1 to 1000"
            ),
            (
                "w: {operator: throttle, input: trades, rate: 1/s, per: symbol, "
                    + "live: {capacity: 4, overflow: block, high: 3, low: 1}}",
                "no node makes bars"
            ),
        ])
    func program(node: String, problem: String) throws {
        let folder = try TemporaryFolder("graph")
        let bars =
            problem == "no node makes bars" ? "" : ", b: {operator: bars, input: w, series: [1s]}"
        let path = try folder.write(
            "version: 1\nname: g\nnodes: {\(node)\(bars)}\n", to: "g.yaml")
        let found = TestService.problems(Main.description, ["OPERATOR_GRAPH": path])
        #expect(found.count == 1 && found[0].contains(problem), "\(found)")
        guard case .refuse(let text) = checkGraph(path) else {
            Issue.record("\(node) is refused")
            return
        }
        #expect(text.contains(problem))
    }

    private func checkGraph(_ path: String) -> CommandLineDecision {
        ServiceCommandLine(Main.description).decide(
            arguments: ["--check-graph", path], environment: [:])
    }

    @Test(
        "--check-graph prints the graphs that are shipped",
        arguments: ["simple", "production", "advanced"])
    func checkGraph(name: String) {
        guard case .print(let text) = checkGraph("\(Self.graphs)/\(name).yaml") else {
            Issue.record("\(checkGraph("\(Self.graphs)/\(name).yaml"))")
            return
        }
        #expect(text.hasPrefix("graph \(name): "))
        #expect(text.contains("\n```mermaid\nflowchart LR\n"))
    }

    @Test("--check-graph refuses a file that is not there, or is no graph")
    func refused() {
        for path in ["\(Self.graphs)/calendars/nyse.yaml", "/nowhere.yaml", Self.graphs] {
            guard case .refuse(let text) = checkGraph(path) else {
                Issue.record("\(path) is no graph")
                continue
            }
            #expect(text.hasPrefix("\(path):"), "\(text)")
        }
    }
}
