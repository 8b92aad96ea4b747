public import Primitives

@frozen
public struct BarFlags: OptionSet, Hashable, Sendable, BitwiseCopyable {
    public let rawValue: UInt8

    @inlinable @inline(__always)
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// The window overlaps the start of a subscription, a gap, or the first packet of the tape.
    @inlinable public static var partial: BarFlags { BarFlags(rawValue: 1 << 0) }
    /// The watermark has passed the window's end.
    @inlinable public static var final: BarFlags { BarFlags(rawValue: 1 << 1) }
    /// Built from the ticks of more than one provider.
    @inlinable public static var mixedProviders: BarFlags { BarFlags(rawValue: 1 << 2) }
    /// Earlier versions of this bar are void and nothing replaces them: its trades were cancelled,
    /// or were moved to other bars.
    @inlinable public static var withdrawn: BarFlags { BarFlags(rawValue: 1 << 3) }
    /// A window without trades: open, high, low and close are the previous bar's close.
    @inlinable public static var filled: BarFlags { BarFlags(rawValue: 1 << 4) }
}

/// Why a version of a bar was published.
public enum BarReason: UInt8, Sendable {
    case closed = 0
    case late = 1
    case bust = 2
    case gap = 3
    case backfill = 4
    case repair = 5
}

/// One version of one bar. Its revision is the ordinal that it has on the output tape.
@frozen
public struct Bar: Hashable, Sendable {
    public var symbol: UInt32
    /// The number of the series, an index as `symbol` is.
    public var series: UInt16
    public var flags: BarFlags
    /// A raw `BarReason`.
    public var reason: UInt8
    public var generation: UInt32
    /// The window is [openTime, closeTime).
    public var openTime: Timestamp
    public var closeTime: Timestamp
    /// 0 for time bars; a running number for bars of which several may begin at the same time.
    public var number: Int64
    public var open: Price
    public var high: Price
    public var low: Price
    public var close: Price
    public var vwap: Price
    public var trades: UInt64
    /// The number of ticks of the window that fixed rules excluded, by rule.
    public var excluded: Excluded
    /// The sum of sizes, in 1e-8.
    public var volume: Int128
    /// The sum of price × size, in 1e-17, so that a VWAP over several bars stays exact.
    public var notional: Int128

    @frozen
    public struct Excluded: Hashable, Sendable, BitwiseCopyable {
        public var condition: UInt32
        public var oddLot: UInt32
        public var filter: UInt32
        public var undefined: UInt32

        @inlinable @inline(__always)
        public init(
            condition: UInt32 = 0, oddLot: UInt32 = 0, filter: UInt32 = 0, undefined: UInt32 = 0
        ) {
            self.condition = condition
            self.oddLot = oddLot
            self.filter = filter
            self.undefined = undefined
        }

        public var total: UInt64 {
            UInt64(condition) + UInt64(oddLot) + UInt64(filter) + UInt64(undefined)
        }
    }

    @inlinable
    public init(
        symbol: UInt32, series: UInt16, openTime: Timestamp, closeTime: Timestamp
    ) {
        self.symbol = symbol
        self.series = series
        self.openTime = openTime
        self.closeTime = closeTime
        flags = []
        reason = 0
        generation = 0
        number = 0
        open = .undefined
        high = .undefined
        low = .undefined
        close = .undefined
        vwap = .undefined
        trades = 0
        excluded = Excluded()
        volume = 0
        notional = 0
    }

    func list(into fields: inout [RecordField], _ context: RecordContext) {
        fields.add("series", context.series?.text ?? "")
        fields.add("close_time", closeTime)
        if number != 0 { fields.add("number", .integer(number)) }
        fields.add("open", open)
        fields.add("high", high)
        fields.add("low", low)
        fields.add("close", close)
        fields.add("volume", .wide(volume, decimals: Quantity.decimals))
        fields.add("vwap", vwap)
        fields.add("notional", .wide(notional, decimals: Price.decimals + Quantity.decimals))
        fields.add("trades", .unsigned(trades))
        if excluded.total > 0 { fields.add("excluded", .unsigned(excluded.total)) }
        if let ordinal = context.ordinal { fields.add("revision", .unsigned(ordinal)) }
        fields.add("generation", .unsigned(UInt64(generation)))
        fields.add("reason", BarReason.self, reason)
        fields.add("flags", flags.names)
        if let source = context.source { fields.add("of_source", source.text) }
    }
}
