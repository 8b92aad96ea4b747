import Foundation
import Primitives
import Testing

@Suite struct JSONParserTests {
    @Test(
        "documents are read",
        arguments: [
            ("null", .null), (" \t\r\n true ", .bool(true)), ("false", .bool(false)),
            ("0", .number("0")), ("-0.10e+07", .number("-0.10e+07")), ("1E5", .number("1E5")),
            ("18446744073709551615", .number("18446744073709551615")),
            (#""""#, .string("")), (#""a\"\\\/\b\f\n\r\té""#, .string("a\"\\/\u{8}\u{c}\n\r\té")),
            (#""\u0041\u00e9\u20AC""#, .string("Aé€")), (#""\uD83D\uDE00""#, .string("😀")),
            ("\"\u{7f}\u{2028}\"", .string("\u{7f}\u{2028}")),
            ("[]", .array([])), ("[ ]", .array([])), ("{}", .object([])), ("{ }", .object([])),
            ("[1,[null]]", .array([.number("1"), .array([.null])])),
            (
                #"{"b" : 1 , "a":{"b":2}}"#,
                .object([
                    .init(key: "b", value: .number("1")),
                    .init(key: "a", value: .object([.init(key: "b", value: .number("2"))])),
                ])
            ),
        ] as [(String, JSONValue)])
    func reads(text: String, value: JSONValue) throws {
        #expect(try JSONValue.parse(text) == value)
    }

    @Test(
        "half of a surrogate pair becomes a replacement character, and what follows is kept",
        arguments: [
            (#""\ud83d""#, "\u{fffd}"), (#""\ude00""#, "\u{fffd}"),
            (#""\ud83dx""#, "\u{fffd}x"), (#""\ud83d\n""#, "\u{fffd}\n"),
            (#""\ud83d\u0041""#, "\u{fffd}A"), (#""\ud83d\uffff""#, "\u{fffd}\u{ffff}"),
            (#""\ud83d\ud83d\ude00""#, "\u{fffd}😀"), (#""\udbff\udfff""#, "\u{10ffff}"),
            (#""\ud800\udc00""#, "\u{10000}"), (#""\ud800\udbff""#, "\u{fffd}\u{fffd}"),
        ])
    func surrogates(text: String, string: String) throws {
        #expect(try JSONValue.parse(text) == .string(string))
    }

    @Test(
        "malformed documents are refused, with the place",
        arguments: [
            ("", .endOfText, 0), ("  ", .endOfText, 2), ("nul", .endOfText, 3),
            ("nulL", .unexpected, 3), ("tru", .endOfText, 3), ("True", .badNumber, 0),
            ("1 2", .trailing, 2), ("{}}", .trailing, 2), ("01", .badNumber, 2),
            ("-", .endOfText, 1), ("-x", .badNumber, 1), ("1.", .endOfText, 2),
            ("1.e5", .badNumber, 2), ("1e", .endOfText, 2), ("1e+", .endOfText, 3),
            ("1ex", .badNumber, 2), (".5", .badNumber, 0), ("+1", .badNumber, 0),
            ("NaN", .badNumber, 0), ("[", .endOfText, 1), ("[1", .endOfText, 2),
            ("[1 2]", .unexpected, 3), ("[1,]", .badNumber, 3), ("[,]", .badNumber, 1),
            ("{", .endOfText, 1), ("{1:2}", .unexpected, 1), ("{\"a\"", .endOfText, 4),
            ("{\"a\" 1}", .unexpected, 5), ("{\"a\":1,}", .unexpected, 7),
            ("{\"a\":1]", .unexpected, 6), ("\"a", .endOfText, 2), ("\"a\nb\"", .unexpected, 3),
            (#""\"#, .endOfText, 2), (#""\x""#, .badEscape, 3), (#""\u12""#, .badEscape, 5),
            (#""\u12"#, .endOfText, 5), (#""\u12g4""#, .badEscape, 5),
            (#""\ud83d\u12"#, .endOfText, 11),
        ] as [(String, JSONError.Reason, Int)])
    func refuses(text: String, reason: JSONError.Reason, offset: Int) {
        expectRefusal(of: Array(text.utf8), reason, at: offset)
    }

    @Test("bytes that are no UTF-8 are mended inside of strings and refused outside")
    func malformedText() throws {
        #expect(try JSONValue.parse([0x22, 0xff, 0x22]) == .string("\u{fffd}"))
        expectRefusal(of: [0xff], .badNumber, at: 0)
        expectRefusal(of: [0xef, 0xbb, 0xbf] + "1".utf8, .badNumber, at: 0)
    }

    @Test("nesting ends at its limit, in arrays and in objects")
    func depth() throws {
        func arrays(_ depth: Int) -> String {
            String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
        }
        func objects(_ depth: Int) -> String {
            String(repeating: "{\"k\":", count: depth) + "0" + String(repeating: "}", count: depth)
        }
        _ = try JSONValue.parse(arrays(JSONValue.depthMax))
        _ = try JSONValue.parse(objects(JSONValue.depthMax - 1))
        for text in [arrays(JSONValue.depthMax + 1), objects(JSONValue.depthMax), arrays(50_000)] {
            let error = #expect(throws: JSONError.self) { try JSONValue.parse(text) }
            #expect(error?.reason == .tooDeep)
        }
    }

    @Test("a document above the size limit is not looked at")
    func size() {
        // Not JSON, so that it is clear at the first byte whether it was looked at.
        let filling = [UInt8](repeating: UInt8(ascii: "x"), count: JSONValue.bytesMax)
        expectRefusal(of: filling, .badNumber, at: 0)
        expectRefusal(of: filling + "x".utf8, .tooLarge, at: 0)
    }

    @Test("an error is one line that says what and where")
    func description() {
        let error = #expect(throws: JSONError.self) { try JSONValue.parse("[1 2]") }
        #expect(error?.description == "JSON: unexpected character at byte 3")
    }

    private func expectRefusal(of bytes: [UInt8], _ reason: JSONError.Reason, at offset: Int) {
        let error = #expect(throws: JSONError.self) { try JSONValue.parse(bytes) }
        #expect(error?.reason == reason)
        #expect(error?.offset == offset)
    }

    private static let documents = [
        #"{"type":"io.nats.jetstream.api.v1.stream_info_response","config":{"name":"MD_TICKS_0"}}"#,
        #"[0,-1,2.5e-3,1e400,true,false,null,"\u0041\ud83d\ude00\n",[[[]]],{"a":{"b":[1,2,3]}}]"#,
        #"{"data":"AAECAw==","seq":18446744073709551615,"time":"2026-01-02T03:04:05Z","é":"😀"}"#,
    ]

    /// Also that Foundation agrees: what it takes we take. (It takes less in one respect: malformed
    /// UTF-8, which is mended here; so only documents that are text are compared.)
    @Test("mutated documents never trap the parser, and are read as Foundation reads them")
    func fuzz() {
        for seed in UInt64(0)..<60 {
            var random = SeededRandom(seed: seed)
            for _ in 0..<100 {
                let document = Self.documents[random.below(Self.documents.count)]
                let bytes = Self.mutated(Array(document.utf8), &random)
                let accepted = (try? JSONValue.parse(bytes)) != nil
                guard String(validating: bytes, as: UTF8.self) != nil else { continue }
                let text = String(decoding: bytes, as: UTF8.self)
                if !accepted { #expect(!Self.foundationAccepts(bytes), "seed \(seed): \(text)") }
            }
        }
    }

    private static func foundationAccepts(_ bytes: [UInt8]) -> Bool {
        let object = try? JSONSerialization.jsonObject(
            with: Data(bytes), options: .fragmentsAllowed)
        return object != nil
    }

    private static func mutated(_ original: [UInt8], _ random: inout SeededRandom) -> [UInt8] {
        let pieces = [
            #"\ud8"#, #"\u"#, "\"", "{", "[", "]", "}", ",", ":", "e", "-", "00", "\u{0}",
        ]
        var bytes = original
        for _ in 0...random.below(4) {
            let place = random.below(max(1, bytes.count))
            switch random.below(5) {
            case 0 where !bytes.isEmpty: bytes[place] = UInt8(truncatingIfNeeded: random.next())
            case 1 where !bytes.isEmpty: bytes.remove(at: place)
            case 2: bytes.insert(contentsOf: pieces[random.below(pieces.count)].utf8, at: place)
            case 3: bytes.removeSubrange(place...)
            default: bytes.insert(contentsOf: bytes[place...].prefix(8), at: place)
            }
            if bytes.isEmpty { return bytes }
        }
        return bytes
    }
}
