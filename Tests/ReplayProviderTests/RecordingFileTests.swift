import Foundation
import MarketModel
import Primitives
import Recordings
import TapeCodec
import TestSupport
import Testing

@testable import ReplayProvider

@Suite("A recording in a file")
struct RecordingFileTests {
    private func put(_ bytes: [UInt8], _ folder: TemporaryFolder) throws -> String {
        let path = folder.file("b.tape")
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        return path
    }

    private func bytes(_ path: String) throws -> [UInt8] {
        [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
    }

    @Test(
        "what was written comes back, with its times, and nothing else", arguments: [true, false])
    func roundTrip(hasBars: Bool) throws {
        let folder = try TemporaryFolder("recording")
        let fixture = try RecordingFixture(hasBars: hasBars)
        let path = try fixture.write(folder)
        let file = try RecordingFile(path)
        #expect(file.about == fixture.info)
        // Before the packets were read, and after.
        #expect(try file.bars() == fixture.bars)
        for packet in try fixture.packets() {
            let found = try file.withNext { frame, bytes in (frame, bytes.array) }
            #expect(found?.1 == packet.bytes && found?.0.header == packet.header)
            #expect(found?.0.knownAt == packet.knownAt)
        }
        for _ in 0..<2 { #expect(try file.withNext { _, _ in () } == nil) }
        #expect(file.ticks == 4 && file.barPackets == (hasBars ? 3 : 0) && file.missing.isEmpty)
        #expect(try file.bars() == fixture.bars)
    }

    @Test("a replay gets the ticks of a recording with bars, and no bars")
    func replayed() throws {
        let folder = try TemporaryFolder("recording")
        let fixture = try RecordingFixture()
        let file = try RecordingFile(try fixture.write(folder))
        for (first, known) in [(1, 20), (3, 20)] {
            let packet = try fixture.ticks(UInt64(first), knownAt: Int64(known))
            let found = try file.next()
            #expect(found?.bytes == packet.bytes && found?.knownAt == packet.knownAt)
        }
        #expect(try file.next() == nil && file.hasEnded && file.packets == 5)
    }

    @Test("partitions of which nothing is said have no complete bars")
    func unstated() throws {
        let folder = try TemporaryFolder("recording")
        let fixture = try RecordingFixture()
        let path = folder.file("a.tape")
        let writer = try RecordingWriter(path, fixture.info)
        try writer.add(try fixture.ticks(1, knownAt: 1))
        try writer.finish(bars: [fixture.bars[1]])
        let found = try RecordingFile(path).bars()
        #expect(found == [RecordedBars(Partition(1)), fixture.bars[1]])
        #expect(found[0].isEmpty && !found[1].isEmpty)
        #expect(try RecordingFile.check(path).packets == 1)
    }

    @Test(
        "a recording of a version that is not known is refused with what to do", arguments: [1, 3])
    func unknownVersion(version: UInt8) throws {
        let folder = try TemporaryFolder("recording")
        var changed = try bytes(try RecordingFixture().write(folder))
        changed[8] = version
        RecordingSeal.seal(&changed)
        let path = try put(changed, folder)
        let error = #expect(throws: RecordingError.self) { try RecordingFile(path) }
        #expect(error?.offset == 8)
        #expect(
            error?.problem == "it has format version \(version), this program knows 2: record it "
                + "again, or use the release that made it")
    }

    @Test("a recording has the bytes of the file Golden/recording.hex")
    func golden() throws {
        let folder = try TemporaryFolder("recording")
        let present = try bytes(try RecordingFixture().write(folder))
        let url = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("Golden/recording.hex")
        if !FileManager.default.fileExists(atPath: url.path) {
            let lines = stride(from: 0, to: present.count, by: 16).map { start in
                present[start..<min(start + 16, present.count)]
                    .map { String(format: "%02x", $0) }.joined(separator: " ")
            }
            try (lines.joined(separator: "\n") + "\n").write(
                to: url, atomically: true, encoding: .utf8)
            Issue.record("recording.hex was missing and has been written: look at it")
        }
        let text = try String(contentsOf: url, encoding: .utf8)
        let golden = text.split(whereSeparator: \.isWhitespace).compactMap { UInt8($0, radix: 16) }
        #expect(present == golden)
        #expect(try RecordingFile.check(try put(golden, folder)).ticks == 4)
    }

    @Test("one that is not finished leaves nothing behind")
    func unfinished() throws {
        let folder = try TemporaryFolder("recording")
        let fixture = try RecordingFixture()
        var writer: RecordingWriter? = try RecordingWriter(folder.file("a.tape"), fixture.info)
        try writer?.add(try fixture.ticks(1, knownAt: 1))
        writer = nil
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
    }

    @Test("a packet without a time in a recording is a bug")
    func trapsTimeless() async {
        await #expect(processExitsWith: .failure) {
            let folder = try TemporaryFolder("recording")
            let fixture = try RecordingFixture()
            let writer = try RecordingWriter(folder.file("a.tape"), fixture.info)
            try writer.add(try fixture.ticks(1, knownAt: .max))
        }
    }

    @Test("every cut is an error that names a byte of the file")
    func cuts() throws {
        let folder = try TemporaryFolder("recording")
        let bytes = try bytes(try RecordingFixture().write(folder))
        for length in 0..<bytes.count {
            let cut = try put(Array(bytes.prefix(length)), folder)
            let error = #expect(throws: RecordingError.self) { try RecordingFile.check(cut) }
            #expect((0...length).contains(error?.offset ?? -1), "cut at \(length)")
            // What it says of its bars is refused, too.
            #expect(throws: RecordingError.self) { try RecordingFile(cut).bars() }
        }
    }

    @Test("every changed byte is an error, and so is one too many")
    func changes() throws {
        let folder = try TemporaryFolder("recording")
        let bytes = try bytes(try RecordingFixture().write(folder))
        for place in bytes.indices {
            for mask in [UInt8(0x01), 0x80] {
                var copy = bytes
                copy[place] ^= mask
                let changed = try put(copy, folder)
                #expect(throws: RecordingError.self, "byte \(place)") {
                    try RecordingFile.check(changed)
                }
            }
        }
        let long = try put(bytes + [0], folder)
        #expect(throws: RecordingError.self) { try RecordingFile.check(long) }
    }

    @Test("a time of the tape that falls within a partition, or is none, is refused")
    func times() throws {
        let folder = try TemporaryFolder("recording")
        let fixture = try RecordingFixture()
        let whole = try bytes(try fixture.write(folder))
        let header = RecordingSeal.headerBytes(whole)
        let first = Int(RecordingSeal.load(header, whole)) + 20
        let second = Int(RecordingSeal.load(header + first, whole)) + 20
        // The frame of the second packet of ticks.
        let place = header + first + second + 12
        for (value, isRight) in [
            (Int64(20), true), (21, true), (19, false), (.max, false), (.min, false),
        ] {
            var bytes = whole
            for index in 0..<8 {
                bytes[place + index] = UInt8(truncatingIfNeeded: value >> (index * 8))
            }
            RecordingSeal.seal(&bytes)
            let path = try put(bytes, folder)
            if isRight {
                #expect(try RecordingFile.check(path).packets == 5)
            } else {
                let file = try RecordingFile(path)
                // The file stays before the packet, so it says the same again.
                for _ in 0..<2 {
                    let error = #expect(throws: RecordingError.self) { while try file.step() {} }
                    #expect(error?.offset == place)
                    #expect(error?.problem.contains("took the packet") == true)
                }
            }
        }
    }
}
