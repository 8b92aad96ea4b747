import MarketModel
import Testing

@Suite struct TickKindTests {
    @Test(
        "ratios from floating point, none for what is no number or too large",
        arguments: [
            (0.0, 0), (0.25, 250_000_000), (-0.5, -500_000_000), (1e-9, 1), (4e-10, 0),
            (9.2e9, 9_200_000_000_000_000_000), (1e10, nil), (-1e10, nil), (Double.nan, nil),
            (Double.infinity, nil), (-Double.infinity, nil), (Double.greatestFiniteMagnitude, nil),
        ] as [(Double, Int64?)])
    func ratio(value: Double, raw: Int64?) { #expect(Ratio(value)?.raw == raw) }

    @Test("ratios are ordered, and undefined is none")
    func ratioOrder() {
        #expect(Ratio(raw: -1) < Ratio(raw: 1))
        #expect(!Ratio.undefined.isDefined && Ratio(raw: 0).isDefined)
    }

    @Test(
        "market makers",
        arguments: [
            ("", true), ("NSDQ", true), ("DRCTEDGE", true), ("OVERNIGHT", true),
            ("ABCDEFGHIJKLMNOP", true), ("ABCDEFGHIJKLMNOPQ", false), ("é", false),
            ("A\r\nB", false), ("A\u{7f}", false),
        ])
    func marketMaker(text: String, valid: Bool) {
        #expect(MarketMaker(text)?.text == (valid ? text : nil))
    }
}
