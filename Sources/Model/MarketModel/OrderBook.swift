/// A row of a book.
public struct BookRow: Hashable, Sendable, BitwiseCopyable {
    public private(set) var price: Price
    public private(set) var size: Quantity
    public private(set) var marketMaker: MarketMaker

    public init(
        price: Price = .undefined, size: Quantity = .undefined, marketMaker: MarketMaker = .none
    ) {
        self.price = price
        self.size = size
        self.marketMaker = marketMaker
    }
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

/// The best row of each side of a book that is known, and the sizes of its best rows together. An
/// empty side has an undefined row.
public struct BookTop: Hashable, Sendable, BitwiseCopyable {
    public let bid: BookRow
    public let ask: BookRow
    /// The sums; undefined where a row has no size, or beyond the range.
    public let bidSizes: Quantity
    public let askSizes: Quantity
}

extension OrderBook {
    /// Returns the best rows, with the sizes of at most `levels` of each side; `nil` unless all
    /// rows that the provider's book has there are known, and where it may have none of the rows of
    /// a side.
    public func top(_ levels: Int) -> BookTop? {
        guard isWhole(upTo: levels), !bids.mayBeEmpty, !asks.mayBeEmpty else { return nil }
        return BookTop(
            bid: bids.best, ask: asks.best, bidSizes: bids.sizes(levels),
            askSizes: asks.sizes(levels))
    }

    /// Restores a book that was emptied by a reset, from the sides that it had.
    public init(asks: BookRows, bids: BookRows, hasRows: Bool) {
        self.asks = asks
        self.bids = bids
        self.hasRows = hasRows
        isSinceReset = true
    }
}

extension BookRows {
    /// Whether there are rows, and none is sure.
    fileprivate var mayBeEmpty: Bool { shown == 0 && kept > 0 }

    fileprivate var best: BookRow { shown > 0 ? rows[0] : BookRow() }

    /// Returns the sizes of the best rows together.
    fileprivate func sizes(_ levels: Int) -> Quantity {
        var sum: Int64 = 0
        for position in 0..<min(levels, shown) {
            let size = rows[position].size
            guard size.isDefined, size.raw >= 0 else { return .undefined }
            let (next, overflow) = sum.addingReportingOverflow(size.raw)
            guard !overflow else { return .undefined }
            sum = next
        }
        return Quantity(raw: sum)
    }

    /// What later changes depend on beside the rows.
    public struct State: Hashable, Sendable, BitwiseCopyable {
        /// A bit for each known row.
        public var known: UInt64
        public var count: UInt32
        public var sure: UInt32
        public var reach: UInt32

        public init(known: UInt64, count: UInt32, sure: UInt32, reach: UInt32) {
            self.known = known
            self.count = count
            self.sure = sure
            self.reach = reach
        }

        /// The positions of the known rows, from the first one on.
        public var positions: [Int] {
            (0..<BookRows.rowsMax).filter { known >> UInt64($0) & 1 != 0 }
        }
    }

    public var state: State {
        State(
            known: known, count: UInt32(clamping: count), sure: UInt32(clamping: sure),
            reach: UInt32(clamping: reach))
    }

    /// Restores a side. `known` are the known rows, from the first position on. Returns `nil` for a
    /// state that no changes make.
    public init?(_ state: State, known rows: [BookRow]) {
        guard state.sure <= state.reach, state.reach <= Self.positionsMax,
            rows.count == state.known.nonzeroBitCount
        else { return nil }
        known = state.known
        count = Int(state.count)
        sure = Int(state.sure)
        reach = Int(state.reach)
        for (position, row) in zip(state.positions, rows) { self.rows[position] = row }
    }
}
