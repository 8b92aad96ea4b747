import Foundation
import GraphLanguage
import MarketModel
import OperatorGraph
import StreamCore
import Testing

@Suite("The graphs that are shipped")
struct ShippedGraphTests {
    private static let names = [
        "simple", "production", "advanced", "broker-bars", "signed-volume", "spreads",
    ]

    private func read(_ name: String) throws -> GraphDefinition {
        let path = GraphFolder.graphs.appendingPathComponent("\(name).yaml").path
        return try GraphFile.read(path, GraphFolder.product)
    }

    @Test("each is right, and every file in the folder is read", arguments: names)
    func right(name: String) throws {
        let definition = try read(name)
        #expect(definition.name == name)
    }

    @Test("there are no others that no test reads")
    func all() throws {
        let files = try FileManager.default.contentsOfDirectory(atPath: GraphFolder.graphs.path)
        let graphs = files.filter { $0.hasSuffix(".yaml") }.map { String($0.dropLast(5)) }
        #expect(Set(graphs) == Set(Self.names))
    }

    @Test("the simple one is what series in the settings give")
    func simple() throws {
        #expect(try read("simple") == GraphDefinition.simple(try BarSeriesSet(["1s", "1m"])))
    }

    @Test("the one of a broker's bars takes those of trades and, of currencies, of the midpoint")
    func brokerBars() throws {
        let kinds = try read("broker-bars").nodes.compactMap { node -> ProviderBarKind? in
            guard case .resample(let rule) = node.operation else { return nil }
            return rule.provider?.data
        }
        #expect(kinds == [.trades, .midpoint])
    }

    @Test("the one of signed volume sends every trade behind its join into bars of one side")
    func signedVolume() throws {
        let nodes = try read("signed-volume").nodes
        let sides = try #require(nodes.firstIndex { $0.name == "sides" })
        guard case .route(let branches) = nodes[sides].operation,
            let join = nodes.first(where: { $0.operation.quotes != nil })
        else {
            Issue.record("no route behind a join")
            return
        }
        #expect(nodes[sides].input == .node(try #require(nodes.firstIndex(of: join))))
        #expect(branches.last?.condition == nil)
        for branch in branches.indices {
            #expect(nodes.count { $0.input == .branch(node: sides, branch: branch) } == 1)
        }
    }

    @Test("the one of several symbols takes bars of two, and of one with a rate")
    func spreads() throws {
        let derived = try read("spreads").nodes.compactMap { node -> Derivation? in
            guard case .scan(let rule) = node.operation else { return nil }
            return rule.derivation
        }
        #expect(derived.map { $0.symbols.map(\.text) } == [["SPY", "QQQ"], ["SPY", "DGS10"]])
        #expect(derived.map(\.indicators.count) == [0, 1])
    }

    @Test("the sample of books has bars and numbers of them")
    func books() throws {
        let path = GraphFolder.checkout.appendingPathComponent("Samples/advanced/books.yaml").path
        let definition = try GraphFile.read(path, GraphFolder.product)
        #expect(definition.nodes[0].operation == .book(BookRule(levels: 5)))
        #expect(definition.nodes.count == 6 && definition.isOverAllPartitions)
    }

    @Test("the advanced one holds every window, and every operator but a join and a book")
    func advanced() throws {
        let definition = try read("advanced")
        let kinds = Set(definition.nodes.map { "\($0.operation)".prefix { $0 != "(" } })
        #expect(kinds.count == 10, "\(kinds.sorted())")
        #expect(definition.calendars.map(\.name) == ["nyse", "futures"])
        for (index, node) in definition.nodes.enumerated() {
            switch node.input {
            case .ticks: break
            case .node(let from), .branch(let from, _): #expect(from < index, "\(node.name)")
            }
        }
    }

    @Test("all are drawn as text and as Mermaid, with every node", arguments: names)
    func drawn(name: String) throws {
        let definition = try read(name)
        let drawing = GraphDrawing(definition)
        #expect(drawing.mermaid.hasPrefix("flowchart LR\n"))
        for (index, node) in definition.nodes.enumerated() {
            #expect(drawing.text.contains("\(node.name): "), "\(node.name)")
            #expect(drawing.mermaid.contains("    n\(index)[\"\(node.name)<br/>"), "\(node.name)")
            #expect(drawing.mermaid.contains("--> n\(index)\n"), "\(node.name)")
        }
    }

    @Test("the table of sale conditions says what the plans say")
    func conditions() throws {
        let path = GraphFolder.graphs.appendingPathComponent("conditions/us-stocks.yaml").path
        let rules = try ConditionsFile.read(path, name: "us", GraphFolder.product)
        let found = rules.listed.reduce(into: [:]) {
            $0[$1.effect.rawValue, default: ""].append($1.code)
        }
        #expect(found[TradeEffect.volume.rawValue] == "7BCHINTUVW")
        let range: TradeEffect = [.range, .volume]
        #expect(found[range.rawValue] == "234GPRZ")
        #expect(found[0] == "9MQ")
        #expect(found.count == 3)
    }
}
