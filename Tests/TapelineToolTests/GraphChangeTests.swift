import GraphLanguage
import OperatorGraph
import Primitives
import ServiceRuntime
import TestSupport
import Testing

@testable import TapelineTool

@Suite("What another graph changes") struct GraphChangeTests {
    private func graph(_ size: Int, _ series: String) throws -> GraphDefinition {
        let folder = try TemporaryFolder("graph-change")
        let path = try folder.write(
            """
            version: 1
            name: desk
            nodes:
              sane: {operator: filter, input: trades, where: "size > \(size)"}
              bars: {operator: bars, input: sane, series: [\(series)]}
              all: {operator: bars, input: trades, series: [{name: all-1m, width: 1m}]}

            """, to: "g.yaml")
        return try ProofGraph.find([ProofGraph.graphKey: path]).definition
    }

    @Test("a series changes with its own definition, and with what comes before it")
    func changes() throws {
        let before = try graph(100, "1s, 1m")
        #expect(GraphChange(from: before, to: before).isEmpty)
        let filtered = GraphChange(from: before, to: try graph(200, "1s, 1m"))
        #expect(filtered.changed == ["1m", "1s"] && filtered.same == ["all-1m"])
        let wider = GraphChange(
            from: before, to: try graph(100, "1s, 5m, {name: 1m, width: 1m, lateness: 30s}"))
        #expect(
            wider.lines == [
                "  new        5m", "  changed    1m", "  as before  1s, all-1m",
            ])
        #expect(GraphChange(from: before, to: try graph(100, "1s")).gone == ["1m"])
        var silent = before
        silent.silentAfter = 7_000_000_000
        #expect(GraphChange(from: before, to: silent).changed.count == 3)
    }

    @Test("the command wants a file")
    func command() throws {
        #expect(
            try ToolCommand.parse(["graph", "apply", "my.yaml", "--name", "mine", "--yes"])
                == .graph(
                    GraphCommand(
                        path: "my.yaml", target: .init(home: nil, name: "mine"), isConfirmed: true))
        )
        for words in [[], ["apply"], ["show", "a"], ["apply", "a", "b"]] {
            #expect(throws: ToolError.self) { try ToolCommand.parse(["graph"] + words) }
        }
    }
}
