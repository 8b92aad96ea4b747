import Foundation
import Primitives
import Seeds
import Testing

@testable import QuestDBWire

@Suite("Rows in QuestDB's line protocol")
struct LineRowsTests {
    private typealias Name = LineRows.Name

    /// Adds a text of a test as what the tape has: bytes.
    private func withBytes(_ text: String, _ body: (RawSpan) -> Void) {
        Array(text.utf8).withRawSpan { body($0) }
    }

    private func add(_ value: [JSONValue], to rows: inout LineRows) throws {
        let texts = try value.map { try #require($0.string) }
        let (name, kind, text) = (Name(texts[0]), texts[1], texts[2])
        switch kind {
        case "text":
            Array(text.utf8).withRawSpan { rows.text(name, $0) }
        case "integer": rows.integer(name, try #require(Int64(text)))
        case "bool": rows.bool(name, text == "t")
        case "time": rows.time(name, try #require(Int64(text)))
        default:
            let scale = try #require(Int(kind.dropFirst("decimal".count)))
            rows.decimal(name, try #require(Int128(text)), scale: scale)
        }
    }

    /// The file is made by `client_bytes.py`.
    @Test("rows have the bytes that QuestDB's own client makes of their values")
    func golden() throws {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("Golden/rows.json")
        let json = try JSONValue.parse(Array(try Data(contentsOf: file)))
        let wanted = try #require(json.array)
        #expect(wanted.count > 100)
        for row in wanted {
            var rows = LineRows(table: try #require(row["table"]?.string))
            rows.begin()
            for symbol in row["symbols"]?.array ?? [] {
                let pair = try #require(symbol.array).map { try #require($0.string) }
                Array(pair[1].utf8).withRawSpan { rows.symbol(Name(pair[0]), $0) }
            }
            for value in row["values"]?.array ?? [] {
                try add(try #require(value.array), to: &rows)
            }
            let time = try #require(row["time"]?.string.flatMap { Int64($0) })
            rows.designate(time, Name("ts"))
            #expect(rows.end() == nil)
            let hex = rows.bytes.map { String(format: "%02x", $0) }.joined()
            #expect(hex == row["bytes"]?.string, "\(row)")
            #expect(rows.ends == [rows.bytes.count])
        }
    }

    @Test("values come in any order, and symbols stand first; what is absent does not stand")
    func order() {
        var rows = LineRows(table: "a b")
        rows.begin()
        rows.integer(Name("n"), 7)
        withBytes("x") { rows.symbol(Name("s"), $0) }
        withBytes("") { rows.symbol(Name("empty"), $0) }
        rows.designate(5, Name("ts"))
        rows.bool(Name("b"), false)
        #expect(rows.end() == nil)
        #expect(String(decoding: rows.bytes, as: UTF8.self) == "a\\ b,s=x n=7i,b=f 5n\n")
    }

    @Test("a value that the server cannot hold is refused by name, and its row does not stand")
    func refusals() {
        let bound = LineRows.decimalBound
        let bad: [(inout LineRows) -> Void] = [
            { $0.decimal(Name("v"), bound, scale: 8) },
            { $0.decimal(Name("v"), -bound, scale: 8) },
            { $0.decimal(Name("v"), .min, scale: 17) }, { $0.designate(-1, Name("v")) },
            { rows in [UInt8(0)].withRawSpan { rows.symbol(Name("v"), $0) } },
            { rows in [UInt8(0xff)].withRawSpan { rows.symbol(Name("v"), $0) } },
            { rows in [UInt8](arrayLiteral: 0xc3).withRawSpan { rows.text(Name("v"), $0) } },
        ]
        var rows = LineRows(table: "t")
        for add in bad {
            rows.begin()
            rows.integer(Name("i"), 1)
            add(&rows)
            #expect(rows.end()?.column == "v")
        }
        #expect(rows.bytes.isEmpty && rows.count == 0)
        rows.begin()
        rows.decimal(Name("v"), bound - 1, scale: 8)
        #expect(rows.end() == nil && rows.count == 1)
    }

    @Test("only the time of a row has to be after 1970, and only a symbol without a NUL")
    func allowed() {
        var rows = LineRows(table: "t")
        rows.begin()
        rows.time(Name("a"), -1)
        withBytes("x\0y") { rows.text(Name("b"), $0) }
        rows.designate(0, Name("ts"))
        #expect(rows.end() == nil)
        #expect(String(decoding: rows.bytes, as: UTF8.self) == "t a=-1n,b=\"x\0y\" 0n\n")
    }

    /// What a server reads of a line: its parts outside of quotes, with what was escaped.
    private struct Reader {
        var bytes: ArraySlice<UInt8>

        /// Reads up to one of these bytes, which it takes.
        mutating func unquoted(upTo ends: String) -> (text: [UInt8], end: UInt8)? {
            var text: [UInt8] = []
            while let byte = bytes.popFirst() {
                if byte == UInt8(ascii: "\\") {
                    guard let next = bytes.popFirst() else { return nil }
                    text.append(next)
                } else if ends.utf8.contains(byte) {
                    return (text, byte)
                } else {
                    text.append(byte)
                }
            }
            return nil
        }

        mutating func quoted() -> [UInt8]? {
            guard bytes.popFirst() == UInt8(ascii: "\"") else { return nil }
            return unquoted(upTo: "\"")?.text
        }
    }

    @Test("whatever a text has, it comes back, and nothing after it moves")
    func escaping() throws {
        for seed in Seeds(fixed: 1...200).all() {
            var random = SeededRandom(seed: seed)
            let alphabet = Array(" ,=\\\"\n\rab/.;'`ü\u{1}\u{7f}\u{2028}😀")
            func text() -> String {
                String(
                    (0..<Int.random(in: 1...20, using: &random)).map { _ in
                        alphabet.randomElement(using: &random) ?? " "
                    })
            }
            var rows = LineRows(table: "t")
            let texts = (0..<6).map { _ in text() }
            for pair in stride(from: 0, to: 6, by: 2) {
                rows.begin()
                withBytes(texts[pair]) { rows.symbol(Name("s"), $0) }
                withBytes(texts[pair + 1]) { rows.text(Name("v"), $0) }
                rows.designate(Int64(pair), Name("ts"))
                #expect(rows.end() == nil)
            }
            var reader = Reader(bytes: rows.bytes[...])
            for pair in stride(from: 0, to: 6, by: 2) {
                #expect(reader.unquoted(upTo: ",")?.text == Array("t".utf8))
                #expect(reader.unquoted(upTo: "=")?.text == Array("s".utf8))
                let symbol = reader.unquoted(upTo: " ,=\n\r")
                #expect(symbol?.text == Array(texts[pair].utf8), "TAPELINE_SEED=\(seed)")
                #expect(symbol?.end == UInt8(ascii: " "))
                #expect(reader.unquoted(upTo: "=")?.text == Array("v".utf8))
                #expect(reader.quoted() == Array(texts[pair + 1].utf8), "TAPELINE_SEED=\(seed)")
                #expect(reader.unquoted(upTo: "\n")?.text == Array(" \(pair)n".utf8))
            }
            #expect(reader.bytes.isEmpty)
        }
    }
}
