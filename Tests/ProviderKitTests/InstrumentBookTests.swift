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
