import MarketModel
import Primitives
import TapeCodec
import Testing

/// Makes packets as a gateway and an operator seal them.
struct LivePackets {
    private let source: SourceName
    private var ordinal: UInt64 = 1
    static let time = Timestamp(nanoseconds: 1_700_000_000_123_456_789)

    init() throws { source = try #require(SourceName("synthetic")) }

    private mutating func seal(
        _ builder: inout PacketBuilder, marker: EpochMarker? = nil
    ) -> SealedPacket {
        let packet = builder.seal(
            PacketBuilder.Seal(
                epoch: 3, firstOrdinal: ordinal, watermark: Self.time, sendTime: Self.time),
            marker: marker)
        ordinal = packet.header.nextOrdinal
        return packet
    }

    /// Seals a trade and a quote.
    mutating func ticks(
        _ symbol: String, of packetSource: SourceName? = nil, belongingTo named: SourceName? = nil
    ) throws -> SealedPacket {
        var builder = PacketBuilder(
            kind: .ticks, partition: Partition(1), source: packetSource ?? source)
        let index = builder.register(
            SymbolDefinition(
                symbol: try #require(Symbol(symbol)), provider: "made-up", since: Self.time,
                source: named))
        var header = TickHeader(
            symbol: index, flags: [.conflated], providerTime: Self.time, receiveTime: Self.time,
            providerID: 7)
        let hasTrade = builder.append(
            Trade(
                header: header, price: Price(raw: -Int64.max), size: Quantity(raw: 1),
                exchange: try #require(ShortText("Q\""))))
        header.flags = []
        header.providerTime = .undefined
        let hasQuote = builder.append(
            Quote(
                header: header, bidPrice: Price(raw: 100_000_000), bidSize: Quantity(raw: 0),
                askPrice: .undefined, askSize: .undefined))
        try #require(hasTrade && hasQuote)
        return seal(&builder)
    }

    /// Seals a provider's bar without a VWAP.
    mutating func providerBar(_ symbol: String) throws -> SealedPacket {
        var builder = PacketBuilder(kind: .ticks, partition: Partition(1), source: source)
        let index = builder.register(
            SymbolDefinition(
                symbol: try #require(Symbol(symbol)), provider: "made-up", since: Self.time))
        let end = Self.time.advanced(byNanoseconds: 5_000_000_000)
        var bar = ProviderBar(
            header: TickHeader(symbol: index, providerTime: end, receiveTime: end),
            openTime: Self.time, closeTime: end, kind: .trades)
        (bar.open, bar.high) = (Price(raw: 2_000_000_000), Price(raw: 4_000_000_000))
        (bar.low, bar.close) = (Price(raw: 1_000_000_000), Price(raw: 3_000_000_000))
        bar.volume = 250_000_000
        bar.trades = 7
        bar.flags = .inProgress
        let isIn = builder.append(bar)
        try #require(isIn)
        return seal(&builder)
    }

    mutating func bar(_ symbol: String) throws -> SealedPacket { try bars(symbol, [source]) }

    /// Seals a bar of each source.
    mutating func bars(_ symbol: String, _ sources: [SourceName]) throws -> SealedPacket {
        var builder = PacketBuilder(kind: .bars, partition: Partition(1), source: .operator)
        let series = builder.register(
            SeriesDefinition(
                name: try #require(SeriesName("1m")), widthNanoseconds: 60_000_000_000))
        for source in sources {
            let index = builder.register(
                SymbolDefinition(
                    symbol: try #require(Symbol(symbol)), provider: "", since: Self.time,
                    source: source))
            var bar = Bar(
                symbol: index, series: series, openTime: Self.time,
                closeTime: Self.time.advanced(byNanoseconds: 60_000_000_000))
            bar.flags = [.final, .partial]
            bar.open = Price(raw: 1)
            bar.notional = Int128.max
            let isIn = builder.append(bar)
            try #require(isIn)
        }
        return seal(&builder)
    }

    /// Seals one value of a symbol, if there is one, and one without a symbol.
    mutating func values(_ symbol: String) throws -> SealedPacket {
        var builder = PacketBuilder(kind: .bars, partition: Partition(1), source: .operator)
        let index = builder.register(
            SymbolDefinition(
                symbol: try #require(Symbol(symbol)), provider: "", since: Self.time,
                source: source))
        for (index, name) in [
            (index, "stats.1m.mean"), (TickHeader.noSymbol, "market.above_average_50"),
        ] {
            let isIn = builder.append(
                IndicatorValue(
                    header: TickHeader(
                        symbol: index, flags: .partial, providerTime: Self.time,
                        receiveTime: Self.time),
                    name: name, value: 1_500_000_000, periodStart: Self.time,
                    periodEnd: Self.time, revision: 2))
            try #require(isIn == .appended)
        }
        return seal(&builder)
    }

    /// Seals a marker. It has no ticks, so nothing of it is published live.
    mutating func marker() -> SealedPacket {
        var builder = PacketBuilder(kind: .ticks, partition: Partition(1), source: source)
        return seal(
            &builder,
            marker: EpochMarker(startOrdinal: ordinal, previousEpoch: 2, previousSequence: 0))
    }

    /// Seals a tick of a kind that is not published live.
    mutating func other() -> SealedPacket {
        var builder = PacketBuilder(kind: .ticks, partition: Partition(1), source: source)
        let header = TickHeader(
            symbol: TickHeader.noSymbol, providerTime: .undefined, receiveTime: Self.time)
        let gap = GapRecord(
            header: header, from: Self.time, to: Self.time, kind: .any, reason: .unknown,
            state: .open)
        _ = builder.append(gap)
        return seal(&builder)
    }
}
