public import Primitives

/// Why a tick is in no window of a series.
public enum LateTickReason: UInt8, Sendable {
    /// The watermark had passed the window's end and its lateness.
    case windowClosed = 0
    /// One of the limits on open windows was reached.
    case windowLimit = 1
    /// The same tick had arrived before.
    case duplicate = 2
}

/// A tick that one series did not count, with its identity and all its values. A person needs them
/// to judge it, and a repair needs them to count it after all.
@frozen
public struct LateTickRecord: Hashable, Sendable, BitwiseCopyable, HeadedRecord {
    /// The header of the original tick.
    public var header: TickHeader
    /// A trade's price and size, or a quote's bid.
    public var price: Price
    public var size: Quantity
    public var exchange: ShortText
    /// A trade's conditions, or the exchange of a quote's ask.
    public var conditions: ShortText
    /// A quote's ask; undefined for trades.
    public var askPrice: Price
    public var askSize: Quantity
    /// The original tick's ordinal from its source in this partition.
    public var ordinal: UInt64
    public var source: SourceName
    /// The open time of the window that the tick belongs to.
    public var openTime: Timestamp
    public var closeTime: Timestamp
    /// The number of the series, an index as the symbol is.
    public var series: UInt16
    /// A raw `LateTickReason`.
    public var reason: UInt8
    /// A raw `DataKind`: trade or quote.
    public var kind: UInt8

    public init(
        _ trade: Trade, source: SourceName, ordinal: UInt64, series: UInt16,
        openTime: Timestamp, closeTime: Timestamp, reason: LateTickReason
    ) {
        header = trade.header
        price = trade.price
        size = trade.size
        exchange = trade.exchange
        conditions = trade.conditions
        askPrice = .undefined
        askSize = .undefined
        self.ordinal = ordinal
        self.source = source
        self.openTime = openTime
        self.closeTime = closeTime
        self.series = series
        self.reason = reason.rawValue
        kind = DataKind.trade.rawValue
    }

    public init(
        _ quote: Quote, source: SourceName, ordinal: UInt64, series: UInt16,
        openTime: Timestamp, closeTime: Timestamp, reason: LateTickReason
    ) {
        self.init(
            Trade(bidOf: quote), source: source, ordinal: ordinal, series: series,
            openTime: openTime, closeTime: closeTime, reason: reason)
        askPrice = quote.askPrice
        askSize = quote.askSize
        kind = DataKind.quote.rawValue
    }

    func list(into fields: inout [RecordField], _ context: RecordContext) {
        fields.add("of", DataKind.self, kind)
        fields.add("series", context.series?.text ?? "")
        fields.add("reason", LateTickReason.self, reason)
        fields.add("price", price)
        fields.add("size", size)
        fields.add("ask", askPrice)
        fields.add("ask_size", askSize)
        fields.add("exchange", exchange)
        fields.add("conditions", conditions)
        fields.add("open_time", openTime)
        fields.add("close_time", closeTime)
        fields.add("of_source", source.text)
        fields.add("of_ordinal", .unsigned(ordinal))
    }
}

extension Trade {
    /// Makes a trade of a quote's bid, with the exchange of the ask as conditions.
    public init(bidOf quote: Quote) {
        self.init(
            header: quote.header, price: quote.bidPrice, size: quote.bidSize,
            exchange: quote.bidExchange, conditions: quote.askExchange)
    }
}
