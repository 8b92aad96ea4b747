import Primitives
import Testing

@Suite struct ISOTimeTests {
    @Test(
        "times are read to the nanosecond",
        arguments: [
            ("1970-01-01T00:00:00Z", 0), ("1970-01-01T00:00:00.000000001Z", 1),
            ("1969-12-31T23:59:59.9Z", -100_000_000),
            ("2026-01-31T13:05:09.123456789Z", 1_769_864_709_123_456_789),
            ("2024-02-29T12:00:00+01:30", 1_709_202_600_000_000_000),
            ("2024-02-29T09:00:00-01:30", 1_709_202_600_000_000_000),
            ("2000-03-01T00:00:00.5Z", 951_868_800_500_000_000),
        ])
    func time(text: String, nanoseconds: Int) {
        #expect(ISOTime.parse(text)?.nanoseconds == Int64(nanoseconds))
    }

    @Test("a time is read as Timestamp writes it")
    func timeRoundTrip() {
        var random = SeededRandom(seed: 3)
        for _ in 0..<1_000 {
            let time = Timestamp(nanoseconds: Int64.random(in: 0...4_102_444_800, using: &random))
            let scaled = Timestamp(nanoseconds: time.nanoseconds * 1_000_000_007)
            #expect(ISOTime.parse(scaled.description) == scaled)
        }
    }

    @Test(
        "what is no time is refused",
        arguments: [
            "", "2026-01-31", "2026-01-31T13:05:09", "2026-13-31T13:05:09Z",
            "2026-01-00T13:05:09Z", "2026-01-31T24:05:09Z", "2026-01-31T13:60:09Z",
            "2026-01-31T13:05:61Z", "2026-01-31T13:05:09.Z", "2026-01-31T13:05:09.1234567890Z",
            "2026-01-31T13:05:09Zx", "2026-02-29T13:05:09Z", "0001-01-01T00:00:00Z",
            "9999-12-31T23:59:59Z", "2026-1-31T13:05:09Z", "x026-01-31T13:05:09Z",
        ])
    func notATime(text: String) {
        #expect(ISOTime.parse(text) == nil)
    }

    private static func fast(_ text: String) -> Timestamp? {
        Array(text.utf8).withRawSpan { $0.utcTime }
    }

    @Test(
        "the form of hot paths is read as the general reader reads it",
        arguments: [
            "2026-02-22T15:51:44Z", "2026-02-22T15:51:44.2Z", "2026-02-22T15:51:44.208Z",
            "2024-02-29T23:59:59.999999999Z", "1969-12-31T23:59:59.5Z", "1970-01-01T00:00:00Z",
            "2262-04-11T23:47:16.854775806Z",
        ])
    func fastForm(text: String) {
        #expect(Self.fast(text) != nil && Self.fast(text) == ISOTime.parse(text))
    }

    @Test(
        "what is no such time is none",
        arguments: [
            "", "2026-02-22", "2026-02-22T15:51:44", "2026-02-22T15:51:44.Z",
            "2026-02-22T15:51:44.1234567890Z", "2026-02-30T15:51:44Z", "2026-02-22T24:00:00Z",
            "2026-02-22T15:60:00Z", "2026-02-22T15:51:60Z", "2026-02-22T15:51:44,5Z",
            "2026-02-22 15:51:44Z", "2026-2-022T15:51:44Z", "2026-02-22T15:51:44+00:00",
            "2026-02-22T15:51:44.20:Z", "9999-01-01T00:00:00Z", "２026-02-22T15:51:44Z",
        ])
    func noFastForm(text: String) {
        #expect(Self.fast(text) == nil)
    }
}
