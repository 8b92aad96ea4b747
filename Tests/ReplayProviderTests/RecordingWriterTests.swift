import Foundation
import MarketModel
import Primitives
import Recordings
import TapeCodec
import TestSupport
import Testing

@testable import ReplayProvider

@Suite("Writing a recording")
struct RecordingWriterTests {
    private func info() throws -> RecordingInfo {
        RecordingInfo(
            namespace: "md", partitions: 4, source: try #require(SourceName("feed")),
            from: .undefined, to: Timestamp(nanoseconds: 9), created: Timestamp(nanoseconds: 1))
    }

    private func packet() throws -> RecordedPacket {
        var builder = PacketBuilder(
            kind: .ticks, partition: Partition(1), source: try #require(SourceName("feed")))
        let number = builder.register(
            SymbolDefinition(
                symbol: try #require(Symbol("AAPL")), provider: "x", since: .undefined))
        for round in 0..<8 { MixedMarket.fill(&builder, number, 2 * round) }
        let packet = builder.seal(
            PacketBuilder.Seal(
                epoch: 1, firstOrdinal: 1, watermark: .undefined,
                sendTime: Timestamp(nanoseconds: 5)))
        return try RecordedPacket(packet.withBytes { $0.array }, knownAt: Timestamp(nanoseconds: 6))
    }

    @Test("two at one file are one too many; what a killed one left is begun anew")
    func lock() throws {
        let folder = try TemporaryFolder("writer")
        let path = folder.file("a.tape")
        try folder.write("left by a killed one", to: "a.tape.part")
        var first: RecordingWriter? = try RecordingWriter(path, info())
        let refusal = #expect(throws: RecordingWriter.Failure.self) {
            try RecordingWriter(path, try info())
        }
        #expect(refusal?.description.contains("another 'tapeline record'") == true)
        try first?.add(packet())
        try first?.finish()
        first = nil
        #expect(try RecordingFile.check(path).packets == 1)
        #expect(!FileManager.default.fileExists(atPath: "\(path).part"))
    }

    @Test("the longest symbol of a recording is read again, and a longer one is refused")
    func longSymbols() throws {
        let folder = try TemporaryFolder("writer")
        let path = folder.file("a.tape")
        var info = try info()
        info.symbols = [try #require(Symbol(String(repeating: "A", count: 255)))]
        let writer = try RecordingWriter(path, info)
        try writer.add(packet())
        try writer.finish()
        #expect(try RecordingFile.check(path).info.symbols == info.symbols)
        info.symbols.append(try #require(Symbol(String(repeating: "B", count: 256))))
        let refusal = #expect(throws: RecordingWriter.Failure.self) {
            try RecordingWriter(folder.file("b.tape"), info)
        }
        #expect(refusal?.description.contains("a symbol has 256 bytes") == true)
        #expect(!FileManager.default.fileExists(atPath: folder.file("b.tape.part")))
    }

    @Test("a file that came meanwhile stays, and a link leads nowhere")
    func foreign() throws {
        let folder = try TemporaryFolder("writer")
        let path = folder.file("a.tape")
        let writer = try RecordingWriter(path, info())
        try writer.add(packet())
        try folder.write("somebody's", to: "a.tape")
        #expect(throws: RecordingWriter.Failure.self) { try writer.finish() }
        #expect(try String(contentsOfFile: path, encoding: .utf8) == "somebody's")
        let aim = folder.file("aim")
        try folder.write("mine", to: "aim")
        try FileManager.default.createSymbolicLink(
            atPath: folder.file("b.tape.part"), withDestinationPath: aim)
        #expect(throws: RecordingWriter.Failure.self) {
            try RecordingWriter(folder.file("b.tape"), try info())
        }
        #expect(try String(contentsOfFile: aim, encoding: .utf8) == "mine")
        let nowhere = #expect(throws: RecordingWriter.Failure.self) {
            try RecordingWriter(folder.file("none/c.tape"), try info())
        }
        #expect(nowhere?.description.contains("cannot write") == true)
    }

    @Test(
        "a full disk is an error that names the file, and leaves nothing",
        .enabled(if: getuid() == 0))
    func fullDisk() throws {
        let folder = try TemporaryFolder("writer")
        let disk = folder.file("disk")
        try FileManager.default.createDirectory(atPath: disk, withIntermediateDirectories: false)
        try #require(unsafe mount("tmpfs", disk, "tmpfs", 0, "size=512k") == 0)
        defer { unsafe umount2(disk, Int32(MNT_DETACH)) }
        var writer: RecordingWriter? = try RecordingWriter("\(disk)/a.tape", info())
        let one = try packet()
        let failure = #expect(throws: RecordingWriter.Failure.self) {
            for _ in 0..<100 { try writer?.add(one) }
        }
        #expect(failure?.description.contains("\(disk)/a.tape.part") == true)
        writer = nil
        #expect(try FileManager.default.contentsOfDirectory(atPath: disk).isEmpty)
    }

    @Test("ordinals that are not there are counted, by what was meant")
    func missing() throws {
        let source = try #require(SourceName("feed"))
        func header(_ partition: Int, _ first: UInt64, _ count: Int) -> PacketHeader {
            var builder = PacketBuilder(
                kind: .ticks, partition: Partition(partition), source: source)
            let time = Timestamp(nanoseconds: 5)
            for _ in 0..<count {
                _ = builder.append(
                    DepthReset(
                        header: TickHeader(
                            symbol: TickHeader.noSymbol, providerTime: time, receiveTime: time),
                        reason: .reset))
            }
            return builder.seal(
                PacketBuilder.Seal(epoch: 1, firstOrdinal: first, watermark: time, sendTime: time)
            ).header
        }
        var missing = MissingTicks()
        missing.took(header(0, 40, 2), isInRange: true)
        missing.took(header(1, 1, 2), isInRange: true)
        #expect(missing.isEmpty && missing.summary == nil)
        missing.took(header(0, 50, 1), isInRange: false)
        #expect(missing.isEmpty)
        missing.took(header(0, 54, 1), isInRange: true)
        #expect(missing.lost == 3)
        missing.begins(Partition(2), at: 11)
        missing.begins(Partition(3), at: 0)
        #expect(missing.purged == 10)
        #expect(missing.summary?.contains("10 ticks had been purged") == true)
        for partition in 4..<7 { missing.begins(Partition(partition), at: UInt64.max) }
        #expect(missing.purged == UInt64.max)
    }
}
