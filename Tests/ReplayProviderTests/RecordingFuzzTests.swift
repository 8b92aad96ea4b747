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
    private static let source = SourceName("feed")

    private func info() throws -> RecordingInfo {
        RecordingInfo(
            namespace: "md", partitions: 4, source: try #require(Self.source),
            from: .undefined, to: Timestamp(nanoseconds: 9_000), created: Timestamp(nanoseconds: 1),
            present: [Partition(1), Partition(3)],
            symbols: [try #require(Symbol("AAPL")), try #require(Symbol("BRK.B"))])
    }

    private func written(_ folder: TemporaryFolder) throws -> [UInt8] {
        let path = folder.file("a.tape")
        let writer = try RecordingWriter(path, try info())
        let source = try #require(Self.source)
        for round in 0..<4 {
            var builder = PacketBuilder(kind: .ticks, partition: Partition(1), source: source)
            let number = builder.register(
                SymbolDefinition(
                    symbol: try #require(Symbol("AAPL")), provider: "x",
                    since: Timestamp(nanoseconds: 5)))
            MixedMarket.fill(&builder, number, 2 * round)
            let packet = builder.seal(
                PacketBuilder.Seal(
                    epoch: 3, firstOrdinal: UInt64(round * 100 + 1),
                    watermark: Timestamp(nanoseconds: 7), sendTime: Timestamp(nanoseconds: 8)))
            try writer.add(RecordedPacket(packet.withBytes { $0.array }))
        }
        try writer.finish()
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
        for length in [UInt32(0), 1, 95, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff] {
            bytes = whole
            Self.store(length, at: 12, in: &bytes)
            #expect(try problem(bytes, folder)?.offset == 12, "a header of \(length)")
        }
        let header = Self.headerBytes(whole)
        for length in [UInt32(1_000_001), 0x7fff_ffff, 0x8000_0000, 0xffff_ffff] {
            bytes = whole
            Self.store(length, at: header, in: &bytes)
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
            Self.seal(&bytes)
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

    /// Reads a file as a replay does.
    private func walk(_ path: String) throws {
        let file = try RecordingFile(path)
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

    // MARK: bytes

    private static func headerBytes(_ bytes: [UInt8]) -> Int { Int(load(12, bytes)) }

    private static func load(_ offset: Int, _ bytes: [UInt8]) -> UInt32 {
        (0..<4).reduce(0) { $0 | UInt32(bytes[offset + $1]) << UInt32(8 * $1) }
    }

    private static func store(_ value: UInt32, at offset: Int, in bytes: inout [UInt8]) {
        for place in 0..<4 {
            bytes[offset + place] = UInt8(truncatingIfNeeded: value >> (8 * place))
        }
    }

    private static func store(_ value: UInt64, at offset: Int, in bytes: inout [UInt8]) {
        for place in 0..<8 {
            bytes[offset + place] = UInt8(truncatingIfNeeded: value >> (8 * place))
        }
    }

    private static func sum(_ range: Range<Int>, _ bytes: [UInt8]) -> UInt64 {
        Array(bytes[range]).withRawSpan { Checksum.of($0) }
    }

    /// Corrects every checksum, as far as the lengths lead.
    private static func seal(_ bytes: inout [UInt8]) {
        let header = headerBytes(bytes)
        guard header >= 96, header <= bytes.count else { return }
        var chain = sum(0..<header - 8, bytes)
        store(chain, at: header - 8, in: &bytes)
        var place = header
        while place + 12 <= bytes.count {
            let length = Int(load(place, bytes))
            guard length > 0 else {
                guard place + 28 <= bytes.count else { return }
                let counts = Array(bytes[place + 4..<place + 20])
                store(
                    counts.withRawSpan { Checksum.chained($0, after: chain) }, at: place + 20,
                    in: &bytes)
                return
            }
            let packet = place + 12..<place + 12 + length
            guard length >= 24, packet.upperBound <= bytes.count else { return }
            store(
                sum(packet.lowerBound + 16..<packet.upperBound, bytes), at: place + 20, in: &bytes)
            chain = Array(bytes[packet]).withRawSpan { Checksum.chained($0, after: chain) }
            store(chain, at: place + 4, in: &bytes)
            place = packet.upperBound
        }
    }
}
