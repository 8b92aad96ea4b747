import Primitives
import Testing

@Suite struct Murmur3Tests {
    @Test(
        "hashes of text are those of Python's mmh3",
        arguments: [
            ("", 0), ("a", 1_009_084_850), ("ab", 2_613_040_991), ("abc", 3_017_643_002),
            ("abcd", 1_139_631_978), ("AAPL", 3_750_833_799), ("BRK.B", 2_416_543_347),
            ("ES=F", 2_767_696_074), ("BTC/USD", 128_652_469), ("^GSPC", 2_731_097_364),
            ("7203.T", 3_035_897_319), ("😀", 3_199_479_546),
            ("SPY   261218C00500000", 2_342_377_147),
        ] as [(String, UInt32)])
    func known(text: String, hash: UInt32) {
        #expect(Murmur3.hash32(text) == hash)
    }

    /// Python: `mmh3.hash(text, seed, signed=False)`.
    @Test(
        "the seed enters the hash",
        arguments: [
            ("AAPL", 1, 2_139_839_895), ("BRK.B", 4_294_967_295, 1_533_495_214),
            ("", 1, 1_364_076_727),
        ] as [(String, UInt32, UInt32)])
    func seeded(text: String, seed: UInt32, hash: UInt32) {
        #expect(Murmur3.hash32(text, seed: seed) == hash)
    }

    /// Python: `mmh3.hash(bytes((i * 7 + 3) % 256 for i in range(n)), signed=False)`.
    @Test(
        "bytes that are no text hash as they stand, whatever the tail's length",
        arguments: [
            (1, 1_579_843_702), (2, 4_101_996_963), (3, 3_328_613_650), (4, 2_399_179_545),
            (5, 296_725_826), (7, 545_649_965), (64, 2_651_785_145), (255, 1_033_346_099),
        ] as [(Int, UInt32)])
    func bytes(count: Int, hash: UInt32) {
        let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 * 7 + 3) }
        #expect(bytes.withRawSpan { Murmur3.hash32($0) } == hash)
    }
}
