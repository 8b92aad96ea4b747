import MarketModel
import Primitives
import TapeCodec

/// Packets as on the tape of one busy partition: 1,024 trades each, every symbol defined at its
/// first trade, 100,000 trades per second of event time, in order, with the watermark at the last
/// one.
struct Load {
    static let packetTrades = 1_024
    static let pauseNanoseconds: Int64 = 10_000
    static let source = "bench"

    let symbols: Int
    private(set) var packets: [SealedPacket] = []
    private(set) var trades = 0
    /// How many of them occur twice.
    private(set) var duplicates = 0
    /// Rows of time, price, size and symbol, for engines that do not read packets.
    private(set) var rows: [Int64] = []

    /// `duplicateEach`: one of this many trades occurs twice, with the same id.
    init(symbols: Int, packets count: Int, duplicateEach: Int? = nil) throws {
        self.symbols = symbols
        guard let name = SourceName(Self.source) else { throw OperatorBenchmark.Unusable() }
        var builder = PacketBuilder(kind: .ticks, partition: Partition(0), source: name)
        let numbers = (0..<symbols).compactMap { Symbol("SYM\($0)") }.map {
            builder.register(
                SymbolDefinition(
                    symbol: $0, provider: "bench", since: Timestamp(nanoseconds: 0)))
        }
        var random = SeededRandom(seed: 1)
        var time: Int64 = 1_700_000_000_000_000_000
        var last: Trade?
        for _ in 0..<count {
            let firstOrdinal = UInt64(trades + 1)
            for _ in 0..<Self.packetTrades {
                var trade = Self.trade(number: trades, time: time, numbers, &random)
                if let duplicateEach, trades % duplicateEach == duplicateEach - 1, let last {
                    trade = last
                    duplicates += 1
                } else {
                    time += Self.pauseNanoseconds
                }
                last = trade
                guard builder.append(trade) else { throw OperatorBenchmark.Unusable() }
                trades += 1
                rows += [
                    trade.header.providerTime.nanoseconds, trade.price.raw, trade.size.raw,
                    Int64(trade.header.symbol),
                ]
            }
            packets.append(
                builder.seal(
                    PacketBuilder.Seal(
                        epoch: 1, firstOrdinal: firstOrdinal,
                        watermark: Timestamp(nanoseconds: time - Self.pauseNanoseconds),
                        sendTime: Timestamp(nanoseconds: time))))
        }
    }

    private static func trade(
        number: Int, time: Int64, _ numbers: [UInt32], _ random: inout SeededRandom
    ) -> Trade {
        let header = TickHeader(
            symbol: numbers[Int.random(in: 0..<numbers.count, using: &random)],
            providerTime: Timestamp(nanoseconds: time),
            receiveTime: Timestamp(nanoseconds: time + 50_000), providerID: UInt64(number + 1))
        return Trade(
            header: header,
            price: Price(raw: Int64.random(in: 90_0000...110_0000, using: &random) * 100_000),
            size: Quantity(raw: Int64.random(in: 1...900, using: &random) * 100_000_000))
    }

    /// The packet that closes all windows.
    var end: PacketHeader? {
        guard let name = SourceName(Self.source), let last = packets.last else { return nil }
        return PacketHeader(
            kind: .watermark, partition: Partition(0), source: name, epoch: 1, firstOrdinal: 1,
            watermark: last.header.watermark.advanced(byNanoseconds: 2 * 86_400_000_000_000),
            sendTime: last.header.sendTime)
    }
}
