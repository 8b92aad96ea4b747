import MarketModel
import Primitives
import ReplayProvider
import Recordings
import TapeCodec

/// Trades as a busy source puts them on the tape: 512 symbols over all partitions, some exchanges
/// and conditions, packets of one length.
struct Market {
    static let partitions = 32
    private static let symbolsOfPartition = 16
    private static let pauseNanoseconds: Int64 = 10_000
    private static let start: Int64 = 1_700_000_000_000_000_000
    private static let exchanges = ["NASDAQ", "NYSE", "ARCA", "BATS", "IEX", ""]
    private static let conditions = ["", "", "", "I", "FT", "TI"]

    let source: SourceName
    private let ticksOfPacket: Int
    private let texts: (exchanges: [ShortText], conditions: [ShortText])
    private var lanes: [Lane] = []
    private var random = SeededRandom(seed: 1)
    private var packets = 0
    private var time = Self.start

    private struct Lane {
        var builder: PacketBuilder
        let symbols: [UInt32]
        var next: UInt64 = 1
    }

    init(ticksOfPacket: Int) throws {
        guard let source = SourceName("bench") else { throw Unusable("no source") }
        self.source = source
        self.ticksOfPacket = ticksOfPacket
        texts = (
            Self.exchanges.compactMap { ShortText($0) },
            Self.conditions.compactMap { ShortText($0) }
        )
        for number in 0..<Self.partitions {
            var builder = PacketBuilder(kind: .ticks, partition: Partition(number), source: source)
            let symbols = (0..<Self.symbolsOfPartition)
                .compactMap { Symbol("SYM\(number * Self.symbolsOfPartition + $0)") }
                .map {
                    builder.register(
                        SymbolDefinition(symbol: $0, provider: "bench", since: .undefined))
                }
            lanes.append(Lane(builder: builder, symbols: symbols))
        }
    }

    /// The next packet; the partitions take turns.
    mutating func next() throws -> (partition: Int, bytes: [UInt8]) {
        let partition = packets % Self.partitions
        packets += 1
        for _ in 0..<ticksOfPacket {
            let trade = trade(lanes[partition].symbols)
            guard lanes[partition].builder.append(trade) else {
                throw Unusable("\(ticksOfPacket) ticks do not fit into a packet")
            }
        }
        let seal = PacketBuilder.Seal(
            epoch: 1, firstOrdinal: lanes[partition].next,
            watermark: Timestamp(nanoseconds: time), sendTime: Timestamp(nanoseconds: time))
        lanes[partition].next += UInt64(ticksOfPacket)
        return (partition, lanes[partition].builder.seal(seal).withBytes { $0.array })
    }

    private mutating func trade(_ symbols: [UInt32]) -> Trade {
        time += Self.pauseNanoseconds
        // One number decides all of it: the benchmark does not measure how it is drawn.
        let drawn = random.next()
        func choice(_ shift: UInt64, of count: Int) -> Int { Int(drawn >> shift & 0xff) % count }
        let header = TickHeader(
            symbol: symbols[choice(0, of: symbols.count)], resolution: 1,
            providerTime: Timestamp(nanoseconds: time),
            receiveTime: Timestamp(nanoseconds: time + 50_000),
            providerID: UInt64(time - Self.start))
        return Trade(
            header: header,
            price: Price(raw: 90_000_000_000 + Int64(drawn >> 16 & 0xffff) * 10_000),
            size: Quantity(raw: (Int64(drawn >> 32 & 0xff) + 1) * 100_000_000),
            exchange: texts.exchanges[choice(48, of: texts.exchanges.count)],
            conditions: texts.conditions[choice(56, of: texts.conditions.count)])
    }

    /// Writes a recording of so many ticks, to whole packets. Returns how many it has.
    static func record(_ path: String, ticks: Int, ticksOfPacket: Int) throws -> Int {
        var market = try Market(ticksOfPacket: ticksOfPacket)
        let writer = try RecordingWriter(
            path,
            RecordingInfo(
                namespace: "md", partitions: partitions, source: market.source, from: .undefined,
                to: .undefined, created: Timestamp(nanoseconds: start),
                present: (0..<partitions).map { Partition($0) }))
        let packets = (ticks + ticksOfPacket - 1) / ticksOfPacket
        for number in 0..<packets {
            let knownAt = Timestamp(nanoseconds: start + Int64(number))
            try writer.add(try RecordedPacket(try market.next().bytes, knownAt: knownAt))
        }
        try writer.finish()
        return packets * ticksOfPacket
    }
}

/// The benchmark cannot be made here, or its data are wrong.
struct Unusable: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}
