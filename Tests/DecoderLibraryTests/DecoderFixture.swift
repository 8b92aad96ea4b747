import Foundation
import MarketModel
import Primitives
import Recordings
import ReplayProvider
import TapeCodec
import TestSupport
import Testing

/// Recordings with trades, quotes and gaps of two symbols.
struct DecoderFixture {
    static let start: Int64 = 1_700_000_000_000_000_000

    let folder: TemporaryFolder
    let source: SourceName

    init() throws {
        folder = try TemporaryFolder("decoder")
        source = try #require(SourceName("feed"))
    }

    var path: String { folder.file("day.tape") }

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
            try writer.add(try RecordedPacket(packet(first, trades: trades)))
        }
        try writer.finish()
    }

    func changeBytes(_ change: (inout [UInt8]) -> Void) throws {
        let url = URL(fileURLWithPath: path)
        var bytes = [UInt8](try Data(contentsOf: url))
        change(&bytes)
        try Data(bytes).write(to: url)
    }
}
