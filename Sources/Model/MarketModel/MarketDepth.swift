/// The side of a book.
public enum BookSide: UInt8, Sendable {
    case ask = 0
    case bid = 1
}

public enum DepthOperation: UInt8, Sendable {
    /// The rows from this position on move down by one.
    case insert = 0
    case update = 1
    /// The rows after this position move up by one; price and size have no meaning.
    case delete = 2
}

/// Up to 16 ASCII characters in two machine words: the market maker whose order a row of a book
/// shows.
@frozen
public struct MarketMaker: Hashable, Sendable, BitwiseCopyable {
    public static let utf8CountMax = 16

    public var first: ShortText
    public var second: ShortText

    @inlinable
    public init(first: ShortText, second: ShortText) {
        self.first = first
        self.second = second
    }

    /// Empty for books without market makers.
    @inlinable public static var none: MarketMaker {
        MarketMaker(first: .empty, second: .empty)
    }

    public init?(_ text: String) {
        guard text.utf8.count <= Self.utf8CountMax,
            let first = ShortText(String(text.prefix(ShortText.utf8CountMax))),
            let second = ShortText(String(text.dropFirst(ShortText.utf8CountMax)))
        else { return nil }
        self.first = first
        self.second = second
    }

    public var text: String { first.text + second.text }
}

@frozen
public struct DepthFlags: OptionSet, Hashable, Sendable, BitwiseCopyable {
    public let rawValue: UInt8

    @inlinable public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// The row belongs to a book that combines several exchanges; `marketMaker` is the exchange.
    @inlinable public static var smart: DepthFlags { DepthFlags(rawValue: 1 << 0) }
    /// The provider names market makers in this book.
    @inlinable public static var level2: DepthFlags { DepthFlags(rawValue: 1 << 1) }
    /// The row changes nothing: the gateway repeats it, behind a reset with the reason `repeated`.
    @inlinable public static var repeated: DepthFlags { DepthFlags(rawValue: 1 << 2) }
}

/// One change of one row of a book.
@frozen
public struct DepthUpdate: Hashable, Sendable, BitwiseCopyable, HeadedRecord {
    public var header: TickHeader
    public var price: Price
    public var size: Quantity
    public var marketMaker: MarketMaker
    /// The row, from 0.
    public var position: UInt32
    /// A raw `BookSide`.
    public var side: UInt8
    /// A raw `DepthOperation`.
    public var operation: UInt8
    public var flags: DepthFlags

    public init(
        header: TickHeader, position: UInt32, side: BookSide, operation: DepthOperation,
        price: Price, size: Quantity, marketMaker: MarketMaker = .none, flags: DepthFlags = []
    ) {
        self.header = header
        self.price = price
        self.size = size
        self.marketMaker = marketMaker
        self.position = position
        self.side = side.rawValue
        self.operation = operation.rawValue
        self.flags = flags
    }

    func list(into fields: inout [RecordField]) {
        fields.add("side", BookSide.self, side)
        fields.add("operation", DepthOperation.self, operation)
        fields.add("position", .unsigned(UInt64(position)))
        fields.add("price", price)
        fields.add("size", size)
        fields.add("market_maker", marketMaker.text)
    }
}

public enum DepthResetReason: UInt8, Sendable {
    case unknown = 0
    /// The provider emptied the book; rows follow.
    case reset = 1
    /// The provider stopped the book; it has to be requested again.
    case halted = 2
    /// The connection to the provider was lost.
    case disconnected = 3
    /// The gateway repeats the book, which has not changed. Its rows follow, each as an insert.
    case repeated = 4
}

/// States that all rows known so far are void.
@frozen
public struct DepthReset: Hashable, Sendable, BitwiseCopyable, HeadedRecord {
    public var header: TickHeader
    /// A raw `DepthResetReason`.
    public var reason: UInt8

    public init(header: TickHeader, reason: DepthResetReason) {
        self.header = header
        self.reason = reason.rawValue
    }

    func list(into fields: inout [RecordField]) {
        fields.add("reason", DepthResetReason.self, reason)
    }
}
