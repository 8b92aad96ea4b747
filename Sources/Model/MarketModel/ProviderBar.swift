public import Primitives

/// The data from which a provider's bar is made.
public enum ProviderBarKind: UInt8, Sendable {
    case unknown = 0
    case trades = 1
    case midpoint = 2
    case bid = 3
    case ask = 4
    case bidAsk = 5
    case historicalVolatility = 6
    case impliedVolatility = 7
}

@frozen
public struct ProviderBarFlags: OptionSet, Hashable, Sendable, BitwiseCopyable {
    public let rawValue: UInt8

    @inlinable public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// The bar is unfinished: the provider will send it again with more data.
    @inlinable public static var inProgress: ProviderBarFlags {
        ProviderBarFlags(rawValue: 1 << 0)
    }
    /// The bar holds regular trading hours only.
    @inlinable public static var regularHours: ProviderBarFlags {
        ProviderBarFlags(rawValue: 1 << 1)
    }
    /// The provider has made a finished bar again, because something was reported late: the newest
    /// one of a window counts.
    @inlinable public static var revised: ProviderBarFlags {
        ProviderBarFlags(rawValue: 1 << 2)
    }
}

/// A bar that the provider made. Its event time is its close.
@frozen
public struct ProviderBar: Hashable, Sendable, BitwiseCopyable, HeadedRecord {
    /// The value of `volume` when the provider gave none.
    public static let undefinedVolume = Int128.max
    /// The value of `trades` when the provider gave none.
    public static let undefinedCount = Int64.max

    public var header: TickHeader
    /// The window is [openTime, closeTime).
    public var openTime: Timestamp
    public var closeTime: Timestamp
    public var open: Price
    public var high: Price
    public var low: Price
    public var close: Price
    public var vwap: Price
    /// In 1e-8.
    public var volume: Int128
    public var trades: Int64
    /// A raw `ProviderBarKind`.
    public var kind: UInt8
    public var flags: ProviderBarFlags

    /// A bar whose prices are undefined.
    public init(
        header: TickHeader, openTime: Timestamp, closeTime: Timestamp, kind: ProviderBarKind
    ) {
        self.header = header
        self.openTime = openTime
        self.closeTime = closeTime
        open = .undefined
        high = .undefined
        low = .undefined
        close = .undefined
        vwap = .undefined
        volume = Self.undefinedVolume
        trades = Self.undefinedCount
        self.kind = kind.rawValue
        flags = []
    }

    func list(into fields: inout [RecordField]) {
        fields.add("what", ProviderBarKind.self, kind)
        fields.add("open_time", openTime)
        fields.add("close_time", closeTime)
        fields.add("open", open)
        fields.add("high", high)
        fields.add("low", low)
        fields.add("close", close)
        if volume != Self.undefinedVolume {
            fields.add("volume", .wide(volume, decimals: Quantity.decimals))
        }
        fields.add("vwap", vwap)
        if trades != Self.undefinedCount { fields.add("trades", .integer(trades)) }
        if !flags.isEmpty { fields.add("bar_flags", flags.names) }
    }
}
