/// A row of a book.
public struct BookRow: Hashable, Sendable, BitwiseCopyable {
    public private(set) var price = Price.undefined
    public private(set) var size = Quantity.undefined
    public private(set) var marketMaker = MarketMaker.none
}

/// One side of a book, best row first. Pure, and nothing is allocated.
///
/// A change names a row by its position and brings all of it. So a side whose beginning nobody saw
/// is known row by row: a row is *known* since it was inserted or updated. What is shown are the
/// leading rows that are known and *sure*.
///
/// Rows are sure as far as the provider's book has them. A provider that was asked for ten rows may
/// say nothing about an eleventh that an insert moved beyond them. So a row that an insert moves
/// beyond the positions that were ever named (`reach`) is not sure until a change names its
/// position or one after it.
public struct BookRows: Sendable {
    /// The most rows that are kept: more than a provider of ours sends (IBKR up to 50, Binance 20).
    /// Rows after them are forgotten.
    public static let rowsMax = 64
    /// The positions beyond which a change is taken as damage.
    static let positionsMax = 1 << 16

    private var rows = InlineArray<64, BookRow>(repeating: BookRow())
    /// A bit for each known row.
    private var known: UInt64 = 0
    /// The rows of the side since the reset. It has a meaning only with `isWhole`.
    private(set) var count = 0
    /// The leading rows that the provider's book has.
    private var sure = 0
    /// One more than the highest position that a change has named.
    private var reach = 0

    init() {
        // One bit of `known` for each row.
        assert(Self.rowsMax == rows.count && Self.rowsMax == known.bitWidth)
    }

    /// The row at a position below `kept`.
    public func row(_ position: Int) -> BookRow { rows[position] }

    /// The leading rows that are known and that the provider's book has.
    public var shown: Int { min((~known).trailingZeroBitCount, sure) }
    /// The leading rows that are known, whether they are sure or not.
    public var kept: Int { (~known).trailingZeroBitCount }
    /// Whether `shown` is all that the provider's book has, up to `limit` rows. It has a meaning
    /// only since a reset.
    func isWhole(upTo limit: Int) -> Bool { shown >= min(sure, limit) }

    /// Makes a side about which nothing is known, or, after a reset, an empty one.
    mutating func clear() {
        known = 0
        count = 0
        sure = 0
        reach = 0
    }

    /// Inserts a row; those from its position on move down by one.
    mutating func insert(_ row: BookRow, at position: Int) {
        if position < Self.rowsMax {
            var index = min(Self.rowsMax - known.leadingZeroBitCount, Self.rowsMax - 1)
            while index > position {
                rows[index] = rows[index - 1]
                index -= 1
            }
            rows[position] = row
            let bit = UInt64(1) << UInt64(position)
            let before = known & (bit - 1)
            known = before | bit | (known & ~(bit - 1)) << 1
        }
        count += 1
        reach = max(reach, position + 1)
        sure = position > sure ? position + 1 : min(sure + 1, reach)
    }

    /// Replaces the row at a position.
    mutating func update(_ row: BookRow, at position: Int) {
        if position < Self.rowsMax {
            rows[position] = row
            known |= UInt64(1) << UInt64(position)
        }
        reach = max(reach, position + 1)
        sure = max(sure, position + 1)
    }

    /// Removes a row; those after it move up by one.
    mutating func delete(at position: Int) {
        if position < Self.rowsMax {
            let end = Self.rowsMax - known.leadingZeroBitCount
            var index = position
            while index + 1 < end {
                rows[index] = rows[index + 1]
                index += 1
            }
            let below = (UInt64(1) << UInt64(position)) - 1
            known = known & below | known >> 1 & ~below
        }
        count = max(0, count - 1)
        reach = max(reach, position + 1)
        sure = position < sure ? sure - 1 : position
    }
}

/// The rows of a book, by the changes since its last reset, or as far as changes have named them.
/// Pure, and nothing is allocated.
public struct OrderBook: Sendable {
    public private(set) var asks = BookRows()
    public private(set) var bids = BookRows()
    /// Whether the sides were empty at a reset, and all changes since then are in them.
    public private(set) var isSinceReset = false
    /// Whether a row came since the book was emptied or lost.
    public private(set) var hasRows = false

    public init() {}

    /// Whether all rows that the provider's book has are known, up to `limit` of each side.
    public func isWhole(upTo limit: Int) -> Bool {
        isSinceReset && hasRows && asks.isWhole(upTo: limit) && bids.isWhole(upTo: limit)
    }

    /// The provider emptied the book.
    public mutating func reset() {
        lose()
        isSinceReset = true
    }

    /// Nothing is known of the book any more. Each later row is known when a change brings it.
    public mutating func lose() {
        asks.clear()
        bids.clear()
        hasRows = false
        isSinceReset = false
    }

    /// Takes a change of a row. Returns false for one that does not fit, because something is
    /// missing that nothing names. Then nothing is known of the book until the next reset.
    public mutating func take(_ update: DepthUpdate) -> Bool {
        guard let side = BookSide(rawValue: update.side),
            let operation = DepthOperation(rawValue: update.operation),
            update.position < BookRows.positionsMax
        else {
            lose()
            return false
        }
        let position = Int(update.position)
        let count = side == .ask ? asks.count : bids.count
        if isSinceReset, position >= (operation == .insert ? count + 1 : count) {
            lose()
            return false
        }
        let row = BookRow(price: update.price, size: update.size, marketMaker: update.marketMaker)
        hasRows = true
        switch side {
        case .ask: Self.change(&asks, operation, position, row)
        case .bid: Self.change(&bids, operation, position, row)
        }
        return true
    }

    private static func change(
        _ side: inout BookRows, _ operation: DepthOperation, _ position: Int, _ row: BookRow
    ) {
        switch operation {
        case .insert: side.insert(row, at: position)
        case .update: side.update(row, at: position)
        case .delete: side.delete(at: position)
        }
    }
}
