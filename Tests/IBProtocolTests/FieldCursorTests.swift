import MarketModel
import Primitives
import Testing

@testable import IBProtocol

@Suite("Fields")
struct FieldCursorTests {
    private struct Read<Value> {
        var value: Value
        var fault: FieldFault?
        var losses: FieldLosses
    }

    private func read<Value>(
        _ text: String, _ take: (inout FieldCursor) -> Value
    ) -> Read<Value> {
        body([text]).withRawSpan { bytes in
            var fields = FieldCursor(bytes)
            let value = take(&fields)
            return Read(value: value, fault: fields.fault, losses: fields.losses)
        }
    }

    @Test(
        "prices are exact, in every form that a number is written in",
        arguments: [
            ("150", 150_000_000_000), ("150.0", 150_000_000_000), ("150.250", 150_250_000_000),
            ("1.5025E2", 150_250_000_000), ("1.5025e+2", 150_250_000_000),
            ("15025E-2", 150_250_000_000), ("-37.63", -37_630_000_000), (".5", 500_000_000),
            ("5.", 5_000_000_000), ("0", 0), ("-0", 0), ("0.000000001", 1), ("1E-9", 1),
            ("+7", 7_000_000_000), ("9223372036.854775806", Int64.max - 1),
            ("-9223372036.854775806", -(Int64.max - 1)),
            ("0000000000000000000000001", 1_000_000_000),
            ("1.00000000000000000000000000000000", 1_000_000_000), ("-1", -1_000_000_000),
            ("0.30000000000000004", 300_000_000), ("150.29999999999998", 150_300_000_000),
            ("150.30000000000001", 150_300_000_000),
        ] as [(String, Int64)])
    func prices(_ text: String, _ raw: Int64) {
        let read = read(text) { $0.price() }
        #expect(read.value.raw == raw)
        #expect(read.fault == nil)
        #expect(read.losses.numbers == 0)
    }

    @Test(
        "what stands for no value is undefined, and nothing is lost by it",
        arguments: [
            "", "1.7976931348623157E308", "1.7976931348623157e+308", "-1.7976931348623157E308",
            "2147483647", "9223372036854775807", "-9223372036854775808", "NaN", "nan", "Infinity",
            "-Infinity", "inf", "1.79769313486232E308", "2147483647.0",
            "1" + String(repeating: "0", count: 308),
        ])
    func unset(_ text: String) {
        for value in [
            read(text) { $0.price().raw }, read(text) { $0.size().raw },
            read(text) { $0.ratio().raw }, read(text) { $0.average().raw },
        ] {
            #expect(value.value == Int64.max)
            #expect(value.fault == nil)
            #expect(value.losses.numbers == 0)
        }
        let volume = read(text) { $0.volume() }
        #expect(volume.value == ProviderBar.undefinedVolume)
        #expect(volume.losses.numbers == 0)
    }

    @Test(
        "what is too large for the scale, or would become 0, is undefined and counted",
        arguments: [
            "9223372036.854775807", "9223372037", "1E10", "-1E200",
            "123456789012345678901234567890", "1E-10", "-4E-10",
        ])
    func unholdable(_ text: String) {
        let read = read(text) { $0.price() }
        #expect(read.value == .undefined)
        #expect(read.losses.numbers == 1)
        #expect(read.fault == nil)
    }

    @Test(
        "what is too precise for the scale is rounded to the nearest, and counted",
        arguments: [
            ("1.0000000001", 1_000_000_000), ("1.0000000005", 1_000_000_000),
            ("1.0000000015", 1_000_000_002), ("-1.0000000006", -1_000_000_001),
            ("0.1234567891234567", 123_456_789), ("150.123456789012345678", 150_123_456_789),
        ] as [(String, Int64)])
    func tooPrecise(_ text: String, _ raw: Int64) {
        let price = read(text) { $0.price() }
        #expect(price.value.raw == raw && price.losses.numbers == 1 && price.fault == nil)
    }

    @Test(
        "no number is a fault",
        arguments: [
            "abc", "1.2.3", "--1", "1e", "1e+", "-", ".", "1 ", " 1", "1,5", "0x10", "e5", "nano",
            "1e5x",
        ])
    func malformed(_ text: String) {
        #expect(read(text) { $0.price() }.fault == .notANumber)
        #expect(read(text) { $0.volume() }.fault == .notANumber)
        #expect(read(text) { $0.integer() }.fault == .notANumber)
    }

    @Test("averages are rounded to the nearest, half to even")
    func rounding() {
        for (text, raw) in [
            ("1.0000000005", 1_000_000_000), ("1.0000000015", 1_000_000_002),
            ("1.00000000051", 1_000_000_001), ("-1.0000000015", -1_000_000_002),
            ("150.2563333333333", 150_256_333_333), ("1E-10", 0), ("6E-10", 1), ("1E-100000", 0),
            ("0.66666666666666666666666666", 666_666_667),
        ] as [(String, Int64)] {
            let read = read(text) { $0.average() }
            #expect(read.value.raw == raw, "\(text)")
            #expect(read.losses.numbers == 0)
        }
        #expect(read("1E15") { $0.ratio() }.losses.numbers == 1)
    }

    @Test("sizes may have a fraction; a negative one is none; volumes have 128 bits")
    func sizes() {
        #expect(read("0.00012345") { $0.size() }.value.raw == 12_345)
        #expect(read("100") { $0.size() }.value.raw == 10_000_000_000)
        #expect(read("-1") { $0.size() }.value == .undefined)
        let tooSmall = read("0.000000001") { $0.size() }
        #expect(tooSmall.value == .undefined && tooSmall.losses.numbers == 1)
        let tooPrecise = read("0.123456789") { $0.size() }
        #expect(tooPrecise.value.raw == 12_345_679 && tooPrecise.losses.numbers == 1)
        let volume = read("5.000000001") { $0.volume() }
        #expect(volume.value == 500_000_000 && volume.losses.numbers == 1)
        #expect(read("5E12") { $0.volume() }.value == 500_000_000_000_000_000_000)
        #expect(read("-1") { $0.volume() }.value == ProviderBar.undefinedVolume)
        #expect(read("1E60") { $0.volume() }.losses.numbers == 1)
    }

    @Test(
        "random numbers are those that another reader of decimals finds",
        arguments: [11, 12, 13] as [UInt64])
    func anotherReader(_ seed: UInt64) {
        print("seed \(seed)")
        var random = SeededRandom(seed: seed)
        for _ in 0..<5_000 {
            var text = ["", "-", "+"].randomElement(using: &random) ?? ""
            // At most 15 digits, because more are rounded, which the other reader does not do.
            for _ in 0..<Int.random(in: 0...8, using: &random) {
                text += "\(Int.random(in: 0...9, using: &random))"
            }
            if Bool.random(using: &random) { text += "." }
            for _ in 0..<Int.random(in: 0...7, using: &random) {
                text += "\(Int.random(in: 0...9, using: &random))"
            }
            if Int.random(in: 0..<4, using: &random) == 0 {
                text += "E\(Int.random(in: -14...14, using: &random))"
            }
            let read = read(text) { $0.price() }
            do {
                let expected = try FixedPoint.parse(text, decimals: Price.decimals)
                #expect(read.value.raw == expected && read.losses.numbers == 0, "\(text)")
            } catch .notANumber {
                #expect(read.fault == .notANumber || text.isEmpty, "\(text)")
            } catch {
                #expect(read.losses.numbers == 1, "\(text)")
            }
        }
    }

    @Test("whole numbers, and those that stand for none")
    func integers() {
        #expect(read("-1") { $0.number() }.value == -1)
        #expect(read("2147483648") { $0.number() }.fault == .outOfRange)
        #expect(read("") { $0.number() }.fault == .notANumber)
        #expect(read("99999999999999999999") { $0.integer() }.fault == .notANumber)
        for text in ["", "2147483647", "9223372036854775807", "-9223372036854775808"] {
            let none = read(text) { $0.optionalInteger() }
            #expect(none.value == nil && none.fault == nil)
        }
        #expect(read("12") { $0.optionalInteger() }.value == 12)
        #expect(read("x") { $0.optionalInteger() }.fault == .notANumber)
        #expect(read("1") { $0.flag() }.value)
        #expect(!read("") { $0.flag() }.value)
        #expect(read("2") { $0.flag() }.fault == .outOfRange)
    }

    @Test("the first fault stays, and what follows is empty")
    func sticky() {
        body(["x", "5"]).withRawSpan { bytes in
            var fields = FieldCursor(bytes)
            #expect(fields.number() == 0)
            #expect(fields.text().isEmpty)
            #expect(fields.price() == .undefined)
            #expect(fields.fault == .notANumber)
            #expect(fields.remaining == 0)
        }
    }

    @Test("a field without an end is none")
    func unterminated() {
        Array("12".utf8).withRawSpan { bytes in
            var fields = FieldCursor(bytes)
            #expect(fields.text().isEmpty)
            #expect(fields.fault == .missing)
        }
    }

    @Test("a count that the rest cannot hold is refused before room is made for it")
    func counts() {
        #expect(read("2000000000") { $0.count(fields: 8) }.fault == .count)
        #expect(read("-1") { $0.count(fields: 1) }.fault == .count)
        #expect(read("0") { $0.count(fields: 1) }.value == 0)
    }
}

@Suite("Texts and times in fields")
struct FieldTextTests {
    private func read<Value>(_ bytes: [UInt8], _ take: (inout FieldCursor) -> Value) -> Value {
        (bytes + [0]).withRawSpan { bytes in
            var fields = FieldCursor(bytes)
            return take(&fields)
        }
    }

    private func time(_ text: String, _ reading: ProviderTime.Reading = .wall) -> ProviderTime? {
        Array(text.utf8).withRawSpan { ProviderTime($0, reading) }
    }

    @Test("bytes that are no UTF-8 are replaced")
    func repair() {
        #expect(read([0x41, 0xff, 0x42]) { $0.text() } == "A\u{fffd}B")
        #expect(read(Array("Münch".utf8)) { $0.text() } == "Münch")
        #expect(
            read([0x5c, 0x75, 0x30, 0x30, 0x45, 0x34, 0xff]) { $0.escapedText() } == "ä\u{fffd}")
    }

    @Test(
        "escapes become characters, pairs one, and halves none",
        arguments: [
            (#"M\u00fcnchener R\u00FCck"#, "Münchener Rück"), (#"\ud83d\ude00!"#, "😀!"),
            (#"\ud83d!"#, "\u{fffd}!"), (#"\ude00\ud83d"#, "\u{fffd}\u{fffd}"),
            (#"\ud83d\u0041"#, "\u{fffd}A"), (#"C:\users \u12 \"#, #"C:\users \u12 \"#),
            (#"\\u0041"#, #"\A"#), ("plain", "plain"), (#"\u00e"#, #"\u00e"#),
        ])
    func escapes(_ text: String, _ expected: String) {
        #expect(read(Array(text.utf8)) { $0.escapedText() } == expected)
    }

    @Test("short texts are one word; longer ones are cut and counted")
    func shortTexts() {
        Array("ISLAND\0OVERNIGHT\0\u{1}\u{ff}\0".utf8).withRawSpan { bytes in
            var fields = FieldCursor(bytes)
            #expect(fields.shortText() == ShortText("ISLAND"))
            #expect(fields.losses.texts == 0)
            #expect(fields.shortText() == ShortText("OVERNIGH"))
            #expect(fields.losses.texts == 1)
            #expect(fields.shortText() == ShortText("???"))
        }
        #expect(read(Array("NITE-KNIGHT-SEC".utf8)) { $0.marketMaker() }.text == "NITE-KNIGHT-SEC")
    }

    @Test("dates of history in all forms")
    func dates() {
        // 2026-01-05 is day 20,458; 09:30:00 on that day.
        let wall = WallTime(seconds: 20_458 * 86_400 + 34_200)
        #expect(time("20260105") == .day(20_458))
        #expect(time("1767605400") == .instant(seconds(1_767_605_400)))
        #expect(time("20260105  09:30:00") == .wall(wall, zone: ""))
        #expect(time("20260105 09:30:00 US/Eastern") == .wall(wall, zone: "US/Eastern"))
        #expect(time("20260105 09:30:00 America/New_York") == .wall(wall, zone: "America/New_York"))
        #expect(time("20260105-09:30:00") == .wall(wall, zone: ""))
        #expect(time("20260105-09:30:00", .universal) == .instant(seconds(1_767_605_400)))
        #expect(time("20260105 09:30:00 UTC") == .instant(seconds(1_767_605_400)))
        #expect(time("2026-01-05 09:30:00.0") == .wall(wall, zone: ""))
        #expect(time("20240229") == .day(19_782))
    }

    @Test(
        "what is no time is none",
        arguments: [
            "", "2026010", "20261305", "20260230", "20250229", "20260105 24:00:00",
            "20260105 09:60:00", "20260105 09:30", "20260105T09:30:00", "99999999999999999999",
            "20260105 09:30:00 US/\u{1}", "20260105 09:30:00X", "yesterday", "0", "-5",
            "9999999999999", "20260105 09:30:00.",
        ])
    func noTimes(_ text: String) {
        #expect(time(text) == nil)
    }

    @Test("seconds and milliseconds beyond the range of time are faults; 0 is none")
    func epochs() {
        #expect(read(Array("1767605400".utf8)) { $0.seconds() } == seconds(1_767_605_400))
        #expect(
            read(Array("1767605400123".utf8)) { $0.milliseconds() }.nanoseconds % 1_000_000_000
                == 123_000_000)
        #expect(read(Array("0".utf8)) { $0.seconds() } == .undefined)
        #expect(read([]) { $0.seconds() } == .undefined)
        let fault: FieldFault? = read(Array("9223372037".utf8)) { fields in
            _ = fields.seconds()
            return fields.fault
        }
        #expect(fault == .notATime)
    }
}
