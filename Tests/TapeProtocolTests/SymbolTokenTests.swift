import MarketModel
import TapeProtocol
import Testing

@Suite
struct SymbolTokenTests {
    /// As Python's `quote(symbol, safe="").replace(".", "%2E")` writes them.
    static let known = [
        ("AAPL", "AAPL"), ("BRK.B", "BRK%2EB"), ("ES=F", "ES%3DF"), ("BTC/USD", "BTC%2FUSD"),
        ("^GSPC", "%5EGSPC"), ("7203.T", "7203%2ET"),
        ("SPY   261218C00500000", "SPY%20%20%20261218C00500000"),
        ("🚀", "%F0%9F%9A%80"), ("é", "%C3%A9"), ("*", "%2A"), (">", "%3E"), ("%", "%25"),
        ("a-b_c~d", "a-b_c~d"), ("..", "%2E%2E"), ("$X", "%24X"), ("A%2EB", "A%252EB"),
    ]

    @Test("a symbol's token is the one that other languages make, and leads back to it")
    func knownTokens() throws {
        for (text, token) in Self.known {
            let symbol = try #require(Symbol(text))
            #expect(SymbolToken.encode(symbol) == token)
            #expect(SymbolToken.decode(token) == symbol)
        }
    }

    @Test("every symbol comes back byte by byte, and its token holds nothing that a subject cannot")
    func roundTrip() throws {
        var random = SystemRandomNumberGenerator()
        var texts = [
            String(repeating: "🚀", count: 75), String(repeating: ".", count: 300),
            String(repeating: "é", count: 150), String(repeating: "x", count: 300),
            // One name in one scalar and in two, which are different symbols.
            "e\u{301}",
        ]
        for _ in 0..<2_000 {
            let count = Int.random(in: 1...40, using: &random)
            var text = ""
            for _ in 0..<count {
                let limit: UInt32 = Bool.random(using: &random) ? 0x7e : 0x1f_ffff
                guard let scalar = Unicode.Scalar(UInt32.random(in: 0x20...limit, using: &random))
                else { continue }
                text.unicodeScalars.append(scalar)
            }
            texts.append(text)
        }
        for text in texts {
            guard let symbol = Symbol(text) else { continue }
            let token = SymbolToken.encode(symbol)
            #expect(
                !token.isEmpty && token.utf8.allSatisfy { (0x21...0x7e).contains($0) }
                    && !token.utf8.contains { [0x2e, 0x2a, 0x3e].contains($0) }, "\(text)")
            #expect(SymbolToken.decode(token) == symbol, "\(text)")
        }
    }

    @Test("two tokens never mean one symbol: a character that needs no escape has none")
    func canonical() {
        #expect(SymbolToken.decode("%2e") == Symbol("."))
        for token in [
            "", "%41", "A.B", "A B", "%", "%4", "%G0", "%2", "A%", "é", "*", ">", "%FF", "%C3",
            "%00",
            "%0A", "%7F", "A/B", "%-1", "%+1",
        ] {
            #expect(SymbolToken.decode(token) == nil, "\(token)")
        }
    }

    @Test("subjects of the live fan-out name the namespace, the kind, the series and the symbol")
    func subjects() throws {
        let names = try #require(TapeNames(namespace: "md", partitions: 32))
        let symbol = try #require(Symbol("BRK.B"))
        let series = try #require(SeriesName("1m"))
        #expect(names.liveTrades(symbol) == "md.live.trade.BRK%2EB")
        #expect(names.liveQuotes(symbol) == "md.live.quote.BRK%2EB")
        #expect(names.liveBars(series, symbol) == "md.live.bar.1m.BRK%2EB")
        #expect(names.liveTrades(of: nil) == "md.live.trade.*")
        #expect(names.liveQuotes(of: symbol) == "md.live.quote.BRK%2EB")
        #expect(names.liveTrades(of: symbol) == "md.live.trade.BRK%2EB")
        #expect(names.liveQuotes(of: nil) == "md.live.quote.*")
        #expect(names.liveBars(of: symbol) == "md.live.bar.*.BRK%2EB")
        #expect(names.liveBars(of: nil) == "md.live.bar.*.*")
    }
}
