import Foundation
import MarketModel
import Primitives
import TestSupport
import Testing

@testable import TapeTransport

enum Letters {
    static func letter(
        ordinal: UInt64 = 17, payload: [UInt8] = [0, 1, 254, 255], message: String = "no \"good\""
    ) throws -> DeadLetter {
        DeadLetter(
            service: "store-writer", namespace: "md", owner: "store", storeKind: "postgres",
            sink: "trades", reason: .data,
            refusal: DeadLetter.Refusal(
                sqlState: "23514", message: message, constraint: "price_check", column: "price"),
            place: DeadLetter.Place(
                input: "ticks", partition: Partition(3),
                source: try #require(SourceName("desk-1")), epoch: UInt64.max, ordinal: ordinal,
                stream: "MD_TICKS_3",
                streamCreated: Timestamp(nanoseconds: 1_767_623_390_000_000_001), sequence: 99),
            symbol: "日経 \\ \"225\"\n\u{0}", eventTime: Timestamp(nanoseconds: -1),
            notedAt: Timestamp(nanoseconds: 1_767_623_399_123_456_789), payload: payload)
    }
}

@Suite("A dead letter")
struct DeadLetterTests {
    /// Returns the bytes of the file, and writes it where it is missing.
    private static func golden(_ letter: DeadLetter) throws -> [UInt8] {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("Golden/letter.json")
        if !FileManager.default.fileExists(atPath: file.path) {
            try Data(letter.json + [10]).write(to: file)
            Issue.record("\(file.lastPathComponent) was missing and has been written: look at it")
        }
        return Array(try Data(contentsOf: file))
    }

    @Test("is the line in the file Golden/letter.json")
    func golden() throws {
        let letter = try Letters.letter()
        let bytes = try Self.golden(letter)
        #expect(
            String(decoding: letter.json + [10], as: UTF8.self)
                == String(decoding: bytes, as: UTF8.self))
        #expect(try DeadLetter(json: bytes.dropLast()) == letter)
        #expect(letter.id == "ticks/3/desk-1/17/18446744073709551615")
        #expect(letter.messageID == "md/store/\(letter.id)")
    }

    @Test("comes back as it was, whatever is in it")
    func roundTrip() throws {
        var letter = try Letters.letter(payload: Array(0...255) + Array(0...255))
        letter.eventTime = .undefined
        letter.count = UInt64.max
        for reason in DeadLetter.Reason.allCases {
            letter.reason = reason
            #expect(try DeadLetter(json: letter.json) == letter)
        }
    }

    @Test("has bounds: a payload that is too large is cut and says so, a message is cut")
    func bounds() throws {
        let large = try Letters.letter(
            payload: [UInt8](repeating: 7, count: DeadLetter.payloadBytesMax + 1),
            message: String(repeating: "é", count: 5_000))
        #expect(large.isTruncated && large.payload.count == DeadLetter.payloadBytesMax)
        #expect(large.refusal.message.count == DeadLetter.messageCharactersMax)
        #expect(try DeadLetter(json: large.json) == large)
        #expect(large.json.count < 400_000, "a message of NATS holds it")
        #expect(try !Letters.letter().isTruncated)
    }

    @Test("any other line is refused with a reason, and traps nobody")
    func refused() throws {
        let good = String(decoding: try Letters.letter().json, as: UTF8.self)
        for (from, to) in [
            ("\"v\":1", "\"v\":2"), ("\"data\"", "\"dada\""),
            ("\"desk-1\"", "\"DESK\""),
            ("\"partition\":3", "\"partition\":-1"), ("\"partition\":3", "\"partition\":99999999"),
            ("\"ordinal\":17", "\"ordinal\":-17"), ("\"count\":1", "\"count\":\"1\""),
            ("AAH+/w==", "AAH+/w"), ("\"event_time_ns\":-1", "\"event_time_ns\":1e40"),
            ("}", ""),
        ] {
            #expect(good.contains(from))
            let changed = Array(good.replacingOccurrences(of: from, with: to).utf8)
            let error = #expect(throws: DeadLetter.Unreadable.self) {
                try DeadLetter(json: changed)
            }
            #expect("\(try #require(error))".hasPrefix("no dead letter of this version"))
        }
        var random = SeededRandom(seed: 3)
        let bytes = Array(good.utf8)
        for _ in 0..<2_000 {
            var changed = bytes
            changed[Int(random.next() % UInt64(bytes.count))] = UInt8(
                truncatingIfNeeded: random.next())
            _ = try? DeadLetter(json: changed)
        }
    }
}

@Suite("Files of dead letters")
struct DeadLetterFolderTests {
    private func folder(
        _ folder: TemporaryFolder, fileBytes: Int = 2_000, files: Int = 3
    ) -> DeadLetterFolder {
        var limits = DeadLetterFolder.Limits()
        limits.fileBytes = fileBytes
        limits.files = files
        return DeadLetterFolder("\(folder.path)/a/b", limits: limits)
    }

    private func letters(_ ordinals: ClosedRange<UInt64>) throws -> [DeadLetter] {
        try ordinals.map { try Letters.letter(ordinal: $0) }
    }

    private func ordinals(_ file: DeadLetterFolder.ClosedFile) throws -> [UInt64] {
        let (letters, problems) = try DeadLetterFolder.read(file.path)
        #expect(problems.isEmpty)
        return letters.map(\.place.ordinal)
    }

    @Test("what is appended is in the files, in order; closed ones can be emptied")
    func appends() throws {
        let place = try TemporaryFolder()
        let folder = folder(place)
        #expect(try folder.fileCount() == 0 && folder.closedFiles().isEmpty)
        try folder.closeCurrent()
        try folder.append([])
        try folder.append(letters(1...1))
        try folder.append(letters(2...2))
        #expect(try folder.fileCount() == 1 && folder.closedFiles().isEmpty)
        try folder.closeCurrent()
        try folder.closeCurrent()
        let closed = try folder.closedFiles()
        #expect(try closed.map(ordinals) == [[1, 2]])
        // Letters that arrive meanwhile are not removed with it.
        try folder.append(letters(3...3))
        try folder.remove(closed[0])
        try folder.closeCurrent()
        #expect(try folder.closedFiles().map(ordinals) == [[3]])
        #expect(try folder.fileCount() == 1)
    }

    @Test("a file that another process has emptied meanwhile is no problem")
    func shared() throws {
        let place = try TemporaryFolder()
        let (ours, theirs) = (folder(place), folder(place))
        try ours.append(letters(1...1))
        try ours.closeCurrent()
        let file = try #require(try ours.closedFiles().first)
        #expect(try ours.read(file)?.letters.count == 1)
        try theirs.remove(file)
        let gone = try ours.read(file)
        #expect(gone == nil)
        try ours.setAside(file)
        try ours.remove(file)
        #expect(try ours.closedFiles().isEmpty && ours.fileCount() == 0)
    }

    @Test("files are bounded in size and number; then nothing more is taken, and nothing dropped")
    func rotation() throws {
        let place = try TemporaryFolder()
        let folder = folder(place)
        let size = try Letters.letter().json.count + 1
        let each = UInt64(2_000 / size)
        try folder.append(letters(1...each * 2))
        #expect(try folder.fileCount() == 2)
        let error = #expect(throws: DeadLetterFileError.self) {
            try folder.append(letters(each * 2 + 1...each * 3 + 1))
        }
        #expect(error == .full(folder: folder.path, files: 3))
        #expect("\(try #require(error))".contains("bring NATS back"))
        try folder.closeCurrent()
        let all = try folder.closedFiles().flatMap(ordinals)
        #expect(all == Array(1...each * 3))
    }

    @Test("a letter larger than a file has a file of its own")
    func large() throws {
        let place = try TemporaryFolder()
        let folder = folder(place, fileBytes: 10)
        try folder.append(letters(1...2))
        #expect(try folder.fileCount() == 2)
    }

    @Test("a line that a crash has torn is cut off; a line that is none is told with its number")
    func torn() throws {
        let place = try TemporaryFolder()
        let folder = folder(place, fileBytes: 100_000)
        try folder.append(letters(1...2))
        let path = "\(folder.path)/letters-1.ndjson"
        let whole = try Data(contentsOf: URL(fileURLWithPath: path))
        try (whole + Data("{\"v\":1,\"id".utf8)).write(to: URL(fileURLWithPath: path))
        try folder.append(letters(3...3))
        try folder.closeCurrent()
        let file = try #require(try folder.closedFiles().first)
        #expect(try ordinals(file) == [1, 2, 3])
        try (Data("x\n".utf8) + whole).write(to: URL(fileURLWithPath: path))
        let (letters, problems) = try DeadLetterFolder.read(path)
        #expect(letters.map(\.place.ordinal) == [1, 2])
        #expect(problems.count == 1 && "\(problems[0])".hasPrefix("line 1 of \(path)"))
        try folder.setAside(file)
        #expect(try folder.closedFiles().isEmpty)
        #expect(FileManager.default.fileExists(atPath: "\(path).damaged"))
    }

    @Test("a folder that cannot be written to is an error that names it")
    func unwritable() throws {
        let place = try TemporaryFolder()
        try place.write("a file", to: "a")
        let error = #expect(throws: DeadLetterFileError.self) {
            try folder(place).append(letters(1...1))
        }
        #expect("\(try #require(error))".contains(place.path))
        #expect(throws: DeadLetterFileError.self) { try DeadLetterFolder.read("\(place.path)/no") }
    }
}
