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
    private func symbol(_ text: String) throws -> Symbol { try #require(Symbol(text)) }

    private func info() throws -> RecordingInfo {
        RecordingInfo(
            namespace: "md", partitions: 4, source: try #require(SourceName("feed")),
            from: .undefined, to: Timestamp(nanoseconds: 9_000), created: Timestamp(nanoseconds: 1),
            present: [Partition(1), Partition(3)],
            symbols: [try symbol("AAPL"), try symbol("BRK.B")])
    }

    private func packet(_ first: UInt64) throws -> RecordedPacket {
        var builder = PacketBuilder(
            kind: .ticks, partition: Partition(1), source: try #require(SourceName("feed")))
        let number = builder.register(
            SymbolDefinition(
                symbol: try symbol("AAPL"), provider: "x", since: Timestamp(nanoseconds: 5)))
        for offset in 0..<2 {
            let time = Timestamp(nanoseconds: Int64(first) * 10 + Int64(offset))
            let isIn = builder.append(
                Trade(
                    header: TickHeader(symbol: number, providerTime: time, receiveTime: time),
                    price: Price(raw: 1), size: Quantity(raw: 2)))
            #expect(isIn)
        }
        let sealed = builder.seal(
            PacketBuilder.Seal(
                epoch: 3, firstOrdinal: first, watermark: Timestamp(nanoseconds: 7),
                sendTime: Timestamp(nanoseconds: 8)))
        return try RecordedPacket(sealed.withBytes { $0.array })
    }

    private func written(_ folder: TemporaryFolder) throws -> String {
        let path = folder.file("a.tape")
        let writer = try RecordingWriter(path, try info())
        try writer.add(try packet(1))
        try writer.add(try packet(3))
        #expect(!FileManager.default.fileExists(atPath: path))
        try writer.finish()
        #expect(writer.packets == 2 && writer.ticks == 4)
        return path
    }

    @Test("what was written comes back, and nothing else")
    func roundTrip() throws {
        let folder = try TemporaryFolder("recording")
        let path = try written(folder)
        let file = try RecordingFile(path)
        #expect(file.about == (try info()))
        #expect(try file.next()?.bytes == packet(1).bytes)
        #expect(try file.next()?.bytes == packet(3).bytes)
        #expect(try file.next() == nil)
        #expect(try file.next() == nil)
        #expect(file.ticks == 4)
    }

    @Test("one that is not finished leaves nothing behind")
    func unfinished() throws {
        let folder = try TemporaryFolder("recording")
        var writer: RecordingWriter? = try RecordingWriter(folder.file("a.tape"), try info())
        try writer?.add(try packet(1))
        writer = nil
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
    }

    @Test("every cut is an error that names a byte of the file")
    func cuts() throws {
        let folder = try TemporaryFolder("recording")
        let bytes = try Data(contentsOf: URL(fileURLWithPath: written(folder)))
        let cut = folder.file("cut.tape")
        for length in 0..<bytes.count {
            try bytes.prefix(length).write(to: URL(fileURLWithPath: cut))
            let error = #expect(throws: RecordingError.self) { try RecordingFile.check(cut) }
            #expect((0...length).contains(error?.offset ?? -1), "cut at \(length)")
        }
    }

    @Test("every changed byte is an error, and so is one too many")
    func changes() throws {
        let folder = try TemporaryFolder("recording")
        let bytes = try Data(contentsOf: URL(fileURLWithPath: written(folder)))
        let changed = folder.file("changed.tape")
        for place in bytes.indices {
            for mask in [UInt8(0x01), 0x80] {
                var copy = bytes
                copy[place] ^= mask
                try copy.write(to: URL(fileURLWithPath: changed))
                #expect(throws: RecordingError.self, "byte \(place)") {
                    try RecordingFile.check(changed)
                }
            }
        }
        try (bytes + [0]).write(to: URL(fileURLWithPath: changed))
        #expect(throws: RecordingError.self) { try RecordingFile.check(changed) }
    }
}
