import Primitives
import Testing

@Suite struct RawSpanLoadTests {
    private let bytes: [UInt8] = [
        0xff, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x88, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e,
        0x0f,
        0x90,
    ]

    @Test("integers are little-endian, at any alignment")
    func loads() {
        bytes.withRawSpan { span in
            #expect(span.uint8(at: 0) == 0xff)
            #expect(span.uint16(at: 1) == 0x0201)
            #expect(span.uint32(at: 1) == 0x0403_0201)
            #expect(span.uint64(at: 1) == 0x8807_0605_0403_0201)
            #expect(span.int64(at: 1) == Int64(bitPattern: 0x8807_0605_0403_0201))
            #expect(span.int64(at: 0) == 0x0706_0504_0302_01ff)
            let high = Int128(Int64(bitPattern: 0x900f_0e0d_0c0b_0a09))
            #expect(span.int128(at: 1) == high << 64 | 0x8807_0605_0403_0201)
        }
    }

    @Test("bytes become text, and malformed ones a replacement character")
    func text() {
        #expect(Array("añ😀".utf8).withRawSpan { $0.text } == "añ😀")
        #expect([0x61, 0xff, 0x62].withRawSpan { $0.text } == "a\u{fffd}b")
        #expect([UInt8]().withRawSpan { $0.text } == "")
        #expect(bytes.withRawSpan { $0.array } == bytes)
        #expect([UInt8]().withRawSpan { $0.array } == [])
    }

    @Test("what the body throws comes out of withRawSpan")
    func throwing() {
        struct Refused: Error {}
        #expect(throws: Refused.self) {
            try [UInt8(1)].withRawSpan { _ throws(Refused) in throw Refused() }
        }
    }

    @Test("a load behind the end is stopped, whatever its width")
    func trapsOutOfBounds() async {
        await #expect(processExitsWith: .failure) {
            _ = [UInt8](repeating: 0, count: 7).withRawSpan { $0.uint64(at: 0) }
        }
        await #expect(processExitsWith: .failure) {
            _ = [UInt8](repeating: 0, count: 15).withRawSpan { $0.int128(at: 0) }
        }
        await #expect(processExitsWith: .failure) {
            _ = [UInt8](repeating: 0, count: 1).withRawSpan { $0.uint8(at: -1) }
        }
    }
}
