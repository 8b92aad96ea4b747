import Testing

@testable import PolledEngine

@Suite("Decimals of services")
struct DecimalTests {
    @Test(
        "numbers are exact in 1e-9, and more digits are rounded, a half to even",
        arguments: [
            ("4.11", 4_110_000_000), ("-0.5", -500_000_000), ("84210.12", 84_210_120_000_000),
            ("1.2e-06", 1_200), ("1.2E-06", 1_200), ("5e-10", 0), ("15e-10", 2), ("25e-10", 2),
            ("2.5000000001e-9", 3), ("-15e-10", -2), ("0.0000000015", 2),
            ("1e3", 1_000_000_000_000),
            ("0", 0), ("-0.0", 0), (".5", 500_000_000), ("5.", 5_000_000_000),
            ("+7", 7_000_000_000),
            ("0.99999999995", 1_000_000_000), ("1e-999999999999", 0), ("0e999999999999", 0),
            ("00012.500", 12_500_000_000),
        ] as [(String, Int128)])
    func numbers(_ text: String, _ value: Int128) {
        #expect(PolledDecimal.parse(text) == value)
    }

    @Test("128 bits: 29 digits before the point")
    func wide() {
        let digits = String(repeating: "9", count: 29)
        #expect(PolledDecimal.parse(digits) == Int128(digits + "000000000"))
        #expect(PolledDecimal.parse(digits + "9") == nil)
    }

    @Test(
        "what is no number, or does not fit, is none",
        arguments: [
            "", ".", "-", "1.2.3", "1e", "1e+", "e5", "0x10", "nan", "inf", " 1", "1 ", "1,5",
            "1e30", "1e999999999999", "１",
        ] + [String(repeating: "1", count: 129)])
    func noNumbers(_ text: String) {
        #expect(PolledDecimal.parse(text) == nil)
    }
}
