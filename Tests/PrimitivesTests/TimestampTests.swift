import Foundation
import Primitives
import Testing

@Suite struct TimestampTests {
    @Test(
        "text is RFC 3339 in UTC with nine decimals",
        arguments: [
            (0, "1970-01-01T00:00:00.000000000Z"), (-1, "1969-12-31T23:59:59.999999999Z"),
            (1_582_934_400_000_000_001, "2020-02-29T00:00:00.000000001Z"),
            (951_868_799_999_999_999, "2000-02-29T23:59:59.999999999Z"),
            (4_107_542_400_000_000_000, "2100-03-01T00:00:00.000000000Z"),
            (-2_203_891_200_000_000_000, "1900-03-01T00:00:00.000000000Z"),
            (Int64.max - 1, "2262-04-11T23:47:16.854775806Z"),
            (Int64.min, "1677-09-21T00:12:43.145224192Z"),
            (Int64.min + 86_400_000_000_000, "1677-09-22T00:12:43.145224192Z"),
            (Int64.max, "undefined"),
        ] as [(Int64, String)])
    func text(nanoseconds: Int64, text: String) {
        #expect("\(Timestamp(nanoseconds: nanoseconds))" == text)
    }

    @Test("text is Foundation's, over random times of the whole range", arguments: 0..<10)
    func foundation(seed: UInt64) {
        let formatter = ISO8601DateFormatter()
        var random = SeededRandom(seed: seed)
        for _ in 0..<200 {
            let time = Timestamp(nanoseconds: Int64(bitPattern: random.next()))
            guard time.isDefined else { continue }
            let inSecond = time.nanoseconds % 1_000_000_000
            let second = time.nanoseconds / 1_000_000_000 - (inSecond < 0 ? 1 : 0)
            let expected = formatter.string(from: Date(timeIntervalSince1970: Double(second)))
            let fraction = inSecond < 0 ? inSecond + 1_000_000_000 : inSecond
            let digits = String(String(1_000_000_000 + fraction).dropFirst())
            #expect("\(time)" == "\(expected.dropLast()).\(digits)Z", "seed \(seed)")
        }
    }

    @Test(
        "civil dates far outside of our range are right",
        arguments: [
            (0, "1970-01-01"), (-719_468, "0000-03-01"), (-719_469, "0000-02-29"),
            (-719_528, "0000-01-01"), (-719_529, "-0001-12-31"), (2_932_896, "9999-12-31"),
            (2_932_897, "10000-01-01"), (11_016, "2000-02-29"), (47_540, "2100-02-28"),
            (47_541, "2100-03-01"),
        ])
    func civil(days: Int64, text: String) {
        #expect("\(CivilDate(daysSinceEpoch: days))" == text)
    }

    @Test(
        "moving a time stays inside the defined range",
        arguments: [
            (0, 5, 5), (0, -5, -5), (Int64.max - 1, 1, Int64.max - 1),
            (Int64.max - 2, 1, Int64.max - 1), (10, Int64.max, Int64.max - 1),
            (0, Int64.max, Int64.max - 1), (-1, Int64.min, Int64.min),
            (Int64.min, -1, Int64.min), (Int64.max, 7, Int64.max), (Int64.max, -7, Int64.max),
        ] as [(Int64, Int64, Int64)])
    func advanced(start: Int64, delta: Int64, end: Int64) {
        let time = Timestamp(nanoseconds: start)
        #expect(time.advanced(byNanoseconds: delta) == Timestamp(nanoseconds: end))
    }

    @Test(
        "a distance is held at the ends of the range",
        arguments: [
            (7, 3, 4), (3, 7, -4), (Int64.min, 1, Int64.min), (Int64.max - 1, -2, Int64.max),
            (0, Int64.min, Int64.max), (-1, Int64.min, Int64.max),
        ] as [(Int64, Int64, Int64)])
    func distance(later: Int64, earlier: Int64, distance: Int64) {
        let time = Timestamp(nanoseconds: later)
        #expect(time.nanoseconds(since: Timestamp(nanoseconds: earlier)) == distance)
    }

    @Test(
        "flooring goes down, before 1970 too",
        arguments: [
            (0, 10, 0), (9, 10, 0), (10, 10, 10), (-1, 10, -10), (-10, 10, -10), (-11, 10, -20),
            (7, 1, 7), (-7, Int64.max, -Int64.max), (Int64.max - 1, Int64.max, 0),
            (Int64.min, 10, Int64.min), (Int64.max, 10, Int64.max),
        ] as [(Int64, Int64, Int64)])
    func floored(nanoseconds: Int64, width: Int64, start: Int64) {
        let time = Timestamp(nanoseconds: nanoseconds)
        #expect(time.floored(toNanoseconds: width) == Timestamp(nanoseconds: start))
    }

    @Test("a window holds the times that floor to its start", arguments: 0..<10)
    func window(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        for _ in 0..<200 {
            let time = Timestamp(nanoseconds: Int64(bitPattern: random.next()) / 2)
            let width = Int64.random(in: 1...86_400_000_000_000, using: &random)
            let start = time.floored(toNanoseconds: width)
            #expect(start <= time && time.nanoseconds(since: start) < width, "seed \(seed)")
            #expect(start.nanoseconds % width == 0, "seed \(seed)")
        }
    }

    @Test("undefined stands behind every time, so that a minimum ignores it")
    func undefined() {
        let late = Timestamp(nanoseconds: Int64.max - 1)
        #expect(late < .undefined && late.isDefined && !Timestamp.undefined.isDefined)
        #expect(min(late, .undefined) == late)
    }

    @Test("a window without a width is a bug")
    func trapsWidthless() async {
        await #expect(processExitsWith: .failure) {
            _ = Timestamp(nanoseconds: 1).floored(toNanoseconds: 0)
        }
    }
}
