import Primitives
import Testing

@Suite struct JSONWriterTests {
    @Test("commas and brackets come out right")
    func structure() {
        var json = JSONWriter()
        json.object {
            $0.member("text", "a")
            $0.member("whole", -7)
            $0.member("real", 0.5)
            $0.member("flag", true)
            $0.object("object") { $0.object("empty") { _ in } }
            $0.key("array")
            $0.array {
                $0.value(1)
                $0.array { _ in }
                $0.object { $0.member("x", UInt64.max) }
                $0.null()
                $0.literal("1.50")
            }
        }
        #expect(
            json.text
                == #"{"text":"a","whole":-7,"real":0.5,"flag":true,"object":{"empty":{}},"#
                + #""array":[1,[],{"x":18446744073709551615},null,1.50]}"#)
    }

    @Test("a value that was read is written as it was, digit by digit")
    func values() throws {
        let text = #"{"a":[1.50,-7e3,18446744073709551615],"b":{"c":null,"d":true},"e":"\"x\n"}"#
        var json = JSONWriter()
        json.value(try JSONValue.parse(text))
        #expect(json.text == text)
    }

    @Test(
        "text is escaped where JSON demands it and kept otherwise",
        arguments: [
            ("", #""""#), ("\"\\/", #""\"\\/""#), ("\n\t\r", #""\n\t\r""#),
            ("\u{0}\u{1f}\u{8}", #""\u0000\u001f\u0008""#), ("é😀\u{7f}", "\"é😀\u{7f}\""),
        ])
    func escapes(text: String, json: String) {
        var writer = JSONWriter()
        writer.value(text)
        #expect(writer.text == json)
    }

    @Test("names and texts with an escape keep their commas and their neighbours")
    func escapedMembers() {
        var json = JSONWriter()
        json.object {
            $0.member("plain", "x")
            $0.member("a\"b", "c\\d")
            $0.member("after", -1)
            $0.member("n\n", time: Timestamp(nanoseconds: 1))
        }
        #expect(
            json.text
                == #"{"plain":"x","a\"b":"c\\d","after":-1,"#
                + #""n\n":"1970-01-01T00:00:00.000000001Z","n\n_ns":1}"#)
    }

    @Test(
        "a Double that JSON does not know becomes null",
        arguments: [
            (Double.nan, "null"), (.infinity, "null"), (-.infinity, "null"), (-0.0, "-0.0"),
            (1e300, "1e+300"), (Double.leastNonzeroMagnitude, "5e-324"), (0.1, "0.1"),
        ])
    func doubles(number: Double, json: String) {
        var writer = JSONWriter()
        writer.value(number)
        #expect(writer.text == json)
    }

    @Test("a writer can be used again")
    func again() {
        var json = JSONWriter(capacity: 0)
        json.array { $0.value(true) }
        json.removeAll()
        #expect(json.bytes.isEmpty)
        json.array { $0.value(false) }
        #expect(json.text == "[false]")
    }

    @Test("what the writer writes, the parser reads as the same value", arguments: 0..<30)
    func roundTrip(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        for _ in 0..<20 {
            let value = Self.randomValue(depth: 0, &random)
            var json = JSONWriter()
            Self.write(value, to: &json)
            #expect(try JSONValue.parse(json.bytes) == value, "seed \(seed): \(json.text)")
        }
    }

    private static func randomValue(depth: Int, _ random: inout SeededRandom) -> JSONValue {
        switch random.below(depth < 5 ? 7 : 5) {
        case 0: return .null
        case 1: return .bool(random.below(2) == 0)
        case 2: return .number(String(Int64(bitPattern: random.next())))
        case 3: return .number("\(Double(Int64(bitPattern: random.next())) / 1e6)")
        case 4: return .string(randomText(&random))
        case 5:
            return .array((0..<random.below(5)).map { _ in randomValue(depth: depth + 1, &random) })
        default:
            return .object(
                (0..<random.below(5)).map { _ in
                    let key = randomText(&random)
                    return JSONValue.Member(
                        key: key, value: randomValue(depth: depth + 1, &random))
                })
        }
    }

    private static func randomText(_ random: inout SeededRandom) -> String {
        var text = ""
        for _ in 0..<random.below(12) {
            let limit: UInt32 = random.below(2) == 0 ? 0x80 : 0x110000
            if let scalar = Unicode.Scalar(UInt32.random(in: 0..<limit, using: &random)) {
                text.unicodeScalars.append(scalar)
            }
        }
        return text
    }

    private static func write(_ value: JSONValue, to json: inout JSONWriter) {
        switch value {
        case .null: json.null()
        case .bool(let flag): json.value(flag)
        case .number(let text): json.literal(text)
        case .string(let text): json.value(text)
        case .array(let elements):
            json.array { for element in elements { write(element, to: &$0) } }
        case .object(let members):
            json.object {
                for member in members {
                    $0.key(member.key)
                    write(member.value, to: &$0)
                }
            }
        }
    }
}
