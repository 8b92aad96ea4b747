internal import MarketModel
internal import Primitives

/// A 128-bit hash of a symbol and some values of its tick. `DigestMemory` remembers it instead of
/// the tick. Two different ticks have the same digest once in 10^38 pairs.
struct TickDigest: Hashable, Sendable, BitwiseCopyable {
    var high: UInt64
    var low: UInt64

    init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// The constants make the two halves independent of each other.
    init(symbol: UInt32) {
        high = SeededRandom.mixed(UInt64(symbol) &+ 0x9e37_79b9_7f4a_7c15)
        low = SeededRandom.mixed(UInt64(symbol) ^ 0xd1b5_4a32_d192_ed03)
    }

    @inline(__always)
    init(_ trade: Trade, by key: [TickField]) {
        self.init(symbol: trade.header.symbol)
        for field in key { add(field.bits(of: trade)) }
    }

    @inline(__always)
    init(_ quote: Quote, by key: [TickField]) {
        self.init(symbol: quote.header.symbol)
        for field in key { add(field.bits(of: quote)) }
    }

    /// Bars of other lengths, and of other kinds of data, always differ.
    init(_ bar: ProviderBar, by key: [TickField]) {
        self.init(symbol: bar.header.symbol)
        add(UInt64(bar.kind))
        add(TickField.length.bits(of: bar))
        for field in key {
            add(field.bits(of: bar))
            if field == .volume { add(UInt64(truncatingIfNeeded: bar.volume >> 64)) }
        }
    }

    /// Mixes in a value. The order of the values matters: a bid of 3 and an ask of 4 differ from a
    /// bid of 4 and an ask of 3.
    @inline(__always)
    mutating func add(_ value: UInt64) {
        high = SeededRandom.mixed(high ^ value)
        low = SeededRandom.mixed((low &+ value) &* 0x9fb2_1c65_1e98_df25)
    }
}

extension TickField {
    /// Returns the field's bits in a trade. A field that trades do not have is the same in all of
    /// them.
    @inline(__always)
    func bits(of trade: Trade) -> UInt64 {
        switch self {
        case .price: UInt64(bitPattern: trade.price.raw)
        case .size: UInt64(bitPattern: trade.size.raw)
        case .exchange: trade.exchange.raw
        case .conditions: trade.conditions.raw
        default: bits(of: trade.header)
        }
    }

    /// Returns the field's bits in a quote.
    func bits(of quote: Quote) -> UInt64 {
        switch self {
        case .bid: UInt64(bitPattern: quote.bidPrice.raw)
        case .ask: UInt64(bitPattern: quote.askPrice.raw)
        case .bidSize: UInt64(bitPattern: quote.bidSize.raw)
        case .askSize: UInt64(bitPattern: quote.askSize.raw)
        case .bidExchange: quote.bidExchange.raw
        case .askExchange: quote.askExchange.raw
        default: bits(of: quote.header)
        }
    }

    /// Returns the field's bits in a provider's bar; of the volume the lower half.
    func bits(of bar: ProviderBar) -> UInt64 {
        switch self {
        case .start: UInt64(bitPattern: bar.openTime.nanoseconds)
        case .length:
            UInt64(bitPattern: bar.closeTime.nanoseconds &- bar.openTime.nanoseconds)
        case .open: UInt64(bitPattern: bar.open.raw)
        case .high: UInt64(bitPattern: bar.high.raw)
        case .low: UInt64(bitPattern: bar.low.raw)
        case .close: UInt64(bitPattern: bar.close.raw)
        case .volume: UInt64(truncatingIfNeeded: bar.volume)
        case .vwap: UInt64(bitPattern: bar.vwap.raw)
        case .count: UInt64(bitPattern: bar.trades)
        default: bits(of: bar.header)
        }
    }

    private func bits(of header: TickHeader) -> UInt64 {
        switch self {
        case .id: header.providerID
        case .time: UInt64(bitPattern: header.eventTime.nanoseconds)
        case .receiveTime: UInt64(bitPattern: header.receiveTime.nanoseconds)
        default: 0
        }
    }
}
