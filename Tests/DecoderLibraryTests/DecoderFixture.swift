import Foundation
import MarketModel
import Primitives
import ReplayProvider
import TapeCodec
import TestSupport
import Testing

@testable import Recordings

/// Recordings with trades, quotes and gaps of two symbols.
struct DecoderFixture {
    static let start: Int64 = 1_700_000_000_000_000_000

    let folder: TemporaryFolder
    let source: SourceName

    init() throws {
        folder = try TemporaryFolder("decoder")
        source = try #require(SourceName("feed"))
    }

    /// With a recording.
    init(packets: Int, trades: Int, holes: UInt64 = 0) throws {
        try self.init()
        try record(packets: packets, trades: trades, holes: holes)
    }

    var path: String { folder.file("day.tape") }

    /// When the tape took a packet of the recording.
    static func known(_ number: Int) -> Timestamp {
        Timestamp(nanoseconds: start + 1_000 * Int64(number))
    }

    /// Returns a packet of so many trades, one quote and one gap.
    func packet(_ first: UInt64, trades: Int) throws -> [UInt8] {
        var builder = PacketBuilder(kind: .ticks, partition: Partition(1), source: source)
        let symbols = try ["AAPL", "Größe"].map { text in
            builder.register(
                SymbolDefinition(
                    symbol: try #require(Symbol(text)), provider: "ib", since: .undefined))
        }
        func header(_ number: Int) -> TickHeader {
            let time = Timestamp(nanoseconds: Self.start + Int64(first) + Int64(number))
            return TickHeader(
                symbol: symbols[number % 2], resolution: 1, providerTime: time, receiveTime: time)
        }
        for number in 0..<trades {
            let isIn = builder.append(
                Trade(
                    header: header(number), price: Price(raw: Int64(first) * 1_000_000_000),
                    size: number == 3 ? .undefined : Quantity(raw: Int64(number)),
                    exchange: ShortText(number % 3 == 0 ? "NASDAQ" : "ARCA") ?? .empty))
            try #require(isIn)
        }
        let quote = Quote(
            header: header(0), bidPrice: Price(raw: 1), bidSize: Quantity(raw: 2),
            askPrice: .undefined, askSize: Quantity(raw: 4))
        let isIn = builder.append(quote)
        try #require(isIn)
        let gap = GapRecord(
            header: header(0), from: Timestamp(nanoseconds: Self.start), to: .undefined,
            kind: .trade, reason: .disconnected, state: .open, detail: "über")
        let outcome = builder.append(gap)
        try #require(outcome == .appended)
        return builder.seal(
            PacketBuilder.Seal(
                epoch: 3, firstOrdinal: first, watermark: Timestamp(nanoseconds: 7),
                sendTime: Timestamp(nanoseconds: Self.start + 5))
        ).withBytes { $0.array }
    }

    /// Writes a recording of packets with so many trades each. `holes`: so many ordinals are
    /// missing before each packet but the first.
    func record(packets: Int, trades: Int, holes: UInt64 = 0) throws {
        let writer = try RecordingWriter(
            path,
            RecordingInfo(
                namespace: "md", partitions: 4, source: source, from: .undefined,
                to: Timestamp(nanoseconds: 9_000), created: Timestamp(nanoseconds: 1),
                present: [Partition(1)], symbols: [try #require(Symbol("AAPL"))]))
        for number in 0..<packets {
            let first = UInt64(number) * (UInt64(trades) + 2 + holes) + 1
            try writer.add(
                try RecordedPacket(
                    packet(first, trades: trades), knownAt: Self.known(number)))
        }
        try writer.finish()
    }

    /// Writes a recording of packets of three trades each, and of packets of one bar each, of which
    /// every second one is of another source. `hole`: ordinals are missing before the last one.
    func recordBars(_ count: Int, hole: UInt64 = 0, tickPackets: UInt64 = 1) throws {
        let writer = try RecordingWriter(
            path,
            RecordingInfo(
                namespace: "md", partitions: 4, source: source, from: Timestamp(nanoseconds: 5),
                to: Timestamp(nanoseconds: 9_000), created: Timestamp(nanoseconds: 1),
                present: [Partition(1), Partition(2)], hasBars: true))
        for number in 0..<tickPackets {
            try writer.add(
                try RecordedPacket(packet(number * 5 + 1, trades: 3), knownAt: Self.known(0)))
        }
        for number in 0..<count {
            var builder = PacketBuilder(kind: .bars, partition: Partition(1), source: .operator)
            let symbol = builder.register(
                SymbolDefinition(
                    symbol: try #require(Symbol("AAPL")), provider: "", since: .undefined,
                    source: number % 2 == 0 ? source : SourceName("other")))
            let series = builder.register(
                SeriesDefinition(name: try #require(SeriesName("1m")), widthNanoseconds: 60))
            let bar = Bar(
                symbol: symbol, series: series, openTime: Timestamp(nanoseconds: Self.start),
                closeTime: Timestamp(nanoseconds: Self.start + 60))
            let isIn = builder.append(bar)
            try #require(isIn)
            let sealed = builder.seal(
                PacketBuilder.Seal(
                    epoch: 1, firstOrdinal: UInt64(number + 1) + (number == count - 1 ? hole : 0),
                    watermark: .undefined, sendTime: Timestamp(nanoseconds: Self.start)))
            try writer.add(
                try RecordedPacket(
                    sealed.withBytes { $0.array }, knownAt: Self.known(number)))
        }
        let bars = RecordedBars(
            Partition(1), from: Timestamp(nanoseconds: .min), to: Timestamp(nanoseconds: 9_000),
            closed: Timestamp(nanoseconds: 70))
        try writer.finish(bars: [bars])
    }

    /// Returns a packet with its last message cut, whose length and checksum are right.
    static func cut(_ packet: [UInt8], _ knownAt: Timestamp) throws -> RecordedPacket {
        var bytes = Array(packet.dropLast(3))
        func put(_ value: UInt64, bytes count: Int, at offset: Int) {
            for index in 0..<count {
                bytes[offset + index] = UInt8(truncatingIfNeeded: value >> UInt64(index * 8))
            }
        }
        put(UInt64(bytes.count), bytes: 4, at: WireFormat.HeaderOffset.byteCount)
        let checksum = bytes.withRawSpan {
            Checksum.of($0.extracting(WireFormat.HeaderOffset.checkedBytes..<$0.byteCount))
        }
        put(checksum, bytes: 8, at: WireFormat.HeaderOffset.checksum)
        let header = try bytes.withRawSpan { try PacketReader.header(of: $0) }
        return RecordedPacket(RecordedFrame(header: header, knownAt: knownAt, place: 0), bytes)
    }

    func changeBytes(_ change: (inout [UInt8]) -> Void) throws {
        let url = URL(fileURLWithPath: path)
        var bytes = [UInt8](try Data(contentsOf: url))
        change(&bytes)
        try Data(bytes).write(to: url)
    }
}
