import MarketModel
import Primitives
import Testing

@Suite struct ShortTextTests {
    @Test(
        "printable ASCII of up to eight characters goes in and comes out",
        arguments: ["", "A", "NASDAQ", "ARCAEDGE", " ", "  T ", "~!@#", "00000000"])
    func valid(text: String) throws {
        #expect(try #require(ShortText(text)).text == text)
    }

    @Test(
        "anything else is refused",
        arguments: ["123456789", "é", "\0", "A\nB", "\u{7f}", "😀", "A\u{80}"])
    func invalid(text: String) {
        #expect(ShortText(text) == nil)
    }

    @Test("the first character is the lowest byte, and unused bytes are zero")
    func layout() {
        #expect(ShortText("AB")?.raw == 0x4241)
        #expect(ShortText("")?.raw == 0)
        #expect(ShortText.empty.text == "")
    }

    @Test(
        "a damaged word is shown, never trusted",
        arguments: [
            (UInt64.max, "????????"), (0x4200_41, "A?B"), (0x0a41, "A?"), (0x4100, "?A"),
            (0x8000_0000_0000_0000, "????????"),
        ])
    func damaged(raw: UInt64, text: String) {
        #expect(ShortText(raw: raw).text == text)
    }

    @Test("any word can be shown, as printable ASCII", arguments: 0..<5)
    func random(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        for _ in 0..<200 {
            let text = ShortText(raw: random.next()).text
            #expect(ShortText(text)?.text == text, "seed \(seed)")
        }
    }
}
