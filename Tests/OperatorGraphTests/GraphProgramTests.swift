import MarketModel
import Primitives
import StreamCore
import Testing

@testable import OperatorGraph

@Suite("GraphProgram")
struct GraphProgramTests {
    private func hash(_ change: (inout GraphDefinition) throws -> Void) throws -> UInt64 {
        var definition = try GraphDeterminismTests.definition()
        try change(&definition)
        var operators = TickOperators()
        operators.register("every", EveryNth.self)
        return try GraphProgram(definition, operators: operators).hash
    }

    private func bars(_ change: (inout BarRule) throws -> Void) throws -> GraphNode {
        var rule = BarRule(series: try BarSeriesSet(["1s", "1m"]))
        try change(&rule)
        return GraphNode(
            name: "plain", input: .ticks(.trade), operation: .bars(rule, calendar: nil))
    }

    @Test(
        "graphs have the hash that stands on tapes",
        arguments: [
            (nil, 4_625_770_030_023_868_974), ([.time, .price], 5_660_624_918_192_978_702),
            ([.id], 16_236_284_566_528_016_746),
            // The key of graphs/advanced.yaml.
            ([.id, .time, .price, .size], 2_464_430_490_928_573_525),
        ] as [([TickField]?, UInt64)])
    func standingHashes(key: [TickField]?, hash: UInt64) throws {
        let first = key.map { Nodes.deduplicate("once", .ticks(.trade), key: $0) }
        let bars = try Nodes.bars("bars", first == nil ? .ticks(.trade) : .node(0), ["1s"])
        let program = GraphProgram(
            GraphDefinition(name: "g", nodes: [first, bars].compactMap(\.self)))
        #expect(program.hash == hash && program.earlierHashes.isEmpty)
    }

    @Test("whatever decides output changes the hash, and nothing else does")
    func hashes() throws {
        let session = SessionCalendar.Session(open: 0, close: 1_000, day: 19_700_101)
        let calendar = try #require(SessionCalendar(name: "x", sessions: [session]))
        let later = try #require(
            SessionCalendar(
                name: "x",
                sessions: [SessionCalendar.Session(open: 0, close: 1_001, day: 19_700_101)]))
        let rules = try #require(ConditionRules(name: "c", [("Z", .volume)]))
        let nine = OddLotLimit.size(Quantity(raw: 9))
        let hashes = [
            try hash { _ in },
            try hash { $0.nodes[0] = Nodes.deduplicate("once", .ticks(.trade), timeToLive: 5) },
            try hash { $0.nodes[0] = Nodes.deduplicate("one", .ticks(.trade)) },
            try hash { $0.nodes[0] = Nodes.deduplicate("once", .ticks(.trade), key: [.price]) },
            try hash { $0.nodes[1] = Nodes.filter("dear", .node(0), [.hasFlag(.delayed)]) },
            try hash {
                $0.nodes[2] = Nodes.throttle("slow", .node(1), count: 4, per: 1_000_000_000)
            },
            try hash {
                $0.nodes[4] = try self.bars { $0.oddLots = .exclude(below: nine) }
            },
            try hash { $0.nodes[4] = try self.bars { $0.oddLots = .exclude(below: .lot) } },
            try hash { $0.nodes[4] = try self.bars { $0.oddLots = .volumeOnly(below: .lot) } },
            try hash { $0.nodes[4] = try self.bars { $0.conditions = rules } },
            try hash {
                $0.nodes[4] = try self.bars {
                    $0.series = try BarSeriesSet([
                        BarSeries("1s"),
                        BarSeries(
                            name: try #require(SeriesName("1m")),
                            window: .tumbling(width: 60_000_000_000), lateness: 1),
                    ])
                }
            },
            try hash { $0.calendars = [calendar] },
            try hash { $0.calendars = [later] },
            try hash {
                $0.nodes[11].operation = .custom(
                    name: "every", settings: [GraphSetting(name: "n", value: "4")])
            },
        ]
        #expect(Set(hashes).count == hashes.count)
        #expect(
            hashes[0]
                == (try hash {
                    $0.name = "renamed"
                    $0.nodes[1].live = LiveEdge(capacity: 1, overflow: .block, high: 1, low: 0)
                }))
    }

    @Test("a graph with an operator that nobody registered says what to do")
    func unknownOperator() throws {
        let definition = try GraphDeterminismTests.definition()
        let error = #expect(throws: TickOperatorError.self) {
            try GraphProgram(definition, operators: TickOperators())
        }
        #expect(
            error?.description
                == "node third uses the operator every, which this program does not know (none is"
                + " registered): register it, or correct the name")
    }

    @Test("an operator's complaint about its settings names the node")
    func badSettings() throws {
        var operators = TickOperators()
        operators.register("every", EveryNth.self)
        let error = #expect(throws: TickOperatorError.self) {
            try operators.make("every", [], node: "third")
        }
        #expect(
            error?.description == "node third: every: n is missing or no number: write n: 3")
    }

    @Test("series of several kinds in one node keep their published places")
    func places() throws {
        let program = try GraphDeterminismTests.program()
        let number = program.plan.leaves.filter { $0.node == 6 }
        #expect(number.map(\.maker) == [.time, .number, .inactivity])
        let names = number.map { leaf in
            leaf.series.map { program.series[Int($0)].name.text }
        }
        #expect(names == [["15s"], ["t7"], ["calm"]])
        #expect(number.map { $0.rule.series.all.map(\.name.text) } == names)
    }
}
