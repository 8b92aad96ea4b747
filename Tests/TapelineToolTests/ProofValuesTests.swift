import MarketModel
import OperatorGraph
import Primitives
import StreamCore
import Testing

@testable import TapelineTool

@Suite("Numbers of windows, stored and computed again") struct ProofValuesTests {
    private let none = IndicatorValue.undefined

    private func key(_ window: Int64) throws -> ProofValueKey {
        ProofValueKey(
            symbol: SourceSymbol(
                try #require(Symbol("AAPL")), of: try #require(SourceName("ib"))),
            name: "stats.1s.mean", from: window, to: window + 1)
    }

    private struct Window {
        let stored: Int128?
        let live: Int128?
        let mended: Int128?
        let isMended: Bool

        init(_ stored: Int128?, _ live: Int128?, _ mended: Int128?, isMended: Bool = false) {
            (self.stored, self.live, self.mended) = (stored, live, mended)
            self.isMended = isMended
        }
    }

    @Test("each number is judged by what made it last, and what cannot be told is not judged")
    func judged() throws {
        let keys = try (0..<9).map { try key($0) }
        let (a, b, c) = (Int128(1), Int128(2), Int128(3))
        // Window by window: what is stored, what came live, what all ticks make, and whether the
        // window was computed again.
        let cases: [Window] = [
            Window(a, a, nil), Window(a, b, nil), Window(nil, a, nil), Window(a, nil, nil),
            Window(b, a, b, isMended: true), Window(c, a, b, isMended: true),
            Window(none, nil, nil), Window(none, a, none, isMended: true), Window(nil, none, nil),
        ]
        func part(_ read: (Window) -> Int128?) -> [ProofValueKey: Int128] {
            var found: [ProofValueKey: Int128] = [:]
            for (key, window) in zip(keys, cases) { found[key] = read(window) }
            return found
        }
        var values = ProofValues()
        values.compare(
            part(\.stored), with: part(\.live), part(\.mended),
            isMended: { cases[Int($0.from)].isMended }, isOver: { _ in true })
        #expect(values.equal == 4 && values.differing == 1)
        #expect(values.missing == 1 && values.extra == 1 && values.unchecked == 1)
        #expect(values.open == 0 && !values.isClean && !values.isEmpty)
        #expect(
            values.differences.map(\.kind) == [.differing, .missing, .extra]
                && values.lines.count == 4)
        #expect(
            values.lines.last
                == "values, tape:    4 values equal, 1 differing, 1 missing, 1 extra, "
                + "1 computed again and not checked")
        var open = ProofValues()
        open.compare(
            [:], with: [keys[0]: a], [:], isMended: { _ in false }, isOver: { _ in false })
        #expect(open.open == 1 && open.isClean && open.isEmpty)
    }

    @Test("the numbers of a graph have the names under which they are published")
    func names() throws {
        let once = DeduplicateRule(key: [.id], timeToLive: 1_000)
        let rule = AggregateRule(
            bars: BarRule(series: try BarSeriesSet(["1s", "1m"])), functions: [.mean, .vwap])
        let definition = GraphDefinition(
            name: "numbers",
            nodes: [
                GraphNode(name: "once", input: .ticks(.trade), operation: .deduplicate(once)),
                GraphNode(
                    name: "stats", input: .node(0), operation: .aggregate(rule, calendar: nil)),
            ])
        let node = try #require(definition.aggregates.first)
        #expect(definition.aggregates.count == 1 && node.deduplicates.map(\.text) == ["once"])
        #expect(
            node.names == [
                "stats.1s.mean", "stats.1s.vwap", "stats.1m.mean", "stats.1m.vwap",
            ])
    }
}
