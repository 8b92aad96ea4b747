import Foundation
import MarketModel
import Primitives
import Recordings
import TapeCodec
import TestSupport
import Testing

@testable import ReplayProvider

/// A small recording with ticks and bars of two partitions.
struct RecordingFixture {
    let source: SourceName
    let info: RecordingInfo
    /// What it says of its bars.
    let bars: [RecordedBars]

    init(hasBars: Bool = true) throws {
        source = try #require(SourceName("feed"))
        info = RecordingInfo(
            namespace: "md", partitions: 4, source: source, from: .undefined,
            to: Timestamp(nanoseconds: 9_000), created: Timestamp(nanoseconds: 1),
            present: [Partition(1), Partition(3)],
            symbols: [try #require(Symbol("AAPL")), try #require(Symbol("BRK.B"))],
            hasBars: hasBars)
        bars =
            hasBars
            ? [
                RecordedBars(
                    Partition(1), from: Timestamp(nanoseconds: .min),
                    to: Timestamp(nanoseconds: 9_000), closed: Timestamp(nanoseconds: 8_000)),
                RecordedBars(
                    Partition(3), from: Timestamp(nanoseconds: 5),
                    to: Timestamp(nanoseconds: 9_000), closed: .undefined),
            ] : []
    }

    /// Two trades, from an ordinal on.
    func ticks(_ first: UInt64, knownAt: Int64) throws -> RecordedPacket {
        var builder = PacketBuilder(kind: .ticks, partition: Partition(1), source: source)
        let number = builder.register(
            SymbolDefinition(
                symbol: info.symbols[0], provider: "x", since: Timestamp(nanoseconds: 5)))
        for offset in 0..<2 {
            let time = Timestamp(nanoseconds: Int64(first) * 10 + Int64(offset))
            let isIn = builder.append(
                Trade(
                    header: TickHeader(symbol: number, providerTime: time, receiveTime: time),
                    price: Price(raw: 1), size: Quantity(raw: 2)))
            try #require(isIn)
        }
        return try sealed(&builder, first, knownAt)
    }

    /// Two versions of a bar, from an ordinal on.
    func bars(_ first: UInt64, in partition: Int = 1, knownAt: Int64) throws -> RecordedPacket {
        var builder = PacketBuilder(kind: .bars, partition: Partition(partition), source: .operator)
        let symbol = builder.register(
            SymbolDefinition(
                symbol: info.symbols[0], provider: "", since: .undefined, source: source))
        let series = builder.register(
            SeriesDefinition(
                name: try #require(SeriesName("1m")), widthNanoseconds: 60,
                latenessNanoseconds: 5))
        for _ in 0..<2 {
            var bar = Bar(
                symbol: symbol, series: series, openTime: Timestamp(nanoseconds: 60),
                closeTime: Timestamp(nanoseconds: 120))
            bar.close = Price(raw: Int64(first))
            let isIn = builder.append(bar)
            try #require(isIn)
        }
        return try sealed(&builder, first, knownAt)
    }

    private func sealed(
        _ builder: inout PacketBuilder, _ first: UInt64, _ knownAt: Int64
    ) throws -> RecordedPacket {
        let packet = builder.seal(
            PacketBuilder.Seal(
                epoch: 3, firstOrdinal: first, watermark: Timestamp(nanoseconds: 7),
                sendTime: Timestamp(nanoseconds: 8)))
        return try RecordedPacket(
            packet.withBytes { $0.array }, knownAt: Timestamp(nanoseconds: knownAt))
    }

    /// The packets of the recording, in order.
    func packets() throws -> [RecordedPacket] {
        let ticks = [try ticks(1, knownAt: 20), try ticks(3, knownAt: 20)]
        guard info.hasBars else { return ticks }
        return [
            ticks[0], try bars(1, knownAt: 10), ticks[1], try bars(7, in: 3, knownAt: 30),
            try bars(3, knownAt: 31),
        ]
    }

    /// Writes it. Returns its path.
    func write(_ folder: TemporaryFolder) throws -> String {
        let path = folder.file("a.tape")
        let writer = try RecordingWriter(path, info)
        for packet in try packets() { try writer.add(packet) }
        #expect(!FileManager.default.fileExists(atPath: path))
        try writer.finish(bars: bars)
        #expect(writer.packets == UInt64(try packets().count) && writer.ticks == 4)
        return path
    }
}

/// Corrects the checksums of a changed recording.
enum RecordingSeal {
    static func headerBytes(_ bytes: [UInt8]) -> Int { Int(load(12, bytes)) }

    static func load(_ offset: Int, _ bytes: [UInt8]) -> UInt32 {
        (0..<4).reduce(0) { $0 | UInt32(bytes[offset + $1]) << UInt32(8 * $1) }
    }

    static func store(_ value: UInt32, at offset: Int, in bytes: inout [UInt8]) {
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

    private static func chained(
        _ range: Range<Int>, _ bytes: [UInt8], after chain: UInt64
    ) -> UInt64 {
        Array(bytes[range]).withRawSpan { Checksum.chained($0, after: chain) }
    }

    /// Corrects every checksum, as far as the lengths lead.
    static func seal(_ bytes: inout [UInt8]) {
        let header = headerBytes(bytes)
        guard header >= 96, header <= bytes.count else { return }
        var chain = sum(0..<header - 8, bytes)
        store(chain, at: header - 8, in: &bytes)
        var place = header
        while place + 12 <= bytes.count {
            let length = Int(load(place, bytes))
            guard length > 0 else {
                sealEnd(&bytes, at: place, after: chain)
                return
            }
            let packet = place + 20..<place + 20 + length
            guard length >= 24, packet.upperBound <= bytes.count else { return }
            store(
                sum(packet.lowerBound + 16..<packet.upperBound, bytes), at: place + 28, in: &bytes)
            chain = chained(place + 12..<packet.upperBound, bytes, after: chain)
            store(chain, at: place + 4, in: &bytes)
            place = packet.upperBound
        }
    }

    private static func sealEnd(_ bytes: inout [UInt8], at place: Int, after chain: UInt64) {
        guard place + 28 <= bytes.count else { return }
        let end = chained(place + 4..<place + 20, bytes, after: chain)
        store(end, at: place + 20, in: &bytes)
        guard place + 36 <= bytes.count else { return }
        store(
            chained(place + 28..<bytes.count - 8, bytes, after: end), at: bytes.count - 8,
            in: &bytes)
    }
}
