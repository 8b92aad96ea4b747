import GraphLanguage
import MarketModel
import OperatorGraph
import StreamCore
import Testing

@Suite("Numbers of several symbols in the file of a graph") struct DeriveGraphTests {
    private static let head =
        "version: 1\nname: g\nnodes:\n  b: {operator: bars, input: trades, series: [1s, 1m]}\n"

    private static func rule(_ keys: String) throws -> ScanRule {
        let graph = try GraphFolder.read(
            head + "  f: {operator: derive, scope: all, series: 1m, \(keys)}\n")
        guard case .scan(let rule) = graph.nodes[1].operation else {
            throw ExpressionProblem(0, "another operator")
        }
        #expect(graph.isOverAllPartitions)
        return rule
    }

    @Test("a number names its inputs, and takes those that it uses")
    func right() throws {
        let rule = try Self.rule(
            "inputs: {a: AAPL, rate: {symbol: DGS10, value: value}}, sources: [ibkr, fred], "
                + "value: a.close * (1 - rate) - a.low / a.close, max_age: 5m")
        let symbol = try #require(Symbol("AAPL"))
        let rate = Derivation.Indicator(
            alias: "rate", symbol: try #require(Symbol("DGS10")), name: "value")
        let derivation = Derivation(
            inputs: [.bar(symbol, .close), .indicator(rate), .bar(symbol, .low)],
            maxAge: 300_000_000_000)
        let expression = TickExpression(
            text: "a.close * (1 - rate) - a.low / a.close",
            instructions: [
                .input(0), .number(1_000_000_000), .input(1), .subtract, .multiply, .input(2),
                .input(0), .divide, .subtract,
            ])
        let sources = try ["ibkr", "fred"].map { try #require(SourceName($0)) }
        let expected = ScanRule(
            series: try #require(SeriesName("1m")), sources: sources, deriving: expression,
            derivation)
        #expect(rule == expected)
        #expect(rule.names == ["value"])
        #expect(rule.universe.map(\.text) == ["AAPL", "DGS10"])
        #expect(try Self.rule("inputs: {a: A}, value: a.close").derivation?.maxAge == 0)
    }

    @Test("other numbers have other hashes")
    func hashes() throws {
        let nodes = [
            "inputs: {a: A}, value: a.close", "inputs: {a: B}, value: a.close",
            "inputs: {a: A}, value: a.open", "inputs: {a: A}, value: a.close, max_age: 1m",
            "inputs: {a: A}, value: a.close + 1", "inputs: {a: A}, value: a.close, sources: [x]",
            "inputs: {a: A, r: {symbol: R, value: v}}, value: a.close + r",
            "inputs: {a: A, r: {symbol: R, value: w}}, value: a.close + r",
            "inputs: {a: A, r: {symbol: S, value: v}}, value: a.close + r",
        ]
        let hashes = try nodes.map { node in
            GraphProgram(
                try GraphFolder.read(
                    Self.head + "  f: {operator: derive, scope: all, series: 1m, \(node)}\n")
            ).hash
        }
        #expect(Set(hashes).count == nodes.count)
    }

    @Test(
        "every mistake is reported with what to do",
        arguments: WrongNodes.read(
            #"""
            f: {operator: derive, scope: all, series: 1s, inputs: {a: A}, value: a.close}
              -> node f: a derive takes windows of a minute or more, and those of 1s are shorter
            f: {operator: derive, series: 1m, inputs: {a: A}, value: a.close}
              -> node f: scope is missing
            f: {operator: derive, scope: all, series: 1m, value: a.close}
              -> node f: inputs is missing
            f: {operator: derive, scope: all, series: 1m, inputs: {a: A}}
              -> node f: value is missing
            f: {operator: derive, scope: all, series: 1m, inputs: [A], value: a.close}
              -> node f: inputs: write 1 to 16 symbols by names
            f: {operator: derive, scope: all, series: 1m, inputs: {a-b: A}, value: 1}
              -> node f: inputs: a-b means something else
            f: {operator: derive, scope: all, series: 1m, inputs: {or: A}, value: 1}
              -> node f: inputs: or means something else
            f: {operator: derive, scope: all, series: 1m, inputs: {value: A}, value: 1}
              -> node f: inputs: value means something else
            f: {operator: derive, scope: all, series: 1m, inputs: {A: A}, value: 1}
              -> "A" is no name of an input
            f: {operator: derive, scope: all, series: 1m, inputs: {a: ""}, value: a.close}
              -> : write one text
            f: {operator: derive, scope: all, series: 1m, inputs: {a: {symbol: A}}, value: a}
              -> node f: inputs: a: value is missing
            f: {operator: derive, scope: all, series: 1m, inputs: {a: {value: v}}, value: a}
              -> node f: inputs: a: symbol is missing
            f: {operator: derive, scope: all, series: 1m, \#
            inputs: {a: {symbol: A, valu: v}}, value: a}
              -> "valu" is no key of it: did you mean value?
            f: {operator: derive, scope: all, series: 1m, inputs: {a: A}, value: a.clos}
              -> a.clos is no input: did you mean a.close?
            f: {operator: derive, scope: all, series: 1m, inputs: {a: A}, value: a.close + symbol}
              -> symbol is no input: write a name of inputs, as in a.close
            f: {operator: derive, scope: all, series: 1m, inputs: {a: A}, value: a.close > 1}
              -> the whole is a condition, not a number
            f: {operator: derive, scope: all, series: 1m, inputs: {a: A}, value: a.close * 1s}
              -> the whole is a duration, not a number
            f: {operator: derive, scope: all, series: 1m, inputs: {a: A}, value: a.close 1}
              -> 1 follows: join numbers by
            f: {operator: derive, scope: all, series: 1m, inputs: {a: A, c: C}, value: a.close}
              -> node f: inputs: c is not in value: remove it
            f: {operator: derive, scope: all, series: 1m, \#
            inputs: {a: {symbol: A, value: v}}, value: a}
              -> node f: value takes no bar
            f: {operator: derive, scope: all, series: 1m, \#
            inputs: {a: A}, value: a.close, max_age: 8d}
              -> node f: max_age: "8d" is no time from 1ms to
            f: {operator: derive, scope: all, input: trades, series: 1m, \#
            inputs: {a: A}, value: a.low}
              -> node f: derive has no input: its 'series' says what it takes
            f: {operator: derive, scope: all, series: 1m, inputs: {a: A}, value: a.close}
            h: {operator: filter, input: f, where: price > 1}
              -> nothing comes out of f that a node can take
            """#))
    func wrong(wrong: WrongNodes) { wrong.expectComplaint(under: Self.head) }

    @Test("the drawing says what is computed of what")
    func drawn() throws {
        let text = try GraphDrawing(
            GraphFolder.read(
                Self.head
                    + "  f: {operator: derive, scope: all, series: 1m, max_age: 2m, "
                    + "inputs: {a: AAPL, r: {symbol: DGS10, value: value}}, value: a.close - r}\n")
        ).text
        let lines = [
            "a.close - r by the bars 1m, a close counts for 2m", "close of AAPL",
            "r: value of DGS10",
        ]
        for line in lines { #expect(text.contains(line), "\(text)") }
    }
}
