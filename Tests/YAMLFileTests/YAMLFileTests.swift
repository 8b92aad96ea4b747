import Primitives
import Testing

@testable import YAMLFile

@Suite("YAML files")
struct YAMLFileTests {
    private func parse(_ text: String) throws -> YAMLNode { try YAMLFile.parse(Array(text.utf8)) }

    private func problem(_ text: String) -> String {
        do {
            _ = try parse(text)
            return "no problem"
        } catch {
            return "\(error)"
        }
    }

    @Test("scalars stay the texts that were written")
    func texts() throws {
        let words = ["NO", "ON", "Y", "1e3", "010", "0x10", "~", "null", "yes", "1_000", "12:30"]
        let root = try parse("list: [\(words.joined(separator: ", "))]\n")
        let list = try #require(root.mapping?.first?.value.sequence)
        #expect(list.compactMap(\.scalar?.text) == words)
        #expect(list.allSatisfy { $0.scalar?.boolean == nil && $0.scalar?.integer == nil })
        #expect(list.allSatisfy { $0.scalar?.duration == nil })
    }

    @Test("integers, truths and durations are what was asked for, and nothing near it")
    func asked() throws {
        func scalar(_ text: String) throws -> YAMLScalar { try #require(parse(text).scalar) }
        #expect(try scalar("12").integer == 12)
        #expect(try scalar("-12").integer == -12)
        #expect(try scalar("0").integer == 0)
        for text in ["012", "+1", "1.0", "\"1\"", "9223372036854775808", "--1", "1 2"] {
            #expect(try scalar(text).integer == nil, "\(text)")
        }
        #expect(try scalar("true").boolean == true)
        #expect(try scalar("false").boolean == false)
        for text in ["True", "yes", "on", "\"true\"", "1"] {
            #expect(try scalar(text).boolean == nil, "\(text)")
        }
        #expect(try scalar("250ms").duration == 250_000_000)
        #expect(try scalar("1d").duration == 86_400_000_000_000)
        for text in ["1", "s", "1 s", "-1s", "1.5s", "99999999999999d", "1S", "1sec"] {
            #expect(try scalar(text).duration == nil, "\(text)")
        }
        #expect(YAMLScalar.text(ofDuration: 5_400_000_000_000) == "90m")
        #expect(YAMLScalar.text(ofDuration: 0) == "0s")
    }

    @Test("every value has its line and column, counted in characters from 1")
    func places() throws {
        let root = try parse("é: {b: \"ü\", c: x}\nlist:\n  - one\n  - two\n")
        let entries = try #require(root.mapping)
        #expect(entries[0].position == YAMLPosition(line: 1, column: 1))
        let inner = try #require(entries[0].value.mapping)
        #expect(inner.map(\.position.column) == [5, 13])
        #expect(inner.map(\.value.position.column) == [8, 16])
        let list = try #require(entries[1].value.sequence)
        #expect(list.map(\.position) == [.init(line: 3, column: 5), .init(line: 4, column: 5)])
    }

    @Test("a text that stands in the file as it is says so")
    func verbatim() throws {
        for text in ["a b", "\"a b\"", "'a b'", "\"é\""] {
            #expect(try parse(text).scalar?.isVerbatim == true, "\(text)")
        }
        for text in ["\"a\\tb\"", "'it''s'", "|\n  a\n", "a\n  b"] {
            #expect(try parse(text).scalar?.isVerbatim == false, "\(text)")
        }
    }

    @Test(
        "what is no plain data is refused, with its place",
        arguments: [
            ("a: 1\nb: 2\na: 3\n", "3:1: the key \"a\" is in line 1"),
            ("a: &x 1\n", "1:4: an anchor"), ("a: *x\n", "1:4: an alias"),
            ("a: !!str 1\n", "1:4: a tag"), ("a: 1\n---\nb: 2\n", "2:1: a second document"),
            ("[a]: 1\n", "1:1: a key is a single value"), ("", "the file is empty"),
            ("a: [1, 2\nb: 3\n", "2:"), ("a: \"x\n", ""), ("a:\n\t- b\n", "2:1"),
            ("a: 1\né: \u{1}x\n", "2:4: control characters are not allowed"),
            ("a: @b\n", "1:4"), ("a: b: c\n", "1:5"),
        ])
    func refused(text: String, beginning: String) {
        let found = problem(text)
        #expect(found != "no problem")
        #expect(found.contains(beginning), "\(found)")
        #expect(!found.contains("\n"))
    }

    @Test("bytes that are no UTF-8 are refused where they stand")
    func encoding() {
        #expect(throws: YAMLProblem.self) { try YAMLFile.parse([0x61, 0x3a, 0x20, 0xff]) }
        do {
            _ = try YAMLFile.parse(Array("a: é\nb: ".utf8) + [0xc3, 0x28])
        } catch {
            #expect(error.position == YAMLPosition(line: 2, column: 4), "\(error)")
        }
        #expect(throws: YAMLProblem.self) { try YAMLFile.parse([0xff, 0xfe, 0x61, 0x00]) }
    }

    @Test("size, depth and number of values are bounded")
    func bounds() {
        let deep = String(repeating: "[", count: 40) + String(repeating: "]", count: 40)
        #expect(problem(deep).contains("deeper than 32"))
        #expect(problem(String(repeating: "[", count: 400_000)).contains("deeper than 32"))
        // The list is a value, too.
        let most = "[" + String(repeating: "1,", count: 99_999)
        #expect(problem(most + "]") == "no problem")
        #expect(problem(most + "1]").contains("more than 100000 values"))
        let large = String(repeating: "#", count: YAMLLimits.bytesMax + 1)
        #expect(problem(large).contains("larger than"))
    }

    @Test("damaged files give an answer, whatever was damaged")
    func mutated() {
        let good = Array(
            """
            version: 1
            nodes:
              a: {operator: filter, input: trades, where: "price > 0 and size > 0"}
              b:
                - 'one'
                - |
                  two
                  three
            """.utf8)
        let signs = Array("{}[],:&*!|>'\"%@`#-?\n\t \\\u{0}é".utf8)
        let seed: UInt64 = 20_261_121
        var random = SeededRandom(seed: seed)
        var answered = 0
        for _ in 0..<3_000 {
            var bytes = good
            for _ in 0...(random.next() % 4) {
                let place = Int(random.next() % UInt64(bytes.count))
                switch random.next() % 3 {
                case 0: bytes[place] = signs[Int(random.next() % UInt64(signs.count))]
                case 1: bytes.remove(at: place)
                default: bytes.insert(signs[Int(random.next() % UInt64(signs.count))], at: place)
                }
            }
            if (try? YAMLFile.parse(bytes)) != nil { answered += 1 }
        }
        #expect(answered > 0 && answered < 3_000, "seed \(seed): \(answered) were right")
    }
}
