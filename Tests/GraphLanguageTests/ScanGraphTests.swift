import GraphLanguage
import MarketModel
import OperatorGraph
import StreamCore
import Testing

@Suite("Scans in the file of a graph") struct ScanGraphTests {
    private static let head =
        "version: 1\nname: g\nnodes:\n  b: {operator: bars, input: trades, series: [1s, 1m]}\n"

    @Test("a scan names the bars, the condition, and what is published")
    func right() throws {
        let graph = try GraphFolder.read(
            Self.head
                + "  f: {operator: scan, scope: all, series: 1m, universe: [A, B], "
                + "sources: [ibkr], where: close > open * 1.02 and vwap > 1, "
                + "numbers: [close, count], rank: count, most: 7}\n"
                + "  g: {operator: scan, scope: all, series: 1m, where: volume > 0, "
                + "numbers: [vwap]}\n")
        let minute = try #require(SeriesName("1m"))
        guard case .scan(let full) = graph.nodes[1].operation,
            case .scan(let least) = graph.nodes[2].operation
        else {
            Issue.record("other operators: \(graph.nodes.map(\.name))")
            return
        }
        #expect(full.universe.map(\.text) == ["A", "B"])
        #expect(full.sources.map(\.text) == ["ibkr"])
        #expect(full.condition.text == "close > open * 1.02 and vwap > 1")
        #expect(full.names == ["met", "left_out", "close", "count"])
        #expect(full.numbers == [.close, .count])
        #expect(full.rank == .count && full.most == 7)
        #expect(
            least
                == ScanRule(
                    series: minute,
                    condition: TickExpression(
                        text: "volume > 0",
                        instructions: [.field(.volume), .number(0), .greater]),
                    numbers: [.vwap], rank: .volume, most: 50))
        #expect(graph.isOverAllPartitions)
    }

    @Test("other scans have other hashes")
    func hashes() throws {
        let scans = [
            "where: close > open, numbers: [close]", "where: close > open, numbers: [open]",
            "where: close > low, numbers: [close]",
            "where: close > open, numbers: [close], most: 9",
            "where: close > open, numbers: [close], rank: close",
            "where: close > open, numbers: [close], universe: [A]",
            "where: close > open, numbers: [close], sources: [a]",
        ]
        let hashes = try scans.map { scan in
            GraphProgram(
                try GraphFolder.read(
                    Self.head + "  f: {operator: scan, scope: all, series: 1m, \(scan)}\n")
            ).hash
        }
        #expect(Set(hashes).count == scans.count)
    }

    @Test(
        "every mistake is reported with what to do",
        arguments: WrongNodes.read(
            #"""
            f: {operator: scan, scope: all, series: 1s, where: close > 1, numbers: [close]}
              -> node f: a scan takes windows of a minute or more, and those of 1s are shorter
            f: {operator: scan, scope: all, series: 2m, where: close > 1, numbers: [close]}
              -> no node makes bars "2m"
            f: {operator: scan, series: 1m, where: close > 1, numbers: [close]}
              -> node f: scope is missing
            f: {operator: scan, scope: all, series: 1m, numbers: [close]}
              -> node f: where is missing
            f: {operator: scan, scope: all, series: 1m, where: close > 1}
              -> node f: numbers is missing
            f: {operator: scan, scope: all, series: 1m, where: price > 1, numbers: [close]}
              -> price is no field or flag: there are open, high, low, close, volume, vwap, count
            f: {operator: scan, scope: all, series: 1m, where: start > 1, numbers: [close]}
              -> start is no field or flag
            f: {operator: scan, scope: all, series: 1m, where: delayed, numbers: [close]}
              -> delayed is no field or flag
            f: {operator: scan, scope: all, series: 1m, where: close + 1, numbers: [close]}
              -> the whole is a number, not a condition
            f: {operator: scan, scope: all, series: 1m, where: close > 1, numbers: [clos]}
              -> numbers: "clos" is not known: did you mean close?
            f: {operator: scan, scope: all, series: 1m, where: close > 1, numbers: [close, close]}
              -> numbers: close is there twice
            f: {operator: scan, scope: all, series: 1m, where: close > 1, \#
            numbers: [close], most: 51}
              -> is no whole number from 1 to 50
            f: {operator: scan, scope: all, series: 1m, where: close > 1, \#
            numbers: [close], rank: id}
              -> rank: "id" is not known
            f: {operator: scan, scope: all, input: trades, series: 1m, where: close > 1, \#
            numbers: [low]}
              -> node f: scan has no input: its 'series' says what it takes
            f: {operator: scan, scope: all, series: 1m, where: close > 1, numbers: [close]}
            h: {operator: filter, input: f, where: price > 1}
              -> nothing comes out of f that a node can take
            """#))
    func wrong(wrong: WrongNodes) { wrong.expectComplaint(under: Self.head) }

    @Test("the drawing says what is looked for")
    func drawn() throws {
        let text = try GraphDrawing(
            GraphFolder.read(
                Self.head
                    + "  f: {operator: scan, scope: all, series: 1m, where: close > open, "
                    + "numbers: [close], most: 5}\n")
        ).text
        let line = "scan of all symbols by the bars 1m: close > open, the 5 greatest by volume"
        #expect(text.contains(line), "\(text)")
    }
}
