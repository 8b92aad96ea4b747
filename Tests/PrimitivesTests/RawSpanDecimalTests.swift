import Primitives
import Testing

@Suite("Decimal numbers in text that stays where it is")
struct RawSpanDecimalTests {
    private static let dot = UInt8(ascii: ".")

    private func last(_ text: String, before end: Int? = nil) -> [UInt64]? {
        Array(text.utf8).withRawSpan { span in
            span.lastNumber(before: end ?? span.byteCount, behind: Self.dot).map {
                [$0.value, UInt64($0.separator)]
            }
        }
    }

    @Test(
        "the number behind the last separator",
        arguments: [
            ("a.0", [0, 1]), ("a.b.17", [17, 3]), (".5", [5, 0]), ("a.007", [7, 1]),
            ("a.18446744073709551615", [UInt64.max, 1]),
            ("a.00000000000000000001", [1, 1]),
        ])
    func numbers(text: String, expected: [UInt64]) { #expect(last(text) == expected) }

    @Test(
        "what is no number of 64 bits is none",
        arguments: [
            "", ".", "5", "a.", "a.x", "a.1x", "a.-1", "a.+1", "a. 1", "a.18446744073709551616",
            "a.99999999999999999999", "a.000000000000000000001", "a.28446744073709551615",
        ])
    func none(text: String) { #expect(last(text) == nil) }

    @Test("the end may stand anywhere in the text, and not behind it")
    func ends() {
        #expect(last("a.12.34", before: 4) == [12, 1])
        #expect(last("a.12.34", before: 3) == [1, 1])
        #expect(last("a.12.34", before: 0) == nil)
        #expect(last("a.12.34", before: 8) == nil)
        Array("a.b.c".utf8).withRawSpan { span in
            #expect(span.lastIndex(of: Self.dot, before: 5) == 3)
            #expect(span.lastIndex(of: Self.dot, before: 3) == 1)
            #expect(span.lastIndex(of: Self.dot, before: 1) == nil)
            #expect(span.lastIndex(of: Self.dot, before: 99) == 3)
        }
    }
}
