import MarketModel
import OperatorGraph
import Primitives
import StreamCore
import Testing

@testable import TapelineTool

/// A fetched tick that also came at its time counts once in a proof, as it came.
@Suite("Twins of fetched ticks in proofs") struct ProofTwinsTests {
    private func trade(
        _ id: UInt64, at seconds: Int64, symbol: String = "AAPL", isFetched: Bool = false
    ) throws -> ProofTick {
        let source = try #require(SourceName("ibkr"))
        var tick = ProofTick(
            symbol: SourceSymbol(try #require(Symbol(symbol)), of: source), provider: "test",
            source: source, ordinal: id)
        let time = Timestamp(nanoseconds: seconds * 1_000_000_000)
        tick.trade = Trade(
            header: TickHeader(
                symbol: 0, flags: isFetched ? .backfilled : [], providerTime: time,
                receiveTime: isFetched ? Timestamp(nanoseconds: 1_000_000_000_000) : time,
                providerID: id), price: Price(raw: Int64(id)), size: Quantity(raw: 1))
        return tick
    }

    @Test("it is one of the same symbol and key within the time to live, of the node's kind")
    func twins() throws {
        let rule = DeduplicateRule(key: [.id], timeToLive: 10_000_000_000)
        let definition = GraphDefinition(
            name: "test",
            nodes: [
                GraphNode(name: "once", input: .ticks(.trade), operation: .deduplicate(rule)),
                GraphNode(name: "quoted", input: .ticks(.quote), operation: .deduplicate(rule)),
                GraphNode(
                    name: "bars", input: .node(0),
                    operation: .bars(BarRule(series: try BarSeriesSet(["1s"])), calendar: nil)),
            ])
        var twins = ProofTwins(definition)
        for (id, seconds) in [(1, 100), (2, 101), (3, 102)] as [(UInt64, Int64)] {
            twins.note(try trade(id, at: seconds))
        }
        let marked = twins.marked([
            try trade(1, at: 105, isFetched: true), try trade(2, at: 120, isFetched: true),
            try trade(3, at: 102, symbol: "MSFT", isFetched: true),
            try trade(4, at: 102, isFetched: true),
        ])
        let once = try #require(SeriesName("once"))
        #expect(marked.map(\.twinFor) == [[once], [], [], []])
        let lists = ProofRecords.Lists(
            series: [try #require(SeriesName("1s"))], deduplicates: [once])
        let records = ProofRecords()
        #expect(
            marked.map { records.mended($0, lists, [:]).isLeftOut } == [true, false, false, false])
        let others = ProofRecords.Lists(series: lists.series, deduplicates: [])
        #expect(!records.mended(marked[0], others, [:]).isLeftOut)
    }
}
