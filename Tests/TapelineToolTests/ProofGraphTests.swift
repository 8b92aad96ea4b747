import MarketModel
import OperatorGraph
import Primitives
import ServiceRuntime
import StreamCore
import TestSupport
import Testing

@testable import TapelineTool

@Suite("The graph that bars are proven by") struct ProofGraphTests {
    private let files: FileReading = { path, _ in
        let text: String
        switch path {
        case "guarded.yaml":
            text = """
                version: 1
                name: guarded
                nodes:
                  guard: {operator: custom, input: trades, code: jump-guard, settings: {percent: 5}}
                  bars: {operator: bars, input: guard, series: [1s, 5m]}
                """
        default: return .failure(.cannotOpen(code: 2))
        }
        return .success(FileContent(bytes: Array(text.utf8), mode: 0o600))
    }

    @Test("OPERATOR_GRAPH holds when it is there, with the worker's custom operators")
    func graph() throws {
        let program = try ProofGraph.find(
            ["OPERATOR_GRAPH": "guarded.yaml", "OPERATOR_SERIES": "1h"], read: files)
        #expect(program.definition.allSeries.map(\.name.text) == ["1s", "5m"])
        // A guard remembers a day, which also influences the output.
        #expect(program.definition.memory == 86_400_000_000_000)
    }

    @Test("without one the series hold; empty is none")
    func series() throws {
        let program = try ProofGraph.find(
            ["OPERATOR_GRAPH": "", "OPERATOR_SERIES": "1s, 1h"], read: files)
        #expect(program.definition.allSeries.map(\.name.text) == ["1s", "1h"])
        #expect(program.definition.memory == 0)
    }

    @Test("the audit is told the nodes of the graph that remove duplicates")
    func audit() throws {
        let definition = GraphDefinition.simple(try BarSeriesSet(["1m"]))
        #expect(
            DatabaseAudit.Graph(definition).statement
                == #"SET tapeline.graph = '{"1m":[]}'"#)
    }

    @Test("a graph that cannot be read is refused with its key")
    func refused() throws {
        do {
            _ = try ProofGraph.find(["OPERATOR_GRAPH": "none.yaml"], read: files)
            Issue.record("it was found")
        } catch {
            #expect("\(error)".contains("OPERATOR_GRAPH: "), "\(error)")
        }
    }
}
