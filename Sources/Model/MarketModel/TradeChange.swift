/// What a person does to one trade.
public enum TradeChangeAction: UInt8, CaseIterable, Sendable {
    /// The trade counts with another price and size.
    case correct = 1
    /// The trade does not count.
    case cancel = 2
    /// The last change by a person is taken back.
    case restore = 3
}

/// A person's change of the one trade that has this source and ordinal in the packet's partition.
/// It counts before what the provider says about the trade, until it is taken back.
///
/// Its event time and its symbol are those of the trade. A trade with another event time or symbol
/// at that place is another one, and stays as it is.
public struct TradeChange: Hashable, Sendable, HeadedRecord {
    public static let requesterBytesMax = 64
    public static let noteBytesMax = 512

    public var header: TickHeader
    /// The source that published the trade. The symbol's definition may name another one: that to
    /// which a trade of the source `manual` belongs.
    public var source: SourceName
    public var ordinal: UInt64
    /// The new values of a correction; undefined for the others.
    public var price: Price
    public var size: Quantity
    /// A raw `TradeChangeAction`.
    public var change: UInt8
    /// Who asked for it: user@host.
    public var requester: String
    public var note: String

    /// Only a correction has values.
    public init(
        header: TickHeader, source: SourceName, ordinal: UInt64, change: TradeChangeAction,
        values: (price: Price, size: Quantity) = (.undefined, .undefined)
    ) {
        self.header = header
        self.source = source
        self.ordinal = ordinal
        self.change = change.rawValue
        price = values.price
        size = values.size
        requester = ""
        note = ""
    }

    func list(into fields: inout [RecordField]) {
        fields.add("change", TradeChangeAction.self, change)
        fields.add("of_source", source.text)
        fields.add("of_ordinal", .unsigned(ordinal))
        fields.add("price", price)
        fields.add("size", size)
        fields.add("requester", requester)
        fields.add("note", note)
    }
}
