public import MarketModel
public import Primitives

/// A tick that is in no window of one series, with what a person needs to judge it.
public struct LateTick: Hashable, Sendable {
    public typealias Reason = LateTickReason

    /// Its symbol is the interned one. Of a quote: the bid, and the exchange of the ask as
    /// conditions, as `LateTickRecord` has them.
    public var trade: Trade
    /// Trade or quote.
    public var kind: DataKind
    /// Of a quote; undefined for trades.
    public var askPrice: Price
    public var askSize: Quantity
    public var source: Int
    public var ordinal: UInt64
    public var series: UInt16
    /// The window into which it would have gone.
    public var openTime: Timestamp
    public var closeTime: Timestamp
    public var reason: Reason

    public init(
        _ trade: Trade, source: Int, ordinal: UInt64, series: UInt16, openTime: Timestamp,
        closeTime: Timestamp, reason: Reason
    ) {
        self.trade = trade
        kind = .trade
        askPrice = .undefined
        askSize = .undefined
        self.source = source
        self.ordinal = ordinal
        self.series = series
        self.openTime = openTime
        self.closeTime = closeTime
        self.reason = reason
    }

    public init(
        _ quote: Quote, source: Int, ordinal: UInt64, series: UInt16, openTime: Timestamp,
        closeTime: Timestamp, reason: Reason
    ) {
        self.init(
            Trade(
                header: quote.header, price: quote.bidPrice, size: quote.bidSize,
                exchange: quote.bidExchange, conditions: quote.askExchange),
            source: source, ordinal: ordinal, series: series, openTime: openTime,
            closeTime: closeTime, reason: reason)
        kind = .quote
        askPrice = quote.askPrice
        askSize = quote.askSize
    }

    /// As it stands on the tape; the symbol and the series there are the caller's indexes.
    public func record(source: SourceName) -> LateTickRecord {
        var record = LateTickRecord(
            trade, source: source, ordinal: ordinal, series: series, openTime: openTime,
            closeTime: closeTime, reason: reason)
        record.kind = kind.rawValue
        record.askPrice = askPrice
        record.askSize = askSize
        return record
    }
}
