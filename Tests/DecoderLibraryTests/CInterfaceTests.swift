import ArrowColumns
import CDecoder
import Foundation
import Primitives
import TestSupport
import Testing

@testable import DecoderLibrary

/// Calls the functions as C does.
@Suite("The library's functions for C")
struct CInterfaceTests {
    private typealias Reader = OpaquePointer

    private func text(_ error: tapeline_error) -> String {
        unsafe withUnsafeBytes(of: error.text) {
            unsafe String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
        }
    }

    private func source(_ error: tapeline_error) -> String {
        unsafe withUnsafeBytes(of: error.source) {
            unsafe String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
        }
    }

    private func owned(_ pointer: UnsafeMutablePointer<CChar>?) throws -> String {
        let pointer = try unsafe #require(pointer)
        defer { unsafe tapelineTextFree(pointer) }
        return unsafe String(cString: pointer)
    }

    /// What a stream gave: the lengths of its batches, and the code that ended it.
    private func drain(_ stream: inout ArrowArrayStream) -> (rows: [Int64], code: Int32) {
        var rows: [Int64] = []
        while true {
            var array = unsafe ArrowArray()
            let code = unsafe stream.get_next(&stream, &array)
            guard code == 0, let release = unsafe array.release else { return (rows, code) }
            unsafe rows.append(array.length)
            unsafe release(&array)
            #expect(unsafe array.release == nil && array.private_data == nil)
        }
    }

    private func open(
        _ path: String, _ kind: Int = Int(TAPELINE_TRADES), flags: UInt32 = 0
    ) throws -> Reader {
        var error = tapeline_error()
        var selection = unsafe tapeline_selection()
        unsafe selection.from = .min
        unsafe selection.to = .max
        unsafe selection.flags = flags
        return try unsafe #require(tapelineReaderOpen(path, Int32(kind), &selection, nil, &error))
    }

    private func stream(of reader: Reader) throws -> ArrowArrayStream {
        var stream = unsafe ArrowArrayStream()
        let code = unsafe tapelineReaderStream(reader, &stream, nil)
        try #require(code == 0)
        return unsafe stream
    }

    @Test("a recording comes in batches: a first one soon, then large ones, all of it")
    func recording() throws {
        let fixture = try DecoderFixture(packets: 100, trades: 1_000)
        let reader = try unsafe open(fixture.path)
        var stream = try unsafe stream(of: reader)
        #expect(unsafe tapelineReaderStream(reader, &stream, nil) == Int32(TAPELINE_INVALID))
        let (rows, code) = unsafe drain(&stream)
        #expect(code == 0 && rows.reduce(0, +) == 100_000)
        #expect(rows.first == 5_000)
        #expect(rows.allSatisfy { $0 <= 65_536 } && rows.count <= 4)
        #expect(unsafe tapelineReaderError(reader, nil) == 0)
        let json = try unsafe owned(tapelineReaderProvenance(reader))
        #expect(json.contains(#""rows":{"trades":100000},"complete":true"#))
        #expect(json.contains(#""first":1,"last":100200,"packets":100"#))
        unsafe stream.release(&stream)
        unsafe tapelineReaderClose(reader)
    }

    @Test("a stream and its batches outlive the reader")
    func lifetimes() throws {
        let fixture = try DecoderFixture(packets: 2, trades: 10)
        let reader = try unsafe open(fixture.path)
        var stream = try unsafe stream(of: reader)
        unsafe tapelineReaderClose(reader)
        var array = unsafe ArrowArray()
        #expect(unsafe stream.get_next(&stream, &array) == 0)
        unsafe stream.release(&stream)
        #expect(unsafe stream.release == nil)
        // A consumer may keep one column and release the rest.
        var price = unsafe array.children[5]?.pointee ?? ArrowArray()
        unsafe array.children[5]?.pointee.release = nil
        unsafe array.release(&array)
        let values = unsafe price.buffers[1]?.assumingMemoryBound(to: Int64.self)
        #expect(unsafe values?[0] == 1_000_000_000 && values?[10] == 13_000_000_000)
        unsafe price.release(&price)
    }

    @Test("a column of texts has a dictionary of strings, which has nothing below it")
    func dictionaries() throws {
        var schema = unsafe ArrowSchema()
        #expect(unsafe tapelineSchema(Int32(TAPELINE_TRADES), &schema, nil) == 0)
        var count = 0
        for index in 0..<Int(unsafe schema.n_children) {
            let column = try unsafe #require(schema.children[index]).pointee
            guard let texts = unsafe column.dictionary?.pointee else { continue }
            count += 1
            #expect(unsafe String(cString: texts.format) == "u")
            #expect(unsafe texts.dictionary == nil && texts.n_children == 0)
        }
        unsafe schema.release(&schema)
        #expect(count > 0)
    }

    @Test("a stream has the columns that were asked for, and a reader the texts of their numbers")
    func shape() throws {
        let fixture = try DecoderFixture(packets: 1, trades: 4)
        var error = tapeline_error()
        func open(_ names: [String], flags: UInt32) -> Reader? {
            var copies = unsafe names.map { unsafe UnsafePointer(strdup($0)) }
            defer { unsafe copies.forEach { unsafe free(UnsafeMutablePointer(mutating: $0)) } }
            return unsafe copies.withUnsafeMutableBufferPointer { columns in
                var shape = unsafe tapeline_shape()
                unsafe shape.columns = UnsafePointer(columns.baseAddress)
                unsafe shape.column_count = columns.count
                unsafe shape.flags = flags
                return unsafe tapelineReaderOpen(
                    fixture.path, Int32(TAPELINE_TRADES), nil, &shape, &error)
            }
        }
        let reader = try unsafe #require(
            open(["symbol", "price"], flags: UInt32(TAPELINE_FLOATS | TAPELINE_NUMBERS)))
        var stream = try unsafe stream(of: reader)
        var schema = unsafe ArrowSchema()
        #expect(unsafe stream.get_schema(&stream, &schema) == 0 && schema.n_children == 2)
        let formats = (0..<2).map { index in
            unsafe schema.children[index].map { unsafe String(cString: $0.pointee.format) }
        }
        #expect(formats == ["I", "g"])
        unsafe schema.release(&schema)
        var array = unsafe ArrowArray()
        #expect(unsafe stream.get_next(&stream, &array) == 0 && array.n_children == 2)
        let prices = unsafe array.children[1]?.pointee.buffers[1]
        #expect(unsafe prices?.load(as: Double.self) == 1)
        #expect(unsafe array.children[0]?.pointee.dictionary == nil)
        unsafe array.release(&array)
        #expect(unsafe tapelineReaderTexts(reader, "symbol", &array, &error) == 0)
        #expect(unsafe array.length == 2)
        unsafe array.release(&array)
        #expect(
            unsafe tapelineReaderTexts(reader, "price", &array, &error) == Int32(TAPELINE_INVALID))
        #expect(text(error).contains("no texts 'price'"))
        unsafe stream.release(&stream)
        unsafe tapelineReaderClose(reader)
        for (names, flags, part) in [
            (["volume"], 0, "no column 'volume'"), (["size", "size"], 0, "named twice"),
            (["size"], 4, "unknown flags"),
        ] {
            #expect(unsafe open(names, flags: UInt32(flags)) == nil)
            #expect(error.code == Int32(TAPELINE_INVALID) && text(error).contains(part))
        }
    }

    @Test("what a recording says of itself is JSON")
    func info() throws {
        let fixture = try DecoderFixture(packets: 1, trades: 1)
        let said = """
            "namespace":"md","source":"feed","partitions":4,"present":[1],\
            "symbols":["AAPL"],"from":null,"to":9000,"created":1,"bars":null}
            """
        #expect(
            try unsafe owned(tapelineRecordingInfo(fixture.path, nil)) == #"{"format":2,"# + said)
        let other = try DecoderFixture()
        try other.recordBars(2)
        let json = try unsafe owned(tapelineRecordingInfo(other.path, nil))
        #expect(json.contains(#""present":[1,2],"symbols":[],"from":5,"to":9000"#))
        #expect(
            json.hasSuffix(#""bars":[{"partition":1,"from":null,"to":9000,"closed":70}]}"#),
            "\(json)")
        // What it says of its bars is proven, too.
        try other.changeBytes { $0[$0.count - 20] ^= 1 }
        var error = tapeline_error()
        #expect(unsafe tapelineRecordingInfo(other.path, &error) == nil)
        #expect(error.code == Int32(TAPELINE_DAMAGED) && text(error).contains("its bars"))
    }

    /// Returns the values of a column of 64 bits of all batches.
    private func column(_ index: Int, _ stream: inout ArrowArrayStream) throws -> [Int64] {
        var values: [Int64] = []
        while true {
            var array = unsafe ArrowArray()
            try #require(unsafe stream.get_next(&stream, &array) == 0)
            guard let release = unsafe array.release else { return values }
            let child = unsafe array.children[index]?.pointee ?? ArrowArray()
            let buffer = unsafe child.buffers[1]?.assumingMemoryBound(to: Int64.self)
            for row in unsafe 0..<Int(array.length) {
                unsafe values.append(buffer?[row] ?? 0)
            }
            unsafe release(&array)
        }
    }

    @Test("bars of a recording come with the times at which they were known, ticks as well")
    func bars() throws {
        let fixture = try DecoderFixture()
        try fixture.recordBars(5)
        let names = ["sent_at", "known_at"]
        let reader = try unsafe open(fixture.path, Int(TAPELINE_BARS))
        var stream = try unsafe stream(of: reader)
        let places = ColumnKind.bars.columns.indices.filter {
            names.contains(ColumnKind.bars.columns[$0].name)
        }
        let known = try unsafe column(places[1], &stream)
        #expect(known == (0..<5).map { DecoderFixture.known($0).nanoseconds })
        let json = try unsafe owned(tapelineReaderProvenance(reader))
        #expect(json.contains(#""rows":{"bars":5},"complete":true"#))
        #expect(json.contains(#"[{"stream":"bars","source":"operator","partition":1,"first":1,"#))
        #expect(!json.contains(#""stream":"ticks""#))
        unsafe stream.release(&stream)
        unsafe tapelineReaderClose(reader)
        let ticks = try unsafe open(fixture.path, Int(TAPELINE_TRADES))
        var tickStream = try unsafe self.stream(of: ticks)
        let place = try #require(ColumnKind.trades.columns.firstIndex { $0.name == "known_at" })
        #expect(
            try unsafe column(place, &tickStream)
                == [Int64](repeating: DecoderFixture.known(0).nanoseconds, count: 3))
        #expect(try unsafe !owned(tapelineReaderProvenance(ticks)).contains("operator"))
        unsafe tickStream.release(&tickStream)
        unsafe tapelineReaderClose(ticks)
    }

    @Test("a hole in the bars ends the reading of bars, and not that of ticks")
    func barHole() throws {
        let fixture = try DecoderFixture()
        try fixture.recordBars(3, hole: 4)
        for (kind, rows, end) in [
            (Int(TAPELINE_BARS), [Int64(2)], ENODATA), (Int(TAPELINE_TRADES), [3], 0),
        ] {
            let reader = try unsafe open(fixture.path, kind)
            var stream = try unsafe stream(of: reader)
            let found = unsafe drain(&stream)
            #expect(found.rows == rows && found.code == end)
            unsafe stream.release(&stream)
            unsafe tapelineReaderClose(reader)
        }
    }

    @Test("a recording without bars has none to read")
    func noBars() throws {
        let fixture = try DecoderFixture(packets: 2, trades: 10)
        var error = tapeline_error()
        #expect(
            unsafe tapelineReaderOpen(fixture.path, Int32(TAPELINE_BARS), nil, nil, &error) == nil)
        #expect(error.code == Int32(TAPELINE_INVALID) && text(error).contains("left out"))
    }

    @Test("a hole in a recording is an error with its place, after the rows before it")
    func hole() throws {
        let fixture = try DecoderFixture(packets: 3, trades: 10, holes: 5)
        let reader = try unsafe open(fixture.path)
        var stream = try unsafe stream(of: reader)
        let (rows, code) = unsafe drain(&stream)
        #expect(rows == [10] && code == ENODATA)
        let message = try unsafe #require(stream.get_last_error(&stream))
        var error = tapeline_error()
        #expect(unsafe tapelineReaderError(reader, &error) == Int32(TAPELINE_HOLE))
        #expect(unsafe String(cString: message) == text(error))
        #expect(error.code == Int32(TAPELINE_HOLE) && error.from == 13 && error.to == 17)
        #expect(error.partition == 1 && source(error) == "feed" && error.sequence == 2)
        // It stays.
        #expect(unsafe drain(&stream).code == ENODATA)
        unsafe stream.release(&stream)
        unsafe tapelineReaderClose(reader)
        let marked = try unsafe open(fixture.path, flags: UInt32(TAPELINE_MARK_HOLES))
        var whole = try unsafe self.stream(of: marked)
        #expect(unsafe drain(&whole).rows == [30])
        let json = try unsafe owned(tapelineReaderProvenance(marked))
        #expect(json.contains(#""missing":10,"holes":[[13,17],[30,34]]"#))
        unsafe whole.release(&whole)
        unsafe tapelineReaderClose(marked)
    }

    @Test("a cut, a changed byte and a missing file are errors with their place")
    func damaged() throws {
        let fixture = try DecoderFixture(packets: 3, trades: 10)
        var count = 0
        try fixture.changeBytes { bytes in
            bytes.removeLast(40)
            count = bytes.count
        }
        let reader = try unsafe open(fixture.path)
        var stream = try unsafe stream(of: reader)
        let (rows, code) = unsafe drain(&stream)
        #expect(rows == [20] && code == EINVAL)
        var error = tapeline_error()
        #expect(unsafe tapelineReaderError(reader, &error) == Int32(TAPELINE_DAMAGED))
        #expect(error.offset == Int64(count) && text(error).contains("cut off"))
        unsafe stream.release(&stream)
        unsafe tapelineReaderClose(reader)
        let absent = fixture.folder.file("absent")
        #expect(unsafe tapelineReaderOpen(absent, Int32(TAPELINE_TRADES), nil, nil, &error) == nil)
        #expect(error.code == Int32(TAPELINE_IO) && text(error).contains(absent))
        try fixture.changeBytes { $0[20] ^= 1 }
        #expect(unsafe tapelineRecordingInfo(fixture.path, &error) == nil)
        #expect(error.code == Int32(TAPELINE_DAMAGED))
    }

    @Test("packets are fed, and their rows are taken")
    func packets() throws {
        let fixture = try DecoderFixture()
        let kinds = UInt32(1) << UInt32(TAPELINE_TRADES) | 1 << UInt32(TAPELINE_GAPS)
        let decoder = try unsafe #require(tapelineDecoderNew(kinds, nil, nil))
        var error = tapeline_error()
        var message = unsafe tapeline_message()
        unsafe message.sequence = 12
        unsafe message.stream_time = 99
        let packet = try fixture.packet(5, trades: 20)
        #expect(unsafe tapelineDecoderExpect(decoder, "feed", 1, 5, &error) == 0)
        unsafe "md.ticks.1.feed".withCString { subject in
            unsafe message.subject = subject
            let code = unsafe tapelineDecoderFeed(decoder, packet, packet.count, &message, &error)
            #expect(code == 0, "\(text(error))")
        }
        #expect(unsafe tapelineDecoderRows(decoder, Int32(TAPELINE_TRADES)) == 20)
        #expect(unsafe tapelineDecoderRows(decoder, Int32(TAPELINE_GAPS)) == 1)
        #expect(unsafe tapelineDecoderRows(decoder, Int32(TAPELINE_QUOTES)) == -1)
        var array = unsafe ArrowArray()
        for kind in [Int32(TAPELINE_TRADES), Int32(TAPELINE_GAPS)] {
            #expect(unsafe tapelineDecoderTake(decoder, kind, &array, &error) == 0)
            unsafe array.release(&array)
            #expect(unsafe tapelineDecoderTake(decoder, kind, &array, &error) == 0)
            #expect(unsafe array.release == nil)
        }
        let code = unsafe tapelineDecoderFeed(decoder, packet, packet.count, nil, &error)
        #expect(code == Int32(TAPELINE_ORDER) && error.from == 27 && error.to == 5)
        let json = try unsafe owned(tapelineDecoderProvenance(decoder))
        #expect(json.contains(#""sequences":[12,12]"#) && json.contains(#""complete":false"#))
        unsafe tapelineDecoderFree(decoder)
    }

    @Test("arguments that make no sense are codes, and end nothing")
    func arguments() throws {
        let invalid = Int32(TAPELINE_INVALID)
        let trades = Int32(TAPELINE_TRADES)
        var error = tapeline_error()
        var array = unsafe ArrowArray()
        #expect(tapelineInterface() == UInt32(TAPELINE_DECODER_INTERFACE))
        tapelineTextFree(nil)
        tapelineReaderClose(nil)
        tapelineDecoderFree(nil)
        #expect(unsafe tapelineSchema(9, &array, &error) == invalid)
        #expect(text(error) == "there is no kind 9" && error.offset == -1 && error.partition == -1)
        #expect(tapelineSchema(1, nil, nil) == invalid)
        #expect(unsafe tapelineReaderOpen(nil, trades, nil, nil, &error) == nil)
        #expect(unsafe tapelineReaderOpen("x", Int32(TAPELINE_BARS), nil, nil, &error) == nil)
        #expect(unsafe tapelineReaderStream(nil, nil, &error) == invalid)
        #expect(tapelineReaderError(nil, nil) == invalid)
        #expect(unsafe tapelineReaderProvenance(nil) == nil)
        #expect(unsafe tapelineRecordingInfo(nil, nil) == nil)
        for kinds in [UInt32(0), 1, 1 << 8, .max] {
            #expect(unsafe tapelineDecoderNew(kinds, nil, &error) == nil)
            #expect(error.code == invalid)
        }
        let decoder = try unsafe #require(tapelineDecoderNew(2, nil, nil))
        #expect(unsafe tapelineDecoderFeed(decoder, nil, 5, nil, &error) == invalid)
        #expect(unsafe tapelineDecoderFeed(decoder, [1, 2], 2, nil, &error) != 0)
        #expect(error.code == Int32(TAPELINE_DAMAGED))
        #expect(unsafe tapelineDecoderFeed(nil, [1, 2], 2, nil, &error) == invalid)
        #expect(unsafe tapelineDecoderExpect(decoder, "UP", 0, 1, &error) == invalid)
        #expect(unsafe tapelineDecoderExpect(decoder, "up", -1, 1, &error) == invalid)
        #expect(unsafe tapelineDecoderExpect(decoder, "up", 0, 0, &error) == invalid)
        #expect(unsafe tapelineDecoderTake(decoder, 2, &array, &error) == invalid)
        #expect(
            unsafe tapelineDecoderRows(nil, trades) == -1 && tapelineDecoderRows(decoder, 77) == -1)
        unsafe tapelineDecoderFree(decoder)
    }

    @Test("a selection names symbols and sources that can be")
    func selection() throws {
        var error = tapeline_error()
        func code(_ symbol: [CChar], _ source: [CChar], flags: UInt32 = 0) -> Int32 {
            unsafe symbol.withUnsafeBufferPointer { symbol in
                unsafe source.withUnsafeBufferPointer { source in
                    var symbols = unsafe [symbol.baseAddress]
                    var sources = unsafe [source.baseAddress]
                    return unsafe symbols.withUnsafeMutableBufferPointer { symbols in
                        unsafe sources.withUnsafeMutableBufferPointer { sources in
                            var selection = unsafe tapeline_selection()
                            unsafe selection.symbols = UnsafePointer(symbols.baseAddress)
                            unsafe selection.symbol_count = 1
                            unsafe selection.sources = UnsafePointer(sources.baseAddress)
                            unsafe selection.source_count = 1
                            unsafe selection.flags = flags
                            let decoder = unsafe tapelineDecoderNew(2, &selection, &error)
                            unsafe tapelineDecoderFree(decoder)
                            return error.code
                        }
                    }
                }
            }
        }
        let (apple, feed) = (Array("AAPL".utf8CString), Array("feed".utf8CString))
        #expect(code(apple, feed) == 0, "\(text(error))")
        #expect(code(apple, feed, flags: 1) == 0)
        #expect(code(apple, feed, flags: 2) == Int32(TAPELINE_INVALID))
        #expect(code([-1, 0], feed) == Int32(TAPELINE_INVALID))
        #expect(text(error) == "a symbol is not UTF-8")
        #expect(code([0], feed) == Int32(TAPELINE_INVALID))
        #expect(code(apple, Array("Feed".utf8CString)) == Int32(TAPELINE_INVALID))
        #expect(text(error).contains("'Feed' is no source"))
    }

    @Test("the header declares what is exported, and nothing else")
    func header() throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent()
        func names(_ path: String, _ pattern: String) throws -> Set<String> {
            let text = try String(contentsOf: root.appendingPathComponent(path), encoding: .utf8)
            return Set(
                try text.matches(of: Regex<(Substring, Substring)>(pattern)).map { String($0.1) })
        }
        let declared = try names(
            "Sources/C/CDecoder/tapeline_decoder.h", #"(?m)^[a-z].*?\b(tapeline_[a-z_]+)\("#)
        let exported = try names(
            "Sources/Desk/DecoderLibrary/Exports.swift", #"@_cdecl\("([a-z_]+)"\)"#)
        #expect(declared == exported && exported.count == 17)
        let needed = try names(
            "Sources/Desk/python/tapeline/decoder.py", "(?m)^INTERFACE = ([0-9]+)$")
        #expect(needed == ["\(TAPELINE_DECODER_INTERFACE)"])
    }
}
