import MarketModel
import Primitives
import StoreSinks
import TapeCodec

/// Packets as on a busy tape, made once and used repeatedly.
struct Load {
    /// The benchmark's generated data are wrong.
    struct Unusable: Error {}

    enum Kind: String, CaseIterable {
        case trades
        case quotes
        case bars

        var sink: SinkName {
            switch self {
            case .trades: .trades
            case .quotes: .quotes
            case .bars: .bars
            }
        }
    }

    static let symbols = 64
    static let start: Int64 = 1_700_000_000_123_456_789

    let kind: Kind
    let packets: [SealedPacket]
    let rows: Int
    private(set) var bytes = 0

    /// `revised`: of a thousand bars, this many come again under the key of the bar `distance`
    /// before.
    init(
        _ kind: Kind, rows: Int, perPacket: Int, firstOrdinal: UInt64 = 1, revised: Int = 0,
        distance: Int = 97
    ) throws {
        guard
            let source = kind == .bars ? SourceName.operator : SourceName("bench"),
            let desk = SourceName("bench"), let series = SeriesName("1s")
        else { throw Unusable() }
        var builder = PacketBuilder(
            kind: kind == .bars ? .bars : .ticks, partition: Partition(3), source: source)
        for number in 0..<Self.symbols {
            guard let symbol = Symbol("SYM\(number)") else { throw Unusable() }
            _ = builder.register(
                SymbolDefinition(
                    symbol: symbol, provider: "synthetic", since: .undefined,
                    source: kind == .bars ? desk : nil))
        }
        _ = builder.register(SeriesDefinition(name: series, widthNanoseconds: 1_000_000_000))
        var packets: [SealedPacket] = []
        var ordinal = firstOrdinal
        var done = 0
        while done < rows {
            for _ in 0..<min(perPacket, rows - done) {
                let number = Int(ordinal) + builder.tickCount
                guard Self.append(number, kind, (revised, distance), to: &builder) else {
                    throw Unusable()
                }
            }
            let packet = builder.seal(
                PacketBuilder.Seal(
                    epoch: 7, firstOrdinal: ordinal, watermark: Timestamp(nanoseconds: Self.start),
                    sendTime: Timestamp(nanoseconds: Self.start)))
            ordinal = packet.header.nextOrdinal
            done += Int(packet.header.tickCount)
            bytes += Int(packet.header.byteCount)
            packets.append(packet)
        }
        self.kind = kind
        self.packets = packets
        self.rows = done
    }

    private static func append(
        _ number: Int, _ kind: Kind, _ revised: (perMille: Int, distance: Int),
        to builder: inout PacketBuilder
    ) -> Bool {
        let symbol = UInt32(number &* 7 % symbols)
        let time = Timestamp(nanoseconds: start + Int64(number) * 20_011)
        let header = TickHeader(
            symbol: symbol, resolution: 1, providerTime: time,
            receiveTime: Timestamp(nanoseconds: time.nanoseconds + 1_234_567),
            providerID: UInt64(number) + 5_000_000_000)
        // Cents, and occasionally a price with four decimals.
        let cents = Int64(10_000 + number * 31 % 9_000) * 10_000_000
        let price = Price(raw: cents + (number % 16 == 0 ? 1_200_000 : 0))
        let size = Quantity(raw: Int64(1 + number % 500) * 100_000_000)
        switch kind {
        case .trades:
            return builder.append(
                Trade(
                    header: header, price: price, size: size,
                    exchange: ShortText("NASDAQ") ?? .empty, conditions: ShortText("@ TI") ?? .empty
                ))
        case .quotes:
            return builder.append(
                Quote(
                    header: header, bidPrice: price, bidSize: size,
                    askPrice: Price(raw: price.raw + 10_000_000), askSize: size,
                    bidExchange: ShortText("ARCA") ?? .empty,
                    askExchange: ShortText("BATS") ?? .empty
                ))
        case .bars:
            return builder.append(bar(number, revised, price, size))
        }
    }

    private static func bar(
        _ number: Int, _ revised: (perMille: Int, distance: Int), _ price: Price, _ size: Quantity
    ) -> Bar {
        let isRevision = number * 7 % 1_000 < revised.perMille && number > revised.distance
        let key = isRevision ? number - revised.distance : number
        let second = Int64(key / symbols)
        let open = start / 1_000_000_000 * 1_000_000_000 + second * 1_000_000_000
        var bar = Bar(
            symbol: UInt32(key % symbols), series: 0, openTime: Timestamp(nanoseconds: open),
            closeTime: Timestamp(nanoseconds: open + 1_000_000_000))
        bar.open = price
        bar.high = Price(raw: price.raw + 50_000_000)
        bar.low = Price(raw: price.raw - 30_000_000)
        bar.close = Price(raw: price.raw + 10_000_000)
        bar.vwap = Price(raw: price.raw + 3_333_333)
        bar.trades = UInt64(1 + number % 90)
        bar.volume = Int128(size.raw) * 20
        bar.notional = Int128(size.raw) * 20 * Int128(price.raw)
        bar.reason = isRevision ? BarReason.late.rawValue : BarReason.closed.rawValue
        bar.flags = .final
        return bar
    }
}
