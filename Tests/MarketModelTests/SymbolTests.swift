import MarketModel
import Testing

@Suite struct SymbolTests {
    @Test(
        "what providers call an instrument is a symbol, unchanged",
        arguments: [
            "AAPL", "BRK.B", "ES=F", "BTC/USD", "^GSPC", "7203.T", "😀", "SPY   261218C00500000",
            " ",
            "*", ">", "a.b.c", "$", "'; DROP TABLE bars; --", "Ü", "\u{a0}",
            String(repeating: "x", count: Symbol.utf8CountMax),
        ])
    func valid(text: String) throws {
        let symbol = try #require(Symbol(text))
        #expect(symbol.text == text)
        #expect(symbol.description == text)
    }

    @Test(
        "control characters, nothing, and too much are no symbol",
        arguments: [
            "", "\0", "A\nB", "A\t", "\u{1f}", "\u{7f}", "A\u{85}", "\u{9f}",
            String(repeating: "x", count: Symbol.utf8CountMax + 1),
            String(repeating: "é", count: Symbol.utf8CountMax / 2 + 1),
        ])
    func invalid(text: String) {
        #expect(Symbol(text) == nil)
    }

    @Test("symbols are equal when their bytes are, not when Unicode takes their text for equal")
    func equality() throws {
        let composed = try #require(Symbol("\u{e9}"))
        let decomposed = try #require(Symbol("e\u{301}"))
        #expect(composed.text == decomposed.text, "String's own idea of equality")
        #expect(composed != decomposed)
        #expect(Set([composed, decomposed, composed]).count == 2)
        // Both have the same number of bytes, too.
        let angstrom = try #require(Symbol("\u{212b}"))
        #expect(try angstrom != #require(Symbol("A\u{30a}")))
        #expect(try angstrom == #require(Symbol("\u{212b}")))
    }
}
