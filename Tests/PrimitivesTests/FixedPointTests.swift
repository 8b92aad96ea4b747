import Primitives
import Testing

@Suite struct FixedPointTests {
    @Test(
        "text is read exactly",
        arguments: [
            ("0", 9, 0), ("-0", 9, 0), ("1", 9, 1_000_000_000), ("+1", 9, 1_000_000_000),
            ("-1.5", 9, -1_500_000_000), ("187.123456789", 9, 187_123_456_789),
            (".5", 2, 50), ("5.", 2, 500), ("007", 0, 7), ("-37.63", 2, -3_763),
            ("1e3", 0, 1_000), ("1E+3", 0, 1_000), ("25e-1", 1, 25), ("1.5e-7", 8, 15),
            ("0.00000001", 8, 1), ("1.10", 1, 11), ("120e-2", 1, 12), ("0e999999", 9, 0),
            ("-0.0e-99999999999999999999", 9, 0), ("100000000000000000000e-20", 9, 1_000_000_000),
            ("1.00000000000000000000000000000000000000000000000000", 9, 1_000_000_000),
            ("10000000000000000000000000000000000000000000000000e-49", 9, 1_000_000_000),
            ("9223372036.854775806", 9, Int64.max - 1),
            ("-9223372036.854775807", 9, -Int64.max), ("-9223372036.854775808", 9, Int64.min),
        ] as [(String, Int, Int64)])
    func parses(text: String, decimals: Int, value: Int64) throws {
        #expect(try FixedPoint.parse(text, decimals: decimals) == value)
    }

    @Test(
        "what is no decimal number is refused",
        arguments: [
            "", " ", ".", "+", "-", "e5", ".e5", "1e", "1e+", "1 ", " 1", "1,5", "1.5.", "--1",
            "+-1",
            "0x10", "1_000", "NaN", "nan", "inf", "-inf", "Infinity", "1e5.0", "١", "1\0", "½",
            String(repeating: "1", count: FixedPoint.textBytesMax + 1),
        ])
    func refuses(text: String) {
        #expect(throws: FixedPoint.ParseError.notANumber) {
            try FixedPoint.parse(text, decimals: 9)
        }
    }

    @Test(
        "more decimals than the scale holds are refused, never rounded",
        arguments: [
            ("0.0000000001", 9), ("1.5", 0), ("1e-10", 9), ("123e-3", 2), ("1e-1000", 9),
            ("1e-99999999999999999999", 9), ("0.1234567890123456789012345678901234567890123", 9),
        ])
    func tooPrecise(text: String, decimals: Int) {
        #expect(throws: FixedPoint.ParseError.tooPrecise) {
            try FixedPoint.parse(text, decimals: decimals)
        }
    }

    @Test(
        "what does not fit is refused; so is the number that stands for undefined",
        arguments: [
            ("9223372036.854775807", 9), ("9223372036854775807", 0), ("9223372036854775808", 0),
            ("-9223372036854775809", 0), ("1e19", 0), ("1e99999999999999999999", 9), ("1e10", 9),
            ("1234567890123456789012345678901234567890", 0),
            ("170141183460469231731687303715884105728", 0),
            (String(repeating: "9", count: FixedPoint.textBytesMax), 9),
        ])
    func outOfRange(text: String, decimals: Int) {
        #expect(throws: FixedPoint.ParseError.outOfRange) {
            try FixedPoint.parse(text, decimals: decimals)
        }
    }

    @Test(
        "text is the shortest that is exact",
        arguments: [
            (0, 9, "0"), (1, 9, "0.000000001"), (-1, 9, "-0.000000001"), (1_500_000_000, 9, "1.5"),
            (1_000_000_000, 9, "1"), (12, 0, "12"), (-12, 0, "-12"), (100, 1, "10"),
            (Int64.max, 9, "9223372036.854775807"), (Int64.min, 9, "-9223372036.854775808"),
            (Int64.min, 0, "-9223372036854775808"),
        ] as [(Int64, Int, String)])
    func writes(value: Int64, decimals: Int, text: String) {
        #expect(FixedPoint.text(value, decimals: decimals) == text)
    }

    @Test("sums of 128 bits are written too, at their extremes")
    func wide() {
        #expect(
            FixedPoint.text(Int128.max, decimals: 17) == "1701411834604692317316.87303715884105727")
        #expect(
            FixedPoint.text(Int128.min, decimals: 17) == "-1701411834604692317316.87303715884105728"
        )
    }

    @Test("what was written is read back as the same number", arguments: 0..<20)
    func roundTrip(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        for _ in 0..<500 {
            // Numbers of all magnitudes, not only huge ones.
            let value = Int64(bitPattern: random.next()) >> Int64.random(in: 0..<64, using: &random)
            let decimals = Int.random(in: 0...18, using: &random)
            guard value != Int64.max else { continue }
            let text = FixedPoint.text(value, decimals: decimals)
            #expect(
                try FixedPoint.parse(text, decimals: decimals) == value, "seed \(seed): \(text)")
            #expect(!text.hasSuffix("."), "seed \(seed): \(text)")
        }
    }

    @Test("no text from outside traps the parser", arguments: 0..<20)
    func fuzz(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let alphabet = Array("0123456789.+-eE 09\0é")
        for _ in 0..<500 {
            let count = Int.random(in: 0...70, using: &random)
            let text = String((0..<count).map { _ in alphabet[random.below(alphabet.count)] })
            let decimals = random.below(19)
            do throws(FixedPoint.ParseError) {
                let value = try FixedPoint.parse(text, decimals: decimals)
                let written = FixedPoint.text(value, decimals: decimals)
                #expect(
                    try FixedPoint.parse(written, decimals: decimals) == value,
                    "seed \(seed): \(text) became \(written)")
            } catch {
                #expect([.notANumber, .tooPrecise, .outOfRange].contains(error))
            }
        }
    }
}

extension SeededRandom {
    /// Returns an index below `count`.
    mutating func below(_ count: Int) -> Int { Int.random(in: 0..<count, using: &self) }
}
