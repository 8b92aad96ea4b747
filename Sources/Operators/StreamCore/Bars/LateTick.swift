public import MarketModel
public import Primitives

/// A tick that one series did not take, with what a person needs to judge it. It was too late,
/// found no room for a window, or was a duplicate. `PartitionOperator` publishes it as a
/// `LateTickRecord`.
public struct LateTick: Hashable, Sendable {
    public typealias Reason = LateTickReason

    /// The tick; its symbol is an index into the tables of the partition. For a quote it holds the
    /// bid, and the exchange of the ask as conditions, as `LateTickRecord` does; for a book its
    /// best bid, of an imbalance with the sizes that count; for a provider's bar its close and
    /// volume.
    public var trade: Trade
    /// The kind of the tick: trade, quote, depth or provider's bar.
    public var kind: DataKind
    /// The ask of a quote or a book; undefined for all others.
    public var askPrice: Price
    public var askSize: Quantity
    /// The index of the tick's source in the tables.
    public var source: Int
    public var ordinal: UInt64
    /// The index of the series in the machine's rule.
    public var series: UInt16
    /// The window into which the tick would have gone, [openTime, closeTime).
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
            Trade(bidOf: quote), source: source, ordinal: ordinal, series: series,
            openTime: openTime, closeTime: closeTime, reason: reason)
        kind = .quote
        askPrice = quote.askPrice
        askSize = quote.askSize
    }

    /// A volume beyond the range of a size is undefined here; the tape has the bar.
    public init(
        _ bar: ProviderBar, source: Int, ordinal: UInt64, series: UInt16, openTime: Timestamp,
        closeTime: Timestamp, reason: Reason
    ) {
        let size = Int64(exactly: bar.volume).map { Quantity(raw: $0) }
        self.init(
            Trade(header: bar.header, price: bar.close, size: size ?? .undefined),
            source: source, ordinal: ordinal, series: series, openTime: openTime,
            closeTime: closeTime, reason: reason)
        kind = .providerBar
    }

    /// Returns the record for the tape. `source` is the name of the tick's source. Symbol and
    /// series of the record are the same indexes as here.
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
