import GraphLanguage
import MarketModel
import OperatorGraph
import StreamCore
import Testing

@Suite("Depth in graph files") struct DepthGraphTests {
    private static let head = "version: 1\nname: g\nnodes:\n"

    private func nodes(_ lines: String...) throws -> [GraphNode] {
        try GraphFolder.read(Self.head + lines.map { "  \($0)\n" }.joined()).nodes
    }

    private static func problems(_ lines: [String]) -> [String] {
        GraphFolder.problems(head + lines.map { "  \($0)\n" }.joined())
    }

    @Test("a book is made of depth, and its numbers go through nodes into bars and values")
    func right() throws {
        let nodes = try nodes(
            "b: {operator: book, input: depth, levels: 3}",
            "f: {operator: filter, input: b, where: microprice > middle and imbalance > 0.5}",
            "t: {operator: throttle, input: f, rate: 10/s}",
            "r: {operator: route, input: t, branches: {wide: ask - bid > 1, rest: else}}",
            "m: {operator: bars, input: r.wide, price: microprice, series: [1m]}",
            "a: {operator: aggregate, input: b, functions: [mean], series: [1s]}",
            "i: {operator: aggregate, input: b, price: imbalance, functions: [last], series: [5s]}",
            "s: {operator: scan, scope: all, series: 1m, where: close > open, numbers: [close]}")
        #expect(nodes[0].input == .ticks(.depth))
        #expect(nodes[0].operation == .book(BookRule(levels: 3)))
        guard case .bars(let bars, _) = nodes[4].operation,
            case .aggregate(let middle, _) = nodes[5].operation,
            case .aggregate(let imbalance, _) = nodes[6].operation
        else {
            Issue.record("other operators: \(nodes.map(\.name))")
            return
        }
        #expect(bars.field == .microprice && imbalance.bars.field == .imbalance)
        #expect(middle.bars.field == .bookMiddle)
    }

    @Test("it is drawn with its rows and its numbers")
    func drawn() throws {
        let graph = try GraphFolder.read(
            Self.head + "  b: {operator: book, input: depth, levels: 1}\n"
                + "  m: {operator: bars, input: b, price: middle, series: [1m]}\n")
        let drawing = GraphDrawing(graph)
        #expect(drawing.text.contains("depth\n  b: books, the best row of a side\n"))
        #expect(drawing.text.contains("    m: bars of middle of books\n"))
        #expect(drawing.mermaid.contains("    depth --> n0\n"))
    }

    @Test(
        "every mistake is told with its place and what to do",
        arguments: WrongNodes.read(
            #"""
            b: {operator: bars, input: depth, price: microprice, series: [1m]}
              -> g.yaml:4:30: node b: depth are changes of single rows: make books of them by \#
            'operator: book, input: depth, levels: 5', and name that node
            b: {operator: book, input: quotes, levels: 5}
              -> g.yaml:4:30: node b: a book is made of depth: write 'input: depth'
            b: {operator: book, input: depth}
              -> node b: levels is missing
            b: {operator: book, input: depth, levels: 21}
              -> g.yaml:4:45: node b: levels
            b: {operator: book, input: depth, levels: 0}
              -> node b: levels
            b: {operator: book, input: depth, levels: 5}
              -> node b: nobody takes its ticks
            b: {operator: book, input: depth, levels: 5, live: {capacity: 9, overflow: block}}
              -> "live" is no key of it
            b: {operator: book, input: depth, levels: 5}
            c: {operator: book, input: b, levels: 5}
              -> g.yaml:5:30: node c: a book is made of depth: write 'input: depth'
            b: {operator: book, input: depth, levels: 5}
            m: {operator: bars, input: b, series: [1m]}
              -> node m: books have several prices: choose one, as 'price: middle'
            b: {operator: book, input: depth, levels: 5}
            m: {operator: bars, input: b, price: bid, series: [1m]}
              -> choose one of middle, microprice, imbalance
            m: {operator: bars, input: quotes, price: imbalance, series: [1m]}
              -> node m: price: "imbalance" is not known
            b: {operator: book, input: depth, levels: 5}
            f: {operator: filter, input: b, where: price > 1}
            m: {operator: bars, input: f, price: middle, series: [1m]}
              -> g.yaml:5:42: node f: price is a field of trades, and these are books
            f: {operator: filter, input: quotes, where: microprice > 1}
            m: {operator: bars, input: f, price: middle, series: [1m]}
              -> microprice is a field of books, and these are quotes
            b: {operator: book, input: depth, levels: 5}
            d: {operator: deduplicate, input: b, key: [time], equal_ticks: drop, ttl: 1s}
            m: {operator: bars, input: d, price: middle, series: [1m]}
              -> g.yaml:5:37: node d: two equal changes of a book are two: remove the node
            b: {operator: book, input: depth, levels: 5}
            c: {operator: custom, input: b, code: x}
              -> node c: custom code takes trades and quotes, not books: write filter or throttle
            b: {operator: book, input: depth, levels: 5}
            j: {operator: join, input: b, with: quotes, max_age: 5s}
              -> node j: a join takes trades, and b passes books
            j: {operator: join, input: trades, with: depth, max_age: 5s}
              -> node j: with takes quotes, and these are books
            b: {operator: book, input: depth, levels: 5}
            t: {operator: throttle, input: b, rate: 1/s, live: {capacity: 9, overflow: block}}
            m: {operator: bars, input: t, price: middle, series: [1m]}
              -> g.yaml:5:54: node t: books are not sent live: remove live
            b: {operator: book, input: depth, levels: 5}
            m: {operator: bars, input: b, price: middle, odd_lots: exclude, series: [1m]}
              -> books are no odd lots: remove odd_lots
            b: {operator: book, input: depth, levels: 5}
            m: {operator: aggregate, input: b, functions: [vwap], series: [1m]}
              -> vwap is of trades: books have no size
            b: {operator: book, input: depth, levels: 5}
            m: {operator: aggregate, input: b, functions: [spread], series: [1m]}
              -> spread is of quotes
            depth: {operator: bars, input: trades, series: [1m]}
              -> choose another name
            """#))
    func mistakes(wrong: WrongNodes) {
        let found = Self.problems(wrong.nodes)
        #expect(found.contains { $0.contains(wrong.complaint) }, "\(found)")
    }
}
