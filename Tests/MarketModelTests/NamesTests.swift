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
}
