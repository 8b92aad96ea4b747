import MarketModel
import Primitives
import TapeCodec

/// The ticks that the benchmark packs: trades of a few symbols.
struct TickLoad {
    private static let symbolsPerPartition = 4

    private(set) var trade: Trade
    private var count = 0
    let symbols: [SymbolDefinition]

    init() {
        symbols = (0..<Self.symbolsPerPartition).compactMap { Symbol("SYM\($0)") }.map {
            SymbolDefinition(symbol: $0, provider: "bench", since: Timestamp(nanoseconds: 0))
        }
        trade = Trade(
            header: TickHeader(
                symbol: 0, providerTime: Timestamp(nanoseconds: 1_700_000_000_000_000_000),
                receiveTime: Timestamp(nanoseconds: 1_700_000_000_000_000_000)),
            price: Price(raw: 100_000_000_000), size: Quantity(raw: 100_000_000))
    }

    mutating func next(_ numbers: [UInt32]) -> Trade {
        trade.header.symbol = numbers[count % numbers.count]
        trade.header.providerTime = Timestamp(
            nanoseconds: trade.header.providerTime.nanoseconds + 1_000)
        count += 1
        return trade
    }

    /// Returns the length of such a packet.
    static func packetBytes(ticks: Int, source: SourceName) throws -> Int {
        try packet(ticks: ticks, source: source).byteCount
    }

    /// Returns such a packet, of partition 0.
    static func packet(ticks: Int, source: SourceName) throws -> SealedPacket {
        var load = TickLoad()
        var builder = PacketBuilder(kind: .ticks, partition: Partition(0), source: source)
        let numbers = load.symbols.map { builder.register($0) }
        for _ in 0..<ticks {
            guard builder.append(load.next(numbers)) else {
                throw Stage.Unusable("\(ticks) ticks do not fit into a packet")
            }
        }
        return builder.seal(
            PacketBuilder.Seal(
                epoch: 1, firstOrdinal: 1, watermark: Timestamp(nanoseconds: 0),
                sendTime: Timestamp(nanoseconds: 0)))
    }
}
