import MarketModel
import Primitives
import TapeCodec

/// Packets of one source in one partition, with any values, from a seed.
struct RandomTape {
    static let symbols = ["AAPL", "BRK.B", "EUR.USD", "Größe😀", "A"]
    private static let start: Int64 = 1_700_000_000_000_000_000

    let kind: PacketKind
    let partition: Partition
    let source: SourceName
    private(set) var random: SeededRandom
    private(set) var nextOrdinal: UInt64 = 1

    init(seed: UInt64, kind: PacketKind = .ticks, partition: Int = 3, source: SourceName) {
        self.kind = kind
        self.partition = Partition(partition)
        self.source = source
        random = SeededRandom(seed: seed)
    }

    mutating func below(_ bound: Int) -> Int { Int.random(in: 0..<bound, using: &random) }

    /// Loses so many ordinals.
    mutating func skip(_ count: UInt64) { nextOrdinal += count }

    /// Returns the next packet. `trades`: of trades alone, and so many.
    mutating func packet(trades: Int? = nil) -> [UInt8] {
        var builder = PacketBuilder(kind: kind, partition: partition, source: source)
        let count = trades ?? below(60) + 1
        for _ in 0..<count {
            let symbol = symbol(in: &builder)
            let outcome =
                trades == nil ? record(symbol, in: &builder) : builder.append(.trade(trade(symbol)))
            precondition(outcome == .appended)
        }
        let sealed = builder.seal(
            PacketBuilder.Seal(
                epoch: 7, firstOrdinal: nextOrdinal, watermark: Timestamp(nanoseconds: 7),
                sendTime: Timestamp(nanoseconds: Self.start + Int64(nextOrdinal))))
        nextOrdinal += UInt64(count)
        return sealed.withBytes { $0.array }
    }

    private mutating func symbol(in builder: inout PacketBuilder) -> UInt32 {
        let number = below(Self.symbols.count)
        guard let symbol = Symbol(Self.symbols[number]) else { return TickHeader.noSymbol }
        return builder.register(
            SymbolDefinition(
                symbol: symbol, provider: number % 2 == 0 ? "ib" : "",
                since: Timestamp(nanoseconds: Int64(below(3))),
                source: kind == .bars ? SourceName("feed-\(number)") : nil))
    }

    private mutating func record(
        _ symbol: UInt32, in builder: inout PacketBuilder
    ) -> AppendOutcome {
        switch kind == .bars ? below(4) + 7 : below(8) {
        case 0, 1: builder.append(.trade(trade(symbol)))
        case 2: builder.append(.quote(quote(symbol)))
        case 3: builder.append(.depth(depth(symbol)))
        case 4:
            builder.append(
                .depthReset(
                    DepthReset(
                        header: header(symbol),
                        reason: DepthResetReason(rawValue: UInt8(below(5))) ?? .unknown)))
        case 5: builder.append(.gap(gap(below(2) == 0 ? symbol : TickHeader.noSymbol)))
        case 6: builder.append(.providerBar(providerBar(symbol)))
        case 7: builder.append(.indicator(value(below(3) == 0 ? TickHeader.noSymbol : symbol)))
        default: bar(symbol, in: &builder)
        }
    }

    private mutating func time() -> Timestamp {
        below(8) == 0
            ? .undefined : Timestamp(nanoseconds: Self.start + Int64(below(1_000_000)))
    }

    private mutating func number() -> Int64 {
        [Int64.max, .min, 0, -1, Int64(below(1_000_000))][below(5)]
    }

    private mutating func shortText() -> ShortText {
        [
            ShortText.empty, ShortText("NASDAQ") ?? .empty, ShortText(raw: 0x80_41),
            ShortText(raw: .max),
        ][
            below(4)]
    }

    private mutating func header(_ symbol: UInt32) -> TickHeader {
        TickHeader(
            symbol: symbol, flags: TickFlags(rawValue: UInt16(below(256))),
            action: UInt8(below(3)), resolution: UInt8(below(9)), providerTime: time(),
            receiveTime: time(), providerID: UInt64(below(3)) &* 0xfedc_ba98_7654_3210)
    }

    private mutating func trade(_ symbol: UInt32) -> Trade {
        Trade(
            header: header(symbol), price: Price(raw: number()), size: Quantity(raw: number()),
            exchange: shortText(), conditions: shortText())
    }

    private mutating func quote(_ symbol: UInt32) -> Quote {
        Quote(
            header: header(symbol), bidPrice: Price(raw: number()),
            bidSize: Quantity(raw: number()),
            askPrice: Price(raw: number()), askSize: Quantity(raw: number()),
            bidExchange: shortText(), askExchange: shortText())
    }

    private mutating func depth(_ symbol: UInt32) -> DepthUpdate {
        var update = DepthUpdate(
            header: header(symbol), position: UInt32(below(9)), side: .ask, operation: .insert,
            price: Price(raw: number()), size: Quantity(raw: number()),
            marketMaker: MarketMaker(first: shortText(), second: shortText()),
            flags: DepthFlags(rawValue: UInt8(below(8))))
        update.side = UInt8(below(3))
        update.operation = UInt8(below(5))
        return update
    }

    private mutating func gap(_ symbol: UInt32) -> GapRecord {
        GapRecord(
            header: header(symbol), from: time(), to: time(), kind: .providerBar,
            reason: GapReason(rawValue: UInt8(below(7))) ?? .unknown,
            state: GapState(rawValue: UInt8(below(4))) ?? .open, firstOrdinal: UInt64(below(2)),
            lastOrdinal: UInt64(below(2)), detail: String(repeating: "é", count: below(5)))
    }

    private mutating func value(_ symbol: UInt32) -> IndicatorValue {
        IndicatorValue(
            header: header(symbol), name: below(2) == 0 ? "stats.mean" : "größe",
            unit: below(2) == 0 ? "" : "percent",
            value: below(4) == 0 ? .max : Int128(number()) * 1_000_000, periodStart: time(),
            periodEnd: time(), revision: UInt64(below(9)))
    }

    private mutating func providerBar(_ symbol: UInt32) -> ProviderBar {
        var bar = ProviderBar(
            header: header(symbol), openTime: time(), closeTime: time(), kind: .unknown)
        bar.kind = UInt8(below(9))
        bar.flags = ProviderBarFlags(rawValue: UInt8(below(8)))
        (bar.open, bar.high) = (Price(raw: number()), Price(raw: number()))
        (bar.low, bar.close) = (Price(raw: number()), Price(raw: number()))
        bar.vwap = Price(raw: number())
        bar.volume = below(3) == 0 ? .max : Int128(number()) * 1_000_000
        bar.trades = number()
        return bar
    }

    private mutating func bar(
        _ symbol: UInt32, in builder: inout PacketBuilder
    ) -> AppendOutcome {
        guard let name = SeriesName(below(2) == 0 ? "1m" : "5m") else { return .full }
        let series = builder.register(
            SeriesDefinition(
                name: name, widthNanoseconds: 60, latenessNanoseconds: name.text == "1m" ? nil : 5))
        var bar = Bar(symbol: symbol, series: series, openTime: time(), closeTime: time())
        bar.flags = BarFlags(rawValue: UInt8(below(32)))
        bar.reason = UInt8(below(8))
        bar.number = number()
        (bar.open, bar.high) = (Price(raw: number()), Price(raw: number()))
        (bar.low, bar.close) = (Price(raw: number()), Price(raw: number()))
        bar.vwap = Price(raw: number())
        bar.trades = UInt64(below(1_000))
        bar.excluded = Bar.Excluded(condition: 1, oddLot: 2, filter: 3, undefined: UInt32(below(5)))
        bar.volume = below(3) == 0 ? .max : Int128(number()) * 1_000_000
        bar.notional = Int128(number()) * -1_000_000
        bar.generation = UInt32(below(4))
        return builder.append(.bar(bar))
    }
}
