public import Primitives

/// The resolution of the provider's clock. The watermark's delay follows from it.
public enum TimeResolution: UInt8, Sendable {
    case unknown = 0
    case nanosecond = 1
    case microsecond = 2
    case millisecond = 3
    case second = 4
    case minute = 5
    case day = 6
}

@frozen
public struct TickFlags: OptionSet, Hashable, Sendable, BitwiseCopyable {
    public let rawValue: UInt16

    @inlinable @inline(__always)
    public init(rawValue: UInt16) { self.rawValue = rawValue }

    /// State at the start of a subscription, not an event.
    @inlinable public static var snapshot: TickFlags { TickFlags(rawValue: 1 << 0) }
    /// The tick represents several events, of which the provider sent only this one.
    @inlinable public static var conflated: TickFlags { TickFlags(rawValue: 1 << 1) }
    /// Fetched later to fill a gap. It does not move the watermark and is not late by it.
    @inlinable public static var backfilled: TickFlags { TickFlags(rawValue: 1 << 2) }
    /// From a delayed feed.
    @inlinable public static var delayed: TickFlags { TickFlags(rawValue: 1 << 3) }
    /// Outside of the regular trading session.
    @inlinable public static var outOfSession: TickFlags { TickFlags(rawValue: 1 << 4) }
    /// For a derived value: some of its inputs were not available yet.
    @inlinable public static var partial: TickFlags { TickFlags(rawValue: 1 << 5) }
    /// For a trade: not reported to the consolidated tape as one that sets the last price.
    @inlinable public static var unreported: TickFlags { TickFlags(rawValue: 1 << 6) }
    /// For a trade: its price is beyond the limits of the day.
    @inlinable public static var pastLimit: TickFlags { TickFlags(rawValue: 1 << 7) }
}

public enum TradeAction: UInt8, Sendable {
    case new = 0
    case correction = 1
    case cancel = 2
}

/// The fields that every tick has.
///
/// `symbol` is an index: on the wire into the definitions of its packet, inside an operator into
/// the interned symbols of its partition.
@frozen
public struct TickHeader: Hashable, Sendable, BitwiseCopyable {
    public var symbol: UInt32
    /// The `symbol` of a record that concerns no symbol, or all of them.
    @inlinable public static var noSymbol: UInt32 { UInt32.max }

    public var flags: TickFlags
    /// A raw `TradeAction`; 0 for other kinds.
    public var action: UInt8
    /// A raw `TimeResolution`.
    public var resolution: UInt8
    public var providerTime: Timestamp
    public var receiveTime: Timestamp
    /// The provider's id or sequence number of this tick; 0 when it gives none.
    public var providerID: UInt64

    @inlinable @inline(__always)
    public init(
        symbol: UInt32, flags: TickFlags = [], action: UInt8 = 0, resolution: UInt8 = 0,
        providerTime: Timestamp, receiveTime: Timestamp, providerID: UInt64 = 0
    ) {
        self.symbol = symbol
        self.flags = flags
        self.action = action
        self.resolution = resolution
        self.providerTime = providerTime
        self.receiveTime = receiveTime
        self.providerID = providerID
    }

    /// The time that decides the window: the provider's, or the receive time when it gave none.
    @inlinable @inline(__always)
    public var eventTime: Timestamp { providerTime.isDefined ? providerTime : receiveTime }
}

@frozen
public struct Trade: Hashable, Sendable, BitwiseCopyable, HeadedRecord {
    public var header: TickHeader
    public var price: Price
    public var size: Quantity
    public var exchange: ShortText
    public var conditions: ShortText

    @inlinable @inline(__always)
    public init(
        header: TickHeader, price: Price, size: Quantity, exchange: ShortText = .empty,
        conditions: ShortText = .empty
    ) {
        self.header = header
        self.price = price
        self.size = size
        self.exchange = exchange
        self.conditions = conditions
    }

    func list(into fields: inout [RecordField]) {
        fields.add("price", price)
        fields.add("size", size)
        fields.add("exchange", exchange)
        fields.add("conditions", conditions)
        if header.action != 0 { fields.add("action", TradeAction.self, header.action) }
    }
}

@frozen
public struct Quote: Hashable, Sendable, BitwiseCopyable, HeadedRecord {
    public var header: TickHeader
    public var bidPrice: Price
    public var bidSize: Quantity
    public var askPrice: Price
    public var askSize: Quantity
    public var bidExchange: ShortText
    public var askExchange: ShortText

    @inlinable @inline(__always)
    public init(
        header: TickHeader, bidPrice: Price, bidSize: Quantity, askPrice: Price, askSize: Quantity,
        bidExchange: ShortText = .empty, askExchange: ShortText = .empty
    ) {
        self.header = header
        self.bidPrice = bidPrice
        self.bidSize = bidSize
        self.askPrice = askPrice
        self.askSize = askSize
        self.bidExchange = bidExchange
        self.askExchange = askExchange
    }

    func list(into fields: inout [RecordField]) {
        fields.add("bid", bidPrice)
        fields.add("bid_size", bidSize)
        fields.add("bid_exchange", bidExchange)
        fields.add("ask", askPrice)
        fields.add("ask_size", askSize)
        fields.add("ask_exchange", askExchange)
    }
}
