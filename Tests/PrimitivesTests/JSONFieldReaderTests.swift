import Primitives
import Testing

@Suite struct JSONFieldReaderTests {
    private static let paths = ["data.e", "data.t", "data.p", "e", "t", "p", "list", "none"]

    private static let samples = [
        #"{"stream":"b@trade","data":{"e":"trade","E":1672515782136,"s":"BNBBTC","t":12345,"#
            + #""p":"0.001","q":"100","T":1672515782136,"m":true,"M":true}}"#,
        #"{"e":"aggTrade","a":12345,"p":"-0.10e+07","f":100,"l":105,"m":true,"M":false}"#,
        #"{"e":"depthUpdate","U":157,"b":[["0.0024","10"]],"a":[],"list":[1,[null,{"e":2}]]}"#,
        #"{"result":null,"id":1}"#, #"{"e":"é€😀\u20AC\n","t" : 0 , "p":-1.5E-3}"#, "[]", " 7 ",
    ]

    private func read(_ text: String) -> (JSONFieldReader, JSONError?) {
        var reader = JSONFieldReader(Self.paths)
        let problem = Array(text.utf8).withRawSpan { reader.read($0) }
        return (reader, problem)
    }

    @Test("members are found by their paths, whatever stands beside them")
    func finds() throws {
        let text = Self.samples[0]
        let (reader, problem) = read(text)
        #expect(problem == nil)
        try Array(text.utf8).withRawSpan { bytes in
            let (event, id, price) = (reader[0], reader[1], reader[2])
            let (isTrade, isOther) = (
                event.isText("trade", in: bytes), event.isText("trad", in: bytes)
            )
            #expect(isTrade && !isOther)
            let number = id.uint64(in: bytes)
            #expect(number == 12_345)
            let texts = [5, 4].map { price.text(in: bytes, bytesMax: $0) }
            #expect(texts == ["0.001", nil])
            let decimal = try price.decimal(in: bytes, decimals: 9)
            #expect(decimal == 1_000_000)
            #expect(reader[3].kind == .absent && reader[7].kind == .absent)
        }
    }

    @Test("a path matches at its own depth alone, and not inside of arrays")
    func depth() {
        let (reader, problem) = read(Self.samples[2])
        #expect(problem == nil && reader[0].kind == .absent && reader[6].kind == .array)
        #expect(
            Array(Self.samples[2].utf8).withRawSpan {
                reader[3].isText("depthUpdate", in: $0)
            })
    }

    /// A reader remembers in which order the members came.
    @Test("members are found in any order, whatever the order of the messages before")
    func anyOrder() {
        var random = SeededRandom(seed: 7)
        var reader = JSONFieldReader(Self.paths)
        let inner = [#""e":"trade""#, #""t":12"#, #""p":"1.5""#, #""x":{"e":1}"#, #""E":9"#]
        let outer = [#""e":"x""#, #""t":34"#, #""p":"2""#, #""list":[1]"#, #""q":null"#]
        func some(_ members: [String]) -> [String] {
            Array(members.shuffled(using: &random).prefix(Int(random.next() % 6)))
        }
        for _ in 0..<2_000 {
            let data = "\"data\":{\(some(inner).joined(separator: ","))}"
            let text = "{\((some(outer) + [data]).shuffled(using: &random).joined(separator: ","))}"
            let problem = Array(text.utf8).withRawSpan { reader.read($0) }
            let (fresh, other) = read(text)
            #expect(problem == nil && other == nil, "\(text)")
            #expect(
                Self.paths.indices.allSatisfy { reader[$0] == fresh[$0] }, "\(text)")
        }
        let twice = Array(#"{"e":1,"t":2,"e":3}"#.utf8).withRawSpan { reader.read($0) }
        #expect(twice?.reason == .repeated)
    }

    @Test("a text with escapes is decoded on request")
    func escapes() {
        let (reader, problem) = read(Self.samples[4])
        #expect(problem == nil && reader[3].hasEscapes)
        Array(Self.samples[4].utf8).withRawSpan { bytes in
            let text = reader[3].text(in: bytes, bytesMax: 64)
            let isSame = reader[3].isText("é€😀€\n", in: bytes)
            #expect(text == "é€😀€\n" && !isSame)
        }
    }

    @Test(
        "whole numbers are exact or nothing",
        arguments: [
            ("0", 0), ("18446744073709551615", UInt64.max), ("18446744073709551616", nil),
            ("99999999999999999999", nil), ("1.0", nil), ("-1", nil), ("1e3", nil),
        ] as [(String, UInt64?)])
    func whole(text: String, value: UInt64?) {
        let message = "{\"t\":\(text)}"
        let (reader, problem) = read(message)
        #expect(problem == nil)
        #expect(Array(message.utf8).withRawSpan { reader[4].uint64(in: $0) } == value)
    }

    @Test(
        "what is wrong is an error with its place",
        arguments: [
            ("", .endOfText, 0), ("{", .endOfText, 1), (#"{"e":1,"e":2}"#, .repeated, 10),
            (#"{"data":{"e":1},"data":{"p":1}}"#, .repeated, 22),
            (#"{"\u0065":1}"#, .escapedName, 9), ("{\"a\":\"\u{1}\"}", .unexpected, 6),
            (#"{"a":01}"#, .badNumber, 7), (#"{"a":1}x"#, .trailing, 7),
            (#"{"a":tru}"#, .unexpected, 8), (#"{"a":"\q"}"#, .badEscape, 8),
            (#"{"a":"\u12g4"}"#, .badEscape, 10), (#"{"a" 1}"#, .unexpected, 5),
            (#"{"a":1,}"#, .unexpected, 7), ("[1 2]", .unexpected, 3), ("-", .endOfText, 1),
        ] as [(String, JSONError.Reason, Int)])
    func refuses(text: String, reason: JSONError.Reason, offset: Int) {
        let problem = read(text).1
        #expect(problem?.reason == reason && problem?.offset == offset, "\(problem as Any)")
    }

    @Test("text that is no UTF-8, and nesting beyond the limit, are errors")
    func bounds() {
        var reader = JSONFieldReader(["e"])
        for bad in [
            [0x80], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf5, 0x80, 0x80, 0x80], [0xe2, 0x82],
        ]
            as [[UInt8]]
        {
            let problem = ([0x22] + bad + [0x22]).withRawSpan { reader.read($0) }
            #expect(problem?.reason == .badText)
        }
        let most = JSONFieldReader.depthMax
        for (depth, isRight) in [(most, true), (most + 1, false), (100_000, false)] {
            let text = String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
            #expect((Array(text.utf8).withRawSpan { reader.read($0) } == nil) == isRight)
        }
    }

    @Test("it accepts exactly what the other parser accepts, in changed and cut samples")
    func agrees() {
        var random = SeededRandom(seed: 23)
        var reader = JSONFieldReader(Self.paths)
        let interesting = Array("{}[]\",:\\u0e.-+ tfn\u{1}".utf8)
        for turn in 0..<60_000 {
            var bytes = Array(Self.samples[turn % Self.samples.count].utf8)
            for _ in 0...Int.random(in: 0...2, using: &random) where !bytes.isEmpty {
                let place = Int.random(in: bytes.indices, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: bytes[place] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes[place] = interesting[turn % interesting.count]
                case 2: bytes.remove(at: place)
                default: bytes.removeSubrange(place...)
                }
            }
            let problem = bytes.withRawSpan { reader.read($0) }
            let isText = String(validating: bytes, as: UTF8.self) != nil
            switch problem?.reason {
            // The rules that the other parser does not have.
            case .repeated, .escapedName: continue
            default: break
            }
            var isRight = true
            do { _ = try JSONValue.parse(bytes) } catch { isRight = false }
            #expect(
                (problem == nil) == (isRight && isText),
                "turn \(turn): \(String(decoding: bytes, as: UTF8.self)): \(problem as Any)")
        }
    }

    @Test("each beginning of a message is an error that ends in it")
    func beginnings() {
        for sample in Self.samples where sample.hasPrefix("{") {
            let bytes = Array(sample.utf8)
            var reader = JSONFieldReader(Self.paths)
            for count in bytes.indices {
                let problem = Array(bytes[..<count]).withRawSpan { reader.read($0) }
                #expect(problem.map { $0.offset <= count } == true, "\(count) of \(sample)")
            }
        }
    }

    @Test("decimals of bytes are those of text, in random numbers")
    func decimals() {
        var random = SeededRandom(seed: 7)
        let letters = Array("0123456789000999..-+eE".utf8)
        for _ in 0..<50_000 {
            let count = Int.random(in: 0...24, using: &random)
            let bytes = (0..<count).map { _ in
                letters[Int.random(in: letters.indices, using: &random)]
            }
            let text = String(decoding: bytes, as: UTF8.self)
            let message = Array("{\"p\":\"\(text)\"}".utf8)
            var reader = JSONFieldReader(["p"])
            message.withRawSpan { span in
                #expect(reader.read(span) == nil)
                let field = reader[0]
                let found = Result { () throws(FixedPoint.ParseError) in
                    try field.decimal(in: span, decimals: 8)
                }
                #expect(found == slow(text), "\(text)")
            }
        }
    }

    /// The value as the way for signed numbers finds it.
    private func slow(_ text: String) -> Result<Int64, FixedPoint.ParseError> {
        Result { () throws(FixedPoint.ParseError) in
            // A sign has the scanner read it, whatever the digits are.
            let isSigned = text.first == "-" || text.first == "+"
            return try FixedPoint.parse(isSigned ? text : "+" + text, decimals: 8)
        }
    }

    // MARK: arrays of messages

    /// The texts of the fields `e` of the messages, and what ended them.
    private func readAll(_ text: String) -> ([String], JSONFieldReader.Element) {
        var reader = JSONFieldReader(Self.paths)
        return Array(text.utf8).withRawSpan { bytes in
            if let problem = reader.begin(bytes) { return ([], .wrong(problem)) }
            var found: [String] = []
            while true {
                let element = reader.next(bytes)
                guard case .message(let place) = element else { return (found, element) }
                let name = reader[3].text(in: bytes, bytesMax: 64) ?? "-"
                found.append("\(name) \(place.count)")
            }
        }
    }

    @Test(
        "messages of an array are read one by one",
        arguments: [
            ("[]", []), (" [ ] ", []), (#"[{"e":"a"}]"#, ["a 9"]),
            (#" [ {"e":"a"} , {} ,{"t":1,"e":"b"}] "#, ["a 9", "- 2", "b 15"]),
        ])
    func array(text: String, names: [String]) {
        let (found, end) = readAll(text)
        #expect(found == names && end == .end)
    }

    @Test(
        "what is no array of messages is an error, after those that can be read",
        arguments: [
            ("", 0), ("{}", 0), ("[", 0), ("[1]", 0), (#"[{"e":"a"},]"#, 1), (#"[{"e":"a"}"#, 1),
            (#"[{"e":"a"}{}]"#, 1), (#"[{"e":"a"}] 1"#, 1), (#"[{"e":"a"},{"e":"b","e":"c"}]"#, 1),
            (#"[[{"e":"a"}]]"#, 0), (#"[{"e":"a"},{"e":"b]"#, 1),
        ])
    func wrongArray(text: String, count: Int) {
        let (found, end) = readAll(text)
        guard case .wrong = end else {
            Issue.record("\(text): \(end)")
            return
        }
        #expect(found.count == count)
    }
}
