import Testing

@testable import TapeTraces

@Suite("What a collector answers")
struct CollectorAnswerTests {
    @Test("the spans that it refused are read, behind what is not known, too")
    func refused() {
        #expect(CollectorAnswer.refused([0x0a, 0x02, 0x08, 0x03]) == 3)
        // 300 spans, behind its reason, a number, and eight and four bytes.
        let known: [UInt8] = [0x08, 0xac, 0x02]
        let others: [UInt8] =
            [0x12, 0x02, 0x6e, 0x6f, 0x18, 0x07]
            + [0x21, 0, 0, 0, 0, 0, 0, 0, 0, 0x2d, 0, 0, 0, 0]
        let partial = others + known
        #expect(CollectorAnswer.refused([0x0a, UInt8(partial.count)] + partial) == 300)
    }

    @Test(
        "an answer without them, or that is none, refuses nothing",
        arguments: [
            [], [0x0a, 0x00], [0x0a, 0x02, 0x12, 0x00], [0x0a, 0x7f, 0x08, 0x03], [0x0a], [0x0b],
            [0x08, 0x03], Array("<html>no</html>".utf8), Array("{\"partialSuccess\":{}}".utf8),
            Array(repeating: 0xff, count: 40),
            // -1
            [0x0a, 0x0b, 0x08] + Array(repeating: 0xff, count: 9) + [0x01],
        ] as [[UInt8]])
    func nothing(_ body: [UInt8]) { #expect(CollectorAnswer.refused(body) == 0) }
}
