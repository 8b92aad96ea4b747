import MarketModel
import OperatorGraph
import Primitives
import ServiceRuntime
import StreamCore
import TestSupport
import Testing

@testable import StoredBars
@testable import TapelineTool

@Suite("Proofs of graphs with books") struct ProofOfBooksTests {
    private func graph() throws -> GraphDefinition {
        let folder = try TemporaryFolder("books")
        let path = try folder.write(
            """
            version: 1
            name: desk
            nodes:
              book: {operator: book, input: depth, levels: 5}
              apart: {operator: filter, input: book, where: bid < ask}
              micro:
                {operator: bars, input: apart, price: microprice, series: [{name: m, width: 1s}]}
              wide: {operator: resample, input: micro, from: m, series: [{name: w, width: 5m}]}
              lean: {operator: aggregate, input: book, functions: [mean], series: [1s]}
              q: {operator: aggregate, input: quotes, functions: [mean], series: [5s]}
              bars: {operator: bars, input: trades, series: [1m]}

            """, to: "g.yaml")
        return try ProofGraph.find([ProofGraph.graphKey: path]).definition
    }

    @Test("series and numbers that are made of books are known")
    func ofBooks() throws {
        let definition = try graph()
        let names = definition.allSeries.map(\.name)
        #expect(names.filter { definition.isOfBooks($0) }.map(\.text) == ["m", "w"])
        #expect(definition.aggregates.flatMap(\.names) == ["q.5s.mean"])
        #expect(!definition.kinds.contains(.depth) && !definition.remembers)
    }

    @Test("a report names what it did not check, and is not complete")
    func report() throws {
        var report = ProofReport(readsTape: true)
        let key = ProofKey(
            symbol: SourceSymbol(
                try #require(Symbol("AAPL")), of: try #require(SourceName("ib"))),
            series: try #require(SeriesName("1m")), openTime: 0, number: 0)
        let bar = Bar(
            symbol: 0, series: 0, openTime: Timestamp(nanoseconds: 0),
            closeTime: Timestamp(nanoseconds: 60_000_000_000))
        report.tables.compare(
            [StoredBar(key: key, bar: bar, revision: 1)], with: [key: bar],
            .init(looksAtFlags: false)
        ) { _, _ in true }
        #expect(report.exitCode == .success)
        report.ofBooks = ["m", "lean"]
        #expect(report.exitCode == .incomplete)
        #expect(
            report.lines.contains(
                "not checked: m, lean: they are made of books, and only repairs compute these "
                    + "again"))
        #expect(report.json().contains(#""not_checked":["m","lean"]"#))
    }

    @Test("what makes books decides what is made of them")
    func changes() throws {
        let before = try graph()
        var after = before
        after.nodes[0].operation = .book(BookRule(levels: 3))
        let change = GraphChange(from: before, to: after)
        #expect(change.changed == ["lean", "m", "w"] && change.same == ["1m", "q"])
    }
}
