import Foundation
import MarketModel
import Primitives
import ProviderKit
import Recordings
import TapeCodec
import TestSupport
import Testing

@testable import ReplayProvider

/// Files that were not written by us, or whose checksums were corrected after a change.
@Suite("A foreign or forged recording")
struct RecordingFuzzTests {
    private func written(_ folder: TemporaryFolder) throws -> [UInt8] {
        let path = folder.file("a.tape")
        let fixture = try RecordingFixture()
        let writer = try RecordingWriter(path, fixture.info)
        for round in 0..<4 {
            var builder = PacketBuilder(
                kind: .ticks, partition: Partition(1), source: fixture.source)
            let number = builder.register(
                SymbolDefinition(
                    symbol: try #require(Symbol("AAPL")), provider: "x",
                    since: Timestamp(nanoseconds: 5)))
            MixedMarket.fill(&builder, number, 2 * round)
            let packet = builder.seal(
                PacketBuilder.Seal(
                    epoch: 3, firstOrdinal: UInt64(round * 100 + 1),
                    watermark: Timestamp(nanoseconds: 7), sendTime: Timestamp(nanoseconds: 8)))
            let time = Int64(round)
            try writer.add(
                RecordedPacket(
                    packet.withBytes { $0.array }, knownAt: Timestamp(nanoseconds: time)))
            try writer.add(try fixture.bars(UInt64(2 * round + 1), knownAt: time))
        }
        try writer.finish(bars: fixture.bars)
        return [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
    }

    private func put(_ bytes: [UInt8], _ folder: TemporaryFolder) throws -> String {
        let path = folder.file("forged.tape")
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        return path
    }

    private func problem(_ bytes: [UInt8], _ folder: TemporaryFolder) throws -> RecordingError? {
        let path = try put(bytes, folder)
        return #expect(throws: RecordingError.self) { try RecordingFile.check(path) }
    }

    @Test("a file of another kind, another version, and senseless lengths are one clear line")
    func foreign() throws {
        let folder = try TemporaryFolder("forged")
        let whole = try written(folder)
        let other = Array("symbol,price\nAAPL,1\n".utf8)
        #expect(try problem(other, folder)?.problem.contains("no recording of Tapeline") == true)
        #expect(try problem([], folder)?.problem.contains("cut off") == true)
        var bytes = whole
        bytes[8] = 9
        #expect(try problem(bytes, folder)?.problem.contains("version 9") == true)
        bytes[8] = 2
        bytes[10] = 3
        #expect(try problem(bytes, folder)?.problem.contains("flags 3") == true)
        for length in [UInt32(0), 1, 95, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff] {
            bytes = whole
            RecordingSeal.store(length, at: 12, in: &bytes)
            #expect(try problem(bytes, folder)?.offset == 12, "a header of \(length)")
        }
        let header = RecordingSeal.headerBytes(whole)
        for length in [UInt32(1_000_001), 0x7fff_ffff, 0x8000_0000, 0xffff_ffff] {
            bytes = whole
            RecordingSeal.store(length, at: header, in: &bytes)
            #expect(try problem(bytes, folder)?.offset == header, "a packet of \(length)")
        }
        let missing = #expect(throws: RecordingError.self) {
            try RecordingFile.check(folder.file("nothing"))
        }
        #expect(missing?.problem.contains("cannot be read") == true)
        let directory = #expect(throws: RecordingError.self) {
            try RecordingFile.check(folder.path)
        }
        #expect(directory?.problem.contains("cannot be read") == true)
    }

    @Test("bytes changed with all checksums made right trap nowhere on the way to the tape")
    func forged() throws {
        let folder = try TemporaryFolder("forged")
        let whole = try written(folder)
        var random = SeededRandom(seed: 11)
        var refused = 0
        for _ in 0..<1_000 {
            var bytes = whole
            for _ in 0...Int.random(in: 0..<3, using: &random) {
                let place = Int.random(in: 16..<bytes.count, using: &random)
                let extremes: [UInt8] = [0, 0xff, 0x7f, 0x80, .random(in: 0...255, using: &random)]
                bytes[place] = extremes[Int.random(in: 0..<5, using: &random)]
            }
            RecordingSeal.seal(&bytes)
            do {
                try walk(try put(bytes, folder))
            } catch is RecordingError {
                refused += 1
            } catch is ReplayProblem {
                refused += 1
            }
        }
        #expect(refused > 100 && refused < 1_000)
    }

    /// Reads a file as a replay does, and what it says of its bars.
    private func walk(_ path: String) throws {
        let file = try RecordingFile(path)
        _ = try file.bars()
        var floor = ReplayFloor(file.about)
        var pace = ReplayPace(.thousandths(1_000))
        var pass = ReplayPass(
            InstrumentRegistry([]), ReplayRoutes(partitions: 3, symbols: []),
            sent: [0, 0, 0], shift: Int64.max / 2)
        var batch: [ProviderRecord] = []
        while let packet = try file.next() {
            try pass.take(packet, into: &batch)
            floor.took(packet.header)
            _ = pace.wait(sent: packet.header.sendTime, monotonic: .at(5))
            batch.removeAll(keepingCapacity: true)
        }
        _ = file.missing.summary
    }
}
