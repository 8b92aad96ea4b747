import MarketModel
import Primitives
import ServiceTestSupport
import TapeCodec
import Testing

/// A seeded series of ticks for one partition, in packets with watermarks. The same seed gives the
/// same packets. It keeps its ticks, so that bars can be computed from them in another way.
struct TickFeed {
    struct Packet {
        var trades: [(symbol: Int, trade: Trade)] = []
        var quotes: [(symbol: Int, quote: Quote)] = []
        var watermark = Timestamp.undefined
    }

    static let start: Int64 = 1_700_000_000_000_000_000

    let symbols: [Symbol]
    private(set) var packets: [Packet] = []

    /// `tradesPerPacket` is a maximum. A tick comes every `stepNanoseconds` on average.
    init(
        seed: UInt64, symbols: [String], packets count: Int, tradesPerPacket: Int = 12,
        stepNanoseconds: Int64 = 50_000_000
    ) {
        self.symbols = symbols.compactMap { Symbol($0) }
        var random = SeededRandom(seed: seed)
        var time = Self.start
        for _ in 0..<count {
            var packet = Packet()
            for _ in 0...random.next() % UInt64(tradesPerPacket) {
                time += Int64(random.next() % UInt64(2 * stepNanoseconds)) + 1
                let symbol = Int(random.next() % UInt64(symbols.count))
                let header = TickHeader(
                    symbol: UInt32(symbol), resolution: TimeResolution.nanosecond.rawValue,
                    providerTime: Timestamp(nanoseconds: time),
                    receiveTime: Timestamp(nanoseconds: time + 1_000))
                let price = Price(raw: Int64(9_000 + random.next() % 2_000) * 10_000_000)
                if random.next() % 4 == 0 {
                    packet.quotes.append(
                        (
                            symbol,
                            Quote(
                                header: header, bidPrice: price, bidSize: Quantity(raw: 1),
                                askPrice: price, askSize: Quantity(raw: 1))
                        ))
                } else {
                    let size = Quantity(raw: Int64(1 + random.next() % 900) * 100_000_000)
                    packet.trades.append(
                        (symbol, Trade(header: header, price: price, size: size)))
                }
            }
            packet.watermark = Timestamp(nanoseconds: time)
            packets.append(packet)
        }
    }

    /// A time after every window of the feed.
    var end: Timestamp {
        (packets.last?.watermark ?? .undefined).advanced(byNanoseconds: 3_600_000_000_000)
    }

    /// Returns a source that has the feed's symbols, for a partition.
    func source(on tape: TestTape, _ partition: Int, name: String = "test") throws -> TestSource {
        var source = TestSource(
            tape, Partition(partition), source: try #require(SourceName(name)))
        for symbol in symbols {
            _ = source.register(
                SymbolDefinition(
                    symbol: symbol, provider: "test",
                    since: Timestamp(nanoseconds: Self.start - 86_400_000_000_000)))
        }
        return source
    }

    static func append(_ packet: Packet, to source: inout TestSource) {
        for (_, trade) in packet.trades { source.append(trade) }
        for (_, quote) in packet.quotes { source.append(quote) }
    }

    /// Puts packets on the tape. With `closing`, a last packet closes all windows.
    func publish(
        _ range: Range<Int>? = nil, by source: inout TestSource, closing: Bool = false
    ) throws {
        for packet in packets[range ?? packets.indices] {
            Self.append(packet, to: &source)
            try source.publish(watermark: packet.watermark)
        }
        if closing { try source.publish(watermark: end) }
    }

    // MARK: the bars, the obvious way

    /// Returns the bars of the whole feed, computed from its trades in the simplest way.
    func bars(series: [(name: String, seconds: Int64)]) -> Set<PlainBar> {
        var bars: Set<PlainBar> = []
        let trades = packets.flatMap(\.trades)
        for (name, seconds) in series {
            let width = seconds * 1_000_000_000
            let windows = Dictionary(grouping: trades) { symbol, trade in
                [Int64(symbol), trade.header.providerTime.nanoseconds / width]
            }
            for (key, members) in windows {
                bars.insert(PlainBar(symbols[Int(key[0])].text, name, key[1] * width, members))
            }
        }
        return bars
    }
}

/// A bar without indexes, for comparing.
struct PlainBar: Hashable {
    var symbol: String
    var series: String
    var openTime: Int64
    var prices: [Int64]
    var volume: Int128
    var trades: UInt64

    init(_ symbol: String, _ series: String, _ bar: Bar) {
        self.symbol = symbol
        self.series = series
        openTime = bar.openTime.nanoseconds
        prices = [bar.open.raw, bar.high.raw, bar.low.raw, bar.close.raw]
        volume = bar.volume
        trades = bar.trades
    }

    /// Trades must be in the order of their times.
    init(
        _ symbol: String, _ series: String, _ openTime: Int64,
        _ trades: [(symbol: Int, trade: Trade)]
    ) {
        self.symbol = symbol
        self.series = series
        self.openTime = openTime
        let raw = trades.map(\.trade.price.raw)
        prices = [raw.first ?? 0, raw.max() ?? 0, raw.min() ?? 0, raw.last ?? 0]
        volume = trades.reduce(0) { $0 + Int128($1.trade.size.raw) }
        self.trades = UInt64(trades.count)
    }
}
