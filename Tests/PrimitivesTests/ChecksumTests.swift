import Primitives
import Testing

@Suite struct ChecksumTests {
    @Test(
        "XXH3-64 of text is that of other languages' libraries",
        arguments: [
            ("", 0x2d06_8005_38d3_94c2), ("a", 0xe6c6_32b6_1e96_4e1f),
            ("abc", 0x78af_5f94_892f_3950), ("AAPL", 0xdfb0_aa5c_25cc_e8c5),
            ("message digest", 0x160d_8e93_29be_94f9),
        ] as [(String, UInt64)])
    func text(text: String, checksum: UInt64) {
        #expect(Checksum.of(text) == checksum)
        #expect(Array(text.utf8).withRawSpan { Checksum.of($0) } == checksum)
    }

    /// XXH3 has separate code for each of these ranges of lengths.
    @Test(
        "XXH3-64 of bytes, plain and chained, at the borders of its code paths",
        arguments: [
            (8, 0x6053_9db6_3047_1163, 0x5c53_63c8_008e_62da),
            (16, 0xb8c8_59b0_f030_b585, 0x5fd5_1fc1_02af_6f6b),
            (17, 0x714a_0440_8e79_b80f, 0x3095_0a9d_13f8_427b),
            (64, 0x287e_b1fa_9e4b_e2c1, 0x70c0_a642_d266_917a),
            (128, 0x6742_5a03_6502_61bf, 0xfa02_9fbe_b651_6b5f),
            (129, 0xc664_bf33_11c6_abc4, 0x5a0c_0ca8_5e1e_65d7),
            (240, 0x6455_6dc6_b462_a6cf, 0xaec1_cacd_f9ed_cfd2),
            (241, 0x8bea_dd3a_8874_fe17, 0x7c89_685c_f1ec_b411),
            (512, 0xf582_02b8_d901_9d1d, 0xee10_0e42_3a36_3320),
            (1_000, 0x6c4f_14bd_97bd_9e82, 0xdc23_7797_51d1_83b1),
        ] as [(Int, UInt64, UInt64)])
    func bytes(count: Int, plain: UInt64, chained: UInt64) {
        let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 * 7 + 3) }
        #expect(bytes.withRawSpan { Checksum.of($0) } == plain)
        let seed: UInt64 = 0x0123_4567_89ab_cdef
        #expect(bytes.withRawSpan { Checksum.chained($0, after: seed) } == chained)
    }

    @Test("a number in a chain counts as its bytes, little endian")
    func number() {
        let bytes = ([1, 2, 3, 4, 5, 6, 7, 8] as [UInt8]).withRawSpan {
            Checksum.chained($0, after: 9)
        }
        #expect(Checksum.chained(0x0807_0605_0403_0201, after: 9) == bytes)
    }

    @Test("a chain notices one changed link, a missing one and a changed order")
    func chain() {
        func chain(_ links: [String]) -> UInt64 {
            links.reduce(0) { previous, link in
                Array(link.utf8).withRawSpan { Checksum.chained($0, after: previous) }
            }
        }
        let whole = chain(["one", "two", "three"])
        #expect(whole == chain(["one", "two", "three"]))
        #expect(whole != chain(["one", "twO", "three"]))
        #expect(whole != chain(["one", "three"]))
        #expect(whole != chain(["two", "one", "three"]))
    }
}
