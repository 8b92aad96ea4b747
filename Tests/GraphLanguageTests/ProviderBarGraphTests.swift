import GraphLanguage
import MarketModel
import OperatorGraph
import StreamCore
import Testing

@Suite("A provider's bars in graph files")
struct ProviderBarGraphTests {
    private static let head = "version: 1\nname: g\nnodes:\n"

    private func nodes(_ lines: String...) throws -> [GraphNode] {
        try GraphFolder.read(Self.head + lines.map { "  \($0)\n" }.joined()).nodes
    }

    private static func problems(_ lines: [String]) -> [String] {
        GraphFolder.problems(head + lines.map { "  \($0)\n" }.joined())
    }

    @Test("resample takes them from the tape or behind nodes, by length and data")
    func right() throws {
        let nodes = try nodes(
            "f: {operator: filter, input: provider_bars, where: length == 5s and volume > 0}",
            "d: {operator: deduplicate, input: f, key: [start], ttl: 1m}",
            "r: {operator: route, input: d, branches: {up: close > open, rest: else}}",
            "m: {operator: resample, input: r.up, from: 5s, of: midpoint, "
                + "series: [{name: broker-5s, width: 5s, lateness: 20s}, 1m]}",
            "h: {operator: resample, input: m, from: 1m, series: [1h]}")
        #expect(nodes.map(\.name) == ["f", "d", "r", "m", "h"])
        #expect(nodes[0].input == .ticks(.providerBar))
        guard case .resample(let rule) = nodes[3].operation, let provider = rule.provider else {
            Issue.record("the node takes no bars of a provider")
            return
        }
        #expect(provider.data == .midpoint)
        #expect(provider.bars.name.text == "5s" && rule.from.text == "5s")
        #expect(provider.bars.window == .tumbling(width: 5_000_000_000))
        // As long as one of the series takes late bars.
        #expect(provider.bars.lateness == 20_000_000_000)
        #expect(rule.series.all.map(\.name.text) == ["broker-5s", "1m"])
        guard case .resample(let hours) = nodes[4].operation else { return }
        #expect(hours.provider == nil)
    }

    @Test("a drawing names them")
    func drawn() throws {
        let text =
            Self.head
            + "  m: {operator: resample, input: provider_bars, from: 5s, series: [1m]}\n"
        let drawing = GraphDrawing(try GraphFolder.read(text))
        #expect(drawing.text.contains("\nprovider_bars\n  m: bars from the provider's bars of 5s"))
        #expect(drawing.mermaid.contains("    provider_bars --> n0\n"))
    }

    private static let bars = "b: {operator: bars, input: trades, series: [1m]}"

    @Test(
        "every mistake is told with its place and what to do",
        arguments: WrongNodes.read(
            #"""
            b: {operator: bars, input: provider_bars, series: [1m]}
              -> g.yaml:4:30: node b: bars takes ticks, and provider bars are bars: write \#
            'operator: resample, from: 5s'
            b: {operator: custom, input: provider_bars, code: x}
              -> node b: custom code takes trades and quotes
            t: {operator: throttle, input: provider_bars, rate: 1/s}
            b: {operator: aggregate, input: t, functions: [mean], series: [1m]}
              -> g.yaml:5:35: node b: aggregate takes ticks
            b: {operator: resample, input: provider_bars, series: [1m]}
              -> node b: from is missing
            b: {operator: resample, input: provider_bars, from: five, series: [1m]}
              -> "five" is no length of a provider's bars: write it as 5s or 1m
            b: {operator: resample, input: provider_bars, from: 7s, series: [1m]}
              -> does not divide a day
            b: {operator: resample, input: provider_bars, from: 5s, series: [1s]}
              -> series 1s is no multiple of 5s
            b: {operator: resample, input: provider_bars, from: 1m, series: [90s]}
              -> series 90s is no multiple of 1m
            b: {operator: resample, input: provider_bars, from: 5s, series: [{name: n, ticks: 5}]}
              -> series n cannot be made of bars
            b: {operator: resample, input: provider_bars, from: 5s, of: volume, series: [1m]}
              -> choose one of trades, midpoint, bid, ask
            d: {operator: deduplicate, input: provider_bars, key: [close], ttl: 1s}
            b: {operator: resample, input: d, from: 5s, series: [1m]}
              -> without start bars of different times that are equal count once
            d: {operator: deduplicate, input: provider_bars, key: [price], ttl: 1s}
            b: {operator: resample, input: d, from: 5s, series: [1m]}
              -> key: "price" is not known
            d: {operator: filter, input: provider_bars, where: size > 1}
            b: {operator: resample, input: d, from: 5s, series: [1m]}
              -> size is a field of trades, and these are provider bars
            d: {operator: filter, input: trades, where: open > 1}
            b: {operator: bars, input: d, series: [1m]}
              -> open is a field of provider bars, and these are trades
            b: {operator: bars, input: trades, series: [1m]}
            r: {operator: resample, input: provider_bars, from: 5s, series: [1m]}
              -> the name 1m is taken in line 4: give the series a name of its own, such as \#
            broker-1m
            b: {operator: bars, input: trades, series: [1m]}
            r: {operator: resample, input: b, from: 1m, of: bid, series: [1h]}
              -> node r: of is for provider bars
            provider_bars: {operator: bars, input: trades, series: [1m]}
              -> choose another name
            """#))
    func mistakes(wrong: WrongNodes) {
        let found = Self.problems(wrong.nodes)
        #expect(found.contains { $0.contains(wrong.complaint) }, "\(found)")
    }
}
