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

    @Test("subjects of the live fan-out name the kind, the series, the symbol and the source")
    func subjects() throws {
        let names = try #require(TapeNames(namespace: "md", partitions: 32))
        let symbol = try #require(Symbol("BRK.B"))
        let series = try #require(SeriesName("1m"))
        let source = try #require(SourceName("ibkr-a"))
        #expect(names.liveTrades(symbol, source) == "md.live.trade.BRK%2EB.ibkr-a")
        #expect(names.liveQuotes(symbol, source) == "md.live.quote.BRK%2EB.ibkr-a")
        #expect(names.liveBars(series, symbol, source) == "md.live.bar.1m.BRK%2EB.ibkr-a")
        #expect(
            names.liveTicks(ofNode: "big", symbol, source) == "md.live.node.big.BRK%2EB.ibkr-a")
        #expect(
            names.liveProviderBars(symbol, source) == "md.live.provider-bar.BRK%2EB.ibkr-a")
        #expect(names.liveProviderBars(of: symbol, nil) == "md.live.provider-bar.BRK%2EB.*")
        #expect(names.liveTrades(of: nil, nil) == "md.live.trade.*.*")
        #expect(names.liveTrades(of: symbol, nil) == "md.live.trade.BRK%2EB.*")
        #expect(names.liveTrades(of: nil, source) == "md.live.trade.*.ibkr-a")
        #expect(names.liveQuotes(of: nil, nil) == "md.live.quote.*.*")
        #expect(names.liveQuotes(of: symbol, source) == "md.live.quote.BRK%2EB.ibkr-a")
        #expect(names.liveBars(of: nil, nil) == "md.live.bar.*.*.*")
        #expect(names.liveBars(of: symbol, nil) == "md.live.bar.*.BRK%2EB.*")
        #expect(names.liveBars(of: symbol, source) == "md.live.bar.*.BRK%2EB.ibkr-a")
    }

    /// NATS' rule for filters without `>`.
    private func matches(_ subject: String, _ filter: String) -> Bool {
        let (tokens, wanted) = (subject.split(separator: "."), filter.split(separator: "."))
        return tokens.count == wanted.count
            && zip(tokens, wanted).allSatisfy { $1 == "*" || $0 == $1 }
    }

    @Test("a value is heard once by those who ask for its symbol or its source, and by no others")
    func valueFilters() throws {
        let names = try #require(TapeNames(namespace: "md", partitions: 32))
        let (a, b) = (try #require(Symbol("A.A")), try #require(Symbol("B")))
        let (x, y) = (try #require(SourceName("x")), try #require(SourceName("y")))
        for name in ["GDP", "stats.1m.mean", ".odd", "B"] {
            for (symbol, source) in [(a, x), (a, y), (b, x), (b, y)] {
                let subject = names.liveValues(name, symbol, source)
                for wantedSymbol in [nil, a, b] {
                    for wantedSource in [nil, x, y] where (wantedSymbol, wantedSource) != (nil, nil)
                    {
                        let heard = names.liveValues(of: wantedSymbol, wantedSource)
                            .count { matches(subject, $0) }
                        let isWanted =
                            [nil, symbol].contains(wantedSymbol)
                            && [nil, source].contains(wantedSource)
                        #expect(heard == (isWanted ? 1 : 0), "\(subject)")
                    }
                }
            }
            // A value without a symbol belongs to none, and to no source of one.
            let subject = names.liveValues(name, nil, x)
            #expect(!names.liveValues(of: nil, x).contains { matches(subject, $0) })
        }
        #expect(names.liveValues(of: nil, nil) == ["md.live.value.>"])
    }
}
