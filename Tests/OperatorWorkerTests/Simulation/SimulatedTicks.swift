import MarketModel
import Primitives
import ServiceTestSupport
import TapeCodec

/// The input of one partition as it stands on a tape: packets of ticks and watermarks of one or
/// two sources, from a seed. Sequences count from 1.
struct SimulatedTicks {
    struct Packet {
        let header: PacketHeader
        let bytes: [UInt8]
        let position: TapePosition
    }

    static let streamCreated = Timestamp(nanoseconds: 77)
    private static let start: Int64 = 1_700_000_000_000_000_000

    private(set) var packets: [Packet] = []

    init(count: Int, using random: inout SeededRandom) {
        let names = Bool.random(using: &random) ? ["one"] : ["one", "two"]
        var sources = names.compactMap { SourceName($0) }.enumerated().map {
            Source($1, symbols: ["A\($0)", "B\($0)"])
        }
        var ordinals: [SourceOrdinal] = []
        var time = Self.start
        for sequence in 1...count {
            let index = Int.random(in: sources.indices, using: &random)
            time += Int64.random(in: 1...900_000_000, using: &random)
            let isLast = sequence + sources.count > count
            let place = isLast ? sequence + sources.count - count - 1 : index
            let packet = sources[place].packet(
                at: &time, end: isLast ? time + 3_600_000_000_000 : nil, using: &random)
            if packet.header.kind == .ticks {
                ordinals.removeAll { $0.source == packet.header.source }
                ordinals.append(
                    SourceOrdinal(
                        source: packet.header.source, epoch: packet.header.epoch,
                        lastOrdinal: packet.header.nextOrdinal - 1))
                ordinals.sort { $0.source < $1.source }
            }
            packets.append(
                Packet(
                    header: packet.header, bytes: packet.bytes,
                    position: TapePosition(
                        streamCreated: Self.streamCreated, sequence: UInt64(sequence),
                        packet: packet.header.identity, sources: ordinals)))
        }
    }

    private struct Source {
        private var ticks: PacketBuilder
        private var watermarks: PacketBuilder
        private var nextOrdinal: UInt64 = 1
        private var nextWatermark: UInt64 = 1
        private var symbols: [UInt32] = []

        init(_ name: SourceName, symbols names: [String]) {
            ticks = PacketBuilder(kind: .ticks, partition: Partition(0), source: name)
            watermarks = PacketBuilder(kind: .watermark, partition: Partition(0), source: name)
            symbols = names.compactMap { Symbol($0) }.map {
                ticks.register(
                    SymbolDefinition(
                        symbol: $0, provider: "p",
                        since: Timestamp(nanoseconds: SimulatedTicks.start)))
            }
        }

        /// `end`: a watermark that closes all windows.
        mutating func packet(
            at time: inout Int64, end: Int64?, using random: inout SeededRandom
        ) -> SealedPacket {
            let isQuiet = end != nil || Int.random(in: 0..<5, using: &random) == 0
            if !isQuiet {
                for _ in 0..<Int.random(in: 1...4, using: &random) {
                    time += Int64.random(in: 1...700_000_000, using: &random)
                    append(at: time - Int64.random(in: 0...1_500_000_000, using: &random), &random)
                }
            }
            let lag = Int64.random(in: 0...1_000_000_000, using: &random)
            let seal = PacketBuilder.Seal(
                epoch: 1, firstOrdinal: isQuiet ? nextWatermark : nextOrdinal,
                watermark: Timestamp(nanoseconds: end ?? time - lag),
                sendTime: Timestamp(nanoseconds: time))
            if isQuiet {
                nextWatermark += 1
                return watermarks.seal(seal)
            }
            let packet = ticks.seal(seal)
            nextOrdinal = packet.header.nextOrdinal
            return packet
        }

        private mutating func append(at time: Int64, _ random: inout SeededRandom) {
            let header = TickHeader(
                symbol: symbols[Int.random(in: symbols.indices, using: &random)],
                resolution: TimeResolution.nanosecond.rawValue,
                providerTime: Timestamp(nanoseconds: time),
                receiveTime: Timestamp(nanoseconds: time))
            let price = Price(raw: Int64.random(in: 1...9, using: &random) * 1_000_000_000)
            if Int.random(in: 0..<5, using: &random) == 0 {
                _ = ticks.append(
                    Quote(
                        header: header, bidPrice: price, bidSize: Quantity(raw: 1),
                        askPrice: price, askSize: Quantity(raw: 1)))
            } else {
                _ = ticks.append(
                    Trade(header: header, price: price, size: Quantity(raw: 100_000_000)))
            }
        }
    }
}
