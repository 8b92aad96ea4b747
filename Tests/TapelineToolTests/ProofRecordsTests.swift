import MarketModel
import Primitives
import StreamCore
import Testing

@testable import TapelineTool

@Suite("Cancels, as the proof of bars applies them") struct ProofRecordsTests {
    private let lists = ProofRecords.Lists(series: [], deduplicates: [])

    private func tick(ordinal: UInt64 = 1) throws -> ProofTick {
        let source = try #require(SourceName("ibkr"))
        var tick = ProofTick(
            symbol: SourceSymbol(try #require(Symbol("AAPL")), of: source), provider: "test",
            source: source, ordinal: ordinal)
        tick.trade = Trade(
            header: TickHeader(
                symbol: 0, providerTime: Timestamp(nanoseconds: 5),
                receiveTime: Timestamp(nanoseconds: 6), providerID: 7),
            price: Price(raw: 1), size: Quantity(raw: 1), exchange: try #require(ShortText("N")))
        return tick
    }

    private func mended(
        _ tick: ProofTick, by change: ProofRecords.Change?, at time: Int64 = 5
    ) -> Trade? {
        var records = ProofRecords()
        records.note(
            change, of: ProofRecords.Place(source: tick.source, ordinal: 1), tick.symbol, time)
        return records.mended(tick, lists, [:]).trade
    }

    @Test("a trade counts as its changes left it, and its window is to be computed again")
    func changes() throws {
        let trade = try tick()
        #expect(mended(trade, by: .cancel)?.header.action == TradeAction.cancel.rawValue)
        let values = ProofRecords.Change.Values(
            price: Price(raw: 2), size: Quantity(raw: 3), exchange: try #require(ShortText("Q")),
            conditions: try #require(ShortText("T")))
        let corrected = try #require(mended(trade, by: .correct(values)))
        #expect(corrected.header.action == TradeAction.new.rawValue)
        #expect((corrected.price, corrected.size) == (values.price, values.size))
        #expect((corrected.exchange, corrected.conditions) == (values.exchange, values.conditions))
        #expect(mended(trade, by: nil)?.price == Price(raw: 1))
        // Another trade, and one that a restored tape has under the same ordinal.
        #expect(mended(try tick(ordinal: 2), by: .correct(values))?.price == Price(raw: 1))
        #expect(mended(trade, by: .correct(values), at: 6)?.price == Price(raw: 1))
        var records = ProofRecords()
        records.note(
            nil, of: ProofRecords.Place(source: trade.source, ordinal: 1), trade.symbol, 5)
        #expect(records.dirty[trade.symbol] == [5])
    }

    @Test("a fetched quote is a reason to compute the windows of trades again that it may decide")
    func quotes() throws {
        var tick = try tick()
        tick.trade = nil
        tick.quote = Quote(
            header: TickHeader(
                symbol: 0, flags: .backfilled, providerTime: Timestamp(nanoseconds: 100),
                receiveTime: Timestamp(nanoseconds: 900)),
            bidPrice: Price(raw: 1), bidSize: Quantity(raw: 1), askPrice: Price(raw: 2),
            askSize: Quantity(raw: 1))
        var records = ProofRecords()
        records.note(tick)
        let series = try #require(SeriesName("1s"))
        var found: [[Bool]] = []
        for open in [90, 100, 110] as [Int64] {
            let key = ProofKey(symbol: tick.symbol, series: series, openTime: open, number: 0)
            found.append(
                ([0, 9, 10] as [Int64]).map {
                    records.isDirty(key, until: open + 10, quoteAge: $0)
                })
        }
        #expect(found == [[false, false, false], [true, true, true], [false, false, true]])
    }

    @Test("the duplicate of a trade that was cancelled stays left out")
    func duplicates() throws {
        let duplicate = try tick(ordinal: 2)
        let once = try #require(SeriesName("once"))
        let lists = ProofRecords.Lists(
            series: [try #require(SeriesName("1s"))], deduplicates: [once])
        for isCancelled in [false, true] {
            var records = ProofRecords()
            records.add(
                ProofRecords.Late(openTime: 5, output: 1),
                of: ProofRecords.Place(source: duplicate.source, ordinal: 2), duplicate.symbol,
                series: once)
            if isCancelled {
                records.note(
                    .cancel, of: ProofRecords.Place(source: duplicate.source, ordinal: 1),
                    duplicate.symbol, 5)
            }
            let mended = records.mended(duplicate, lists, [:])
            #expect(mended.header?.flags.contains(.backfilled) == isCancelled)
        }
    }
}
