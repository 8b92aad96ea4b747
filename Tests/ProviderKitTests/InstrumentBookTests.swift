import MarketModel
import ProviderKit
import Testing

@Suite("The book of instruments")
struct InstrumentBookTests {
    private func instrument(
        _ name: String, _ feeds: Instrument.Feeds = .level1
    ) throws -> Instrument {
        Instrument(
            symbol: try #require(Symbol(name)), contract: Instrument.Contract(.stock), feeds: feeds)
    }

    @Test("numbers stay; what is new, changed or gone is told, and nothing of what stays")
    func follow() throws {
        let book = InstrumentRegistry([
            try instrument("A"), try instrument("B"), try instrument("C"),
        ])
        #expect(book.wanted == [0, 1, 2])
        let change = book.follow([
            try instrument("C"), try instrument("D"), try instrument("B", .trades),
        ])
        #expect(change.begun == [3, 1] && change.ended == [1, 0] && change.refused.isEmpty)
        #expect(book.wanted == [1, 2, 3])
        #expect(book.instrument(0)?.symbol.text == "A" && book.instrument(3)?.symbol.text == "D")
        #expect(book.instrument(1)?.feeds == .trades)
        let back = book.follow([
            try instrument("A"), try instrument("B", .trades), try instrument("C"),
            try instrument("D"),
        ])
        #expect(back.begun == [0] && back.ended.isEmpty && book.count == 4)
    }

    @Test("another lot begins nothing again, and only changes the definition")
    func lots() throws {
        var first = try instrument("A")
        let book = InstrumentRegistry([first, try instrument("B")])
        first.lot = RoundLot(Quantity(raw: 4_000_000_000))
        let change = book.follow([first, try instrument("B")])
        #expect(change.redefined == [0] && change.begun.isEmpty && change.ended.isEmpty)
        #expect(!change.isEmpty && book.instrument(0)?.lot == first.lot)
        #expect(book.follow([first, try instrument("B")]).isEmpty)
        #expect(book.lotChanges == 1)
        // With other feeds it begins again, and its definition has the lot.
        first.feeds = .trades
        first.lot = nil
        let again = book.follow([first, try instrument("B")])
        #expect(again.begun == [0] && again.ended == [0] && again.redefined.isEmpty)
        #expect(book.lotChanges == 2)
    }

    @Test("one that is named twice is there once, as it was named first")
    func twice() throws {
        let book = InstrumentRegistry([try instrument("A"), try instrument("A", .trades)])
        #expect(book.count == 1 && book.instrument(0)?.feeds == .level1)
    }

    @Test("more than there are numbers for are refused by name")
    func limit() throws {
        let all = try (0...ProviderLimits.instrumentsMax).map { try instrument("S\($0)") }
        let book = InstrumentRegistry()
        let change = book.follow(all)
        #expect(change.begun.count == ProviderLimits.instrumentsMax)
        #expect(change.refused.map(\.text) == ["S\(ProviderLimits.instrumentsMax)"])
    }
}
