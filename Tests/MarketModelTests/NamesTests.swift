import MarketModel
import Testing

@Suite struct NamesTests {
    @Test(
        "names of sources",
        arguments: [
            ("synthetic", true), ("ib-1", true), ("a", true), ("0", true), ("-", true),
            (String(repeating: "a", count: 24), true), ("", false), ("IB", false), ("a_b", false),
            ("a.b", false), ("a b", false), ("*", false), (">", false), ("é", false),
            ("a\n", false),
            ("`", false), ("{", false), ("/", false), (":", false),
            (String(repeating: "a", count: 25), false),
        ])
    func source(text: String, valid: Bool) {
        #expect(SourceName(text)?.text == (valid ? text : nil))
    }

    @Test(
        "names of series",
        arguments: [
            ("1s", true), ("1m", true), ("Daily_RTH-2", true), ("AZaz09_-", true),
            (String(repeating: "Z", count: 32), true), ("", false), ("1 s", false), ("a.b", false),
            ("é", false), ("@", false), ("[", false), ("`", false), ("{", false), ("1s\n", false),
            (String(repeating: "Z", count: 33), false),
        ])
    func series(text: String, valid: Bool) {
        #expect(SeriesName(text)?.text == (valid ? text : nil))
    }

    @Test("names are ordered as their text is, and read as it")
    func order() throws {
        let (ib, synthetic) = try (#require(SourceName("ib")), #require(SourceName("synthetic")))
        #expect(ib < synthetic && !(synthetic < ib))
        #expect("\(ib)" == "ib")
        let (minute, second) = try (#require(SeriesName("1m")), #require(SeriesName("1s")))
        #expect(minute < second && !(second < minute))
        #expect("\(minute)" == "1m")
    }

    @Test("the source of everything derived is a valid name")
    func derived() {
        #expect(SourceName(SourceName.operator.text) == .operator)
        #expect(SourceName.operator.text == "operator")
    }

    @Test(
        "bytes from the wire are a name only if a text would be",
        arguments: [
            ([0x61], [], true), ([0x61, 0, 0x61], [], false), ([], [0x61], false),
            ([0x61, 0, 0, 0, 0, 0, 0, 0], [0x61], false),
            ([0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68], [0x2d], true),
            ([0x41], [], false), ([0xff], [], false), ([], [], false),
        ] as [([UInt8], [UInt8], Bool)])
    func wireName(first: [UInt8], second: [UInt8], valid: Bool) {
        func word(_ bytes: [UInt8]) -> UInt64 {
            bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
        }
        let name = SourceName(words: SourceName.Words(word(first), word(second), 0))
        #expect((name != nil) == valid)
        if let name { #expect(SourceName(name.text) == name) }
    }

    @Test("names in bytes have the order of their texts")
    func byteOrder() throws {
        let texts = ["-", "0", "a", "aa", "ab", "abcdefgh", "abcdefgh-", "b", "zzzzzzzzzzzzzzzzzz"]
        for left in texts {
            for right in texts {
                let names = try (#require(SourceName(left)), #require(SourceName(right)))
                #expect((names.0 < names.1) == (left < right))
                #expect((names.0 == names.1) == (left == right))
            }
        }
    }

    @Test("The source of delayed data is named after the other one")
    func delayed() {
        for (name, isDelayed) in [
            ("ibkr-delayed", true), ("a-delayed", true), ("sixteen-letters-delayed", true),
            ("ibkr", false), ("delayed", false), ("ibkr-delayed-2", false), ("xdelayed", false),
        ] {
            #expect(SourceName(name)?.isDelayed == isDelayed, "\(name)")
        }
        #expect(SourceName("ibkr")?.delayed == SourceName("ibkr-delayed"))
        #expect(SourceName("a23456789012345678")?.delayed == nil)
    }

    @Test("A source of a provider's past is named after the other one, and may have a number")
    func history() {
        for (name, isHistory) in [
            ("binance-history", true), ("binance-history-2", true), ("a-history-123", true),
            ("a-b-history", true), ("history", false), ("-history", false), ("-history-2", false),
            ("binance", false), ("binance-history-", false), ("binance-history-2-3", false),
            ("binance-history2", false), ("binance-history-x", false), ("a-history-delayed", false),
        ] {
            #expect(SourceName(name)?.isHistory == isHistory, "\(name)")
            let kind = SourceName(name).map { SourceKind(of: $0, providers: ["binance"]) }
            #expect((kind == .madeUp) == isHistory, "\(name)")
        }
    }
}
