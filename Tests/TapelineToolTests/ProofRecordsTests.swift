import MarketModel
import Primitives
import StreamCore
import Testing

@testable import TapelineTool

@Suite("Cancels, as the proof of bars applies them") struct ProofRecordsTests {
    private func tick(
        _ owner: String, from source: SourceName, _ action: TradeAction = .new, at received: Int64
    ) throws -> ProofTick {
        let pair = SourceSymbol(
            try #require(Symbol("AAPL")), of: try #require(SourceName(owner)))
        var tick = ProofTick(symbol: pair, provider: "test", source: source, ordinal: 1)
        tick.trade = Trade(
            header: TickHeader(
                symbol: 0, action: action.rawValue, providerTime: Timestamp(nanoseconds: 5),
                receiveTime: Timestamp(nanoseconds: received), providerID: 7),
            price: Price(raw: 1), size: Quantity(raw: 1))
        return tick
    }

    private func isCancelled(_ tick: ProofTick, by change: ProofTick) -> Bool {
        var records = ProofRecords()
        records.note(change)
        let lists = ProofRecords.Lists(series: [], deduplicates: [])
        let mended = records.mended(tick, lists, [:])
        return mended.header?.action == TradeAction.cancel.rawValue
    }

    @Test("members of a group share the ids of trades, and other sources do not")
    func members() throws {
        let (one, other) = (try #require(SourceName("ibkr-a")), try #require(SourceName("ibkr-b")))
        let trade = try tick("ibkr", from: one, at: 6)
        #expect(isCancelled(trade, by: try tick("ibkr", from: other, .cancel, at: 9)))
        #expect(!isCancelled(trade, by: try tick("synthetic", from: other, .cancel, at: 9)))
    }

    @Test("a person's cancel concerns the source that it names, or every source")
    func people() throws {
        let one = try #require(SourceName("ibkr"))
        let trade = try tick("ibkr", from: one, at: 6)
        for (named, isMeant) in [("ibkr", true), ("synthetic", false), ("manual", true)] {
            let cancel = try tick(named, from: .manual, .cancel, at: 9)
            #expect(isCancelled(trade, by: cancel) == isMeant, "\(named)")
        }
    }

    @Test("the duplicate of a trade that a person cancelled stays left out")
    func duplicates() throws {
        let one = try #require(SourceName("ibkr"))
        var duplicate = try tick("ibkr", from: one, at: 7)
        duplicate.ordinal = 2
        let once = try #require(SeriesName("once"))
        let lists = ProofRecords.Lists(
            series: [try #require(SeriesName("1s"))], deduplicates: [once])
        for isCancelled in [false, true] {
            var records = ProofRecords()
            records.add(
                ProofRecords.Late(openTime: 5, output: 1),
                of: ProofRecords.Place(source: one, ordinal: 2), duplicate.symbol, series: once)
            if isCancelled {
                records.note(
                    .cancel, of: ProofRecords.Place(source: one, ordinal: 1), duplicate.symbol, 5)
            }
            let mended = records.mended(duplicate, lists, [:])
            #expect(mended.header?.flags.contains(.backfilled) == isCancelled)
        }
    }

    @Test("of the changes by a source and by people the later one counts")
    func later() throws {
        let one = try #require(SourceName("ibkr"))
        let trade = try tick("ibkr", from: one, at: 6)
        for (byPeople, isCancelled) in [(Int64(8), false), (10, true)] {
            var records = ProofRecords()
            records.note(try tick("ibkr", from: one, .correction, at: 9))
            records.note(try tick("manual", from: .manual, .cancel, at: byPeople))
            let lists = ProofRecords.Lists(series: [], deduplicates: [])
            let mended = records.mended(trade, lists, [:])
            #expect((mended.header?.action == TradeAction.cancel.rawValue) == isCancelled)
        }
    }
}
