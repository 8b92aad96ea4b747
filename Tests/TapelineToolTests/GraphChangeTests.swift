import GraphLanguage
import MarketModel
import OperatorGraph
import Primitives
import ServiceRuntime
import StreamCore
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

    private static func calendar(_ open: String) -> String {
        """
        version: 1
        zone: America/New_York
        valid: {from: 2024-01-01, to: 2027-12-31}
        sessions:
          - {days: [mon, tue, wed, thu, fri], open: "\(open)", close: "16:00"}

        """
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

    @Test("the graph that the help of the command writes is one")
    func example() throws {
        let examples = GraphCommand.page.examples
        let end = try #require(examples.firstIndex { $0.hasSuffix(" > my.yaml") })
        let words = examples[...end].joined(separator: "\n").split(separator: "'")
        // Between two words there is a blank, or the end of a line.
        let lines = words.dropFirst(2).enumerated().filter { $0.offset % 2 == 1 }.map(\.element)
        #expect(words.prefix(2) == ["printf ", "%s\\n"] && lines.count == 5, "\(words)")
        let folder = try TemporaryFolder("graph-example")
        let path = try folder.write(lines.joined(separator: "\n") + "\n", to: "my.yaml")
        let definition = try ProofGraph.program(path).definition
        #expect(definition.allSeries.map(\.name.text).sorted() == ["1s", "5m"])
    }

    @Test("bars behind a join change with the nodes before its quotes, and not with their numbers")
    func joined() throws {
        func graph(_ spread: Int, _ before: String = "") throws -> GraphDefinition {
            let folder = try TemporaryFolder("joined-graph")
            let path = try folder.write(
                """
                version: 1
                name: desk
                nodes:
                \(before)
                  tight: {operator: filter, input: quotes, where: "ask - bid < \(spread)"}
                  paired: {operator: join, input: trades, with: tight, max_age: 5s}
                  up: {operator: filter, input: paired, where: "price >= ask"}
                  bars: {operator: bars, input: up, series: [1s]}

                """, to: "g.yaml")
            return try ProofGraph.find([ProofGraph.graphKey: path]).definition
        }
        let before = try graph(1)
        #expect(GraphChange(from: before, to: try graph(2)).changed == ["1s"])
        let more = GraphChange(
            from: before,
            to: try graph(1, "  all: {operator: bars, input: trades, series: [1m]}"))
        #expect(more.added == ["1m"] && more.same == ["1s"])
    }

    @Test("what a stack keeps of its graph is the text of all its files")
    func kept() throws {
        let folder = try TemporaryFolder("kept-graph")
        let home = try madeHome(folder)
        try FileSystem.makeFolder(folder.file("calendars"))
        try folder.write(Self.calendar("09:30"), to: "calendars/nyse.yaml")
        let path = try folder.write(
            """
            version: 1
            name: desk
            nodes:
              bars:
                operator: bars
                input: trades
                series: [{name: day, session: nyse}]

            """, to: "g.yaml")
        let settings = try StackSettings(
            of: ["--set", "OPERATOR_GRAPH=\(path)", "--set", "OPERATOR_GENERATION=4"])
        let graph = try KeptGraph(of: settings)
        try graph.write(home, "md")
        #expect(try KeptGraph.read(home, "md") == graph && graph.generation == 4)
        #expect(try KeptGraph.read(home, "other") == nil)
        let before = try graph.program()
        #expect(try before.hash == KeptGraph(of: settings).program().hash)

        try folder.write(Self.calendar("10:00"), to: "calendars/nyse.yaml")
        let now = try KeptGraph(of: settings).program()
        let kept = try #require(try KeptGraph.read(home, "md")).program()
        #expect(kept.hash == before.hash && now.hash != before.hash)
        #expect(GraphChange(from: kept.definition, to: now.definition).changed == ["day"])
        try FileSystem.write(Array("{}".utf8), to: home.graph("md"))
        #expect(throws: ToolError.self) { try KeptGraph.read(home, "md") }
    }

    @Test("workers start from copies of a graph's files, whatever becomes of the files")
    func copies() throws {
        let folder = try TemporaryFolder("copied-graph")
        try FileSystem.makeFolder(folder.file("mine"))
        let shared = try folder.write(Self.calendar("09:30"), to: "nyse.yaml")
        let path = try folder.write(
            """
            version: 1
            name: desk
            calendars: {nyse: "\(shared)", second: ../nyse.yaml}
            nodes:
              bars:
                operator: bars
                input: trades
                series: [{name: day, session: nyse}]
              others:
                operator: bars
                input: trades
                series: [{name: two, session: second}]

            """, to: "mine/g.yaml")
        let plan = try testPlan(folder, settings: ["OPERATOR_GRAPH=\(path)"])
        let (home, settings) = (plan.home, plan.settings)
        #expect(KeptGraph.copy(home, for: settings) == nil)
        let output = try OpenFile(folder.file("output"))
        let stack = try Stack(
            checkout: Checkout(root: folder.path, programs: folder.file("bin")), name: home.name,
            terminal: Terminal(output: output.descriptor, errors: output.descriptor))
        try stack.keepGraph(of: settings, hasBars: false)
        let hash = try KeptGraph(of: settings).program().hash

        try folder.write(Self.calendar("10:00"), to: "nyse.yaml")
        #expect(try KeptGraph(of: settings).program().hash != hash)
        try stack.keepGraph(of: settings, hasBars: true)
        let copy = try #require(KeptGraph.copy(home, for: settings))
        #expect(try ProofGraph.find([ProofGraph.graphKey: copy]).hash == hash)
        // Copies are written anew, with what they name where the stack is now.
        try FileSystem.write(Array("none".utf8), to: copy)
        #expect(try stack.keptCopy(for: settings) == copy)
        #expect(try ProofGraph.find([ProofGraph.graphKey: copy]).hash == hash)
        var running = plan
        running.graph = copy
        let workers = running.units.filter { $0.name.hasPrefix(StackPlan.worker) }
        #expect(workers.map { $0.environment["OPERATOR_GRAPH"] } == [copy, copy])
        #expect(output.text.contains("the workers go on with that of before"))

        // Another generation is another graph.
        let next = settings.merging(try StackSettings(of: ["--set", "OPERATOR_GENERATION=2"]))
        #expect(KeptGraph.copy(home, for: next) == nil)
        try stack.keepGraph(of: next, hasBars: true)
        let other = try #require(KeptGraph.copy(home, for: next))
        #expect(try ProofGraph.find([ProofGraph.graphKey: other]).hash != hash)
    }

    @Test("another graph of the same generation is refused before a stack with bars is started")
    func otherGraph() throws {
        let folder = try TemporaryFolder("other-graph")
        let home = try madeHome(folder)
        let output = try OpenFile(folder.file("output"))
        let stack = try Stack(
            checkout: Checkout(root: folder.path, programs: folder.file("bin")), name: home.name,
            terminal: Terminal(output: output.descriptor, errors: output.descriptor))
        let other = try testSettings(["OPERATOR_SERIES=5s"])
        try stack.keepGraph(of: StackSettings(), hasBars: false)
        try stack.requireSameGraph(other)
        try folder.write("", to: "\(home.natsStore.dropFirst(folder.path.count + 1))/x")
        let said = complaint { try stack.requireSameGraph(other) }
        #expect(said.contains("as generation 1, which workers would refuse to mix: nothing was"))
        #expect(said.contains("'--set OPERATOR_GENERATION=2' beside it"), "\(said)")
        for fine in [
            [], ["OPERATOR_SERIES=1s,1m"], ["OPERATOR_SERIES=5s", "OPERATOR_GENERATION=2"],
            ["OPERATOR_SERIES=nothing"],
        ] {
            try stack.requireSameGraph(testSettings(fine))
        }
        // What a dead supervisor left running is not stopped for a file that is wrong.
        let wrong = try testSettings(["OPERATOR_SERIES=nothing"])
        #expect(
            complaint { try stack.requireSameGraph(wrong, isStrict: true) }
                == "1 problem in the configuration: nothing was changed")
        #expect(output.text.contains("tapeline: OPERATOR_SERIES: "), "\(output.text)")
        // Workers that were started with another one do not run the kept one.
        let kept = try #require(try KeptGraph.read(home, "md"))
        #expect(kept.isWhatRuns(by: StackSettings()) && !kept.isWhatRuns(by: other))
        #expect(try !kept.isWhatRuns(by: testSettings(["OPERATOR_GENERATION=2"])))
    }

    @Test("workers make bars by a graph when all partitions have one that says so")
    func reports() throws {
        let wanted = WorkerReport.Wanted(graph: 0xab, generation: 2, partitions: 2)
        func problems(_ pages: String?...) throws -> [String] {
            let reports = try pages.enumerated().map { index, page in
                WorkerReport(name: "w\(index)", try page.map { try JSONValue.parse($0) })
            }
            return WorkerReport.problems(reports, wanted)
        }
        func page(
            _ partitions: String, ready: Bool = true, graph: String = "ab", generation: Int = 2
        ) -> String {
            #"{"ready":\#(ready),"reasons":["no tape"],"operator":{"graph":"\#(graph)","#
                + #""generation":\#(generation),"partitions":[\#(partitions)]}}"#
        }
        func one(_ number: Int, _ problem: String = "null") -> String {
            #"{"partition":\#(number),"scope":"partition","problem":\#(problem)}"#
        }
        let all = #"{"partition":2,"scope":"all","problem":null}"#
        #expect(try problems(page("\(one(0)),\(all)"), page(one(1))) == [])
        // A worker is ready before it has a partition, and before it has looked at one.
        #expect(
            try problems(page(all), page(one(1))) == [
                "1 of 2 partitions have no worker that makes their bars"
            ])
        #expect(
            try problems(page(one(0)), page(one(1, #""another definition""#))) == [
                "w1: partition 1: another definition"
            ])
        #expect(
            try problems(page(one(0), graph: "ac"), page(one(1), generation: 1)) == [
                "w0 runs another graph", "w1 runs another graph",
            ])
        #expect(
            try problems(page(one(0), ready: false), nil) == ["w0: no tape", "w1: no answer"])
    }

    @Test("a change is for workers alone, and they do not start while it cannot be read")
    func change() throws {
        let folder = try TemporaryFolder("changed-stack")
        let before = try testPlan(folder)
        let stack = try Stack(
            checkout: Checkout(root: folder.path, programs: folder.file("bin")),
            name: before.home.name, terminal: Terminal())
        let me = try #require(ProcessIdentity.current)
        func generations() throws -> [String: String] {
            var found: [String: String] = [:]
            for unit in before.units {
                guard let changed = try stack.changed(unit, .init(), of: me) else { continue }
                #expect(changed.arguments.contains("OPERATOR_GENERATION=2"))
                let same = changed.plans.first { $0.name == unit.name }
                found[unit.name] = same?.environment["OPERATOR_GENERATION"]
            }
            return found
        }
        #expect(try generations().isEmpty)
        let settings = try StackSettings(of: ["--set", "OPERATOR_GENERATION=2"])
        try StackChange(supervisor: me, settings: settings).write(stack.home)
        #expect(try generations() == ["operator-worker-a": "2", "operator-worker-b": "2"])
        let other = ProcessIdentity(id: me.id, startTime: me.startTime + 1)
        try StackChange(supervisor: other, settings: settings).write(stack.home)
        #expect(try generations().isEmpty)

        try FileSystem.write(Array("{\"supervisor\":".utf8), to: stack.home.change)
        for unit in before.units {
            guard unit.name.hasPrefix("operator-worker") else {
                let changed = try stack.changed(unit, .init(), of: me)
                #expect(changed?.plans == nil, "\(unit.name)")
                continue
            }
            #expect(throws: ToolError.self) { try stack.changed(unit, .init(), of: me) }
        }
    }

    @Test("the command wants a file")
    func command() throws {
        #expect(
            try Commands.parse(["graph", "apply", "my.yaml", "--name", "mine", "--yes"])
                as? GraphCommand
                == GraphCommand(
                    path: "my.yaml", target: .init(home: nil, name: "mine"), isConfirmed: true)
        )
    }

    @Test("a graph is drawn, or each of its mistakes has a line, without a stack")
    func checked() throws {
        let folder = try TemporaryFolder("checked-graph")
        let good = try folder.write(
            """
            version: 1
            name: desk
            nodes:
              bars: {operator: bars, input: trades, series: [1s]}

            """, to: "good.yaml")
        let drawn = try Said(["graph", "check", good], [:])
        #expect(drawn.code == .success && drawn.output.hasPrefix("graph desk: 1 node\n"))
        let lines = "bars: bars of trades\n    - 1s: "
        #expect(drawn.output.contains(lines), "\(drawn.output) \(drawn.errors)")
        #expect(drawn.output.contains("```mermaid\n"), "\(drawn.output)")
        let bad = try folder.write("version: 1\nname: desk\nnodes: 7\n", to: "bad.yaml")
        let refused = try Said(["graph", "check", bad], [:])
        #expect(refused.code == .usage && refused.output.isEmpty)
        #expect(refused.errors.hasPrefix("tapeline: OPERATOR_GRAPH: "), "\(refused.errors)")
    }
}
