internal import MarketModel
internal import Primitives

/// A row of a book.
struct HotBookRow: Hashable, BitwiseCopyable {
    var price = Price.undefined
    var size = Quantity.undefined
    var marketMaker = MarketMaker.none
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
struct HotBookSide {
    /// The most rows that are kept: more than a provider of ours sends (IBKR up to 50, Binance 20).
    /// Rows after them are forgotten.
    static let rowsMax = 64
    /// The positions beyond which a change is taken as damage.
    static let positionsMax = 1 << 16

    private var rows = InlineArray<64, HotBookRow>(repeating: HotBookRow())
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

    /// The row at a position below `shown`.
    func row(_ position: Int) -> HotBookRow { rows[position] }

    /// The leading rows that are known and that the provider's book has.
    var shown: Int { min((~known).trailingZeroBitCount, sure) }
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
    mutating func insert(_ row: HotBookRow, at position: Int) {
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
    mutating func update(_ row: HotBookRow, at position: Int) {
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

/// The book of one symbol and source. Pure.
struct HotBook {
    /// The best rows of a side that readers see.
    static let rowsShownMax = 20

    /// What readers may rely on.
    enum State {
        /// The rows are all that the provider sends, up to `rowsShownMax` of each side.
        case complete
        /// The rows are the best ones, and those after them are not known.
        case partial
        /// No row is known.
        case unknown
    }

    /// Why a book is not complete.
    enum Reason {
        /// This process has seen no reset of it.
        case start
        /// The provider emptied it: the four reasons of a reset.
        case unknownReset, reset, halted, disconnected
        /// A gap of its rows is open.
        case gap
        /// It is not subscribed any more.
        case stopped
        /// Packets in which its rows may be did not come.
        case lost
        /// A change does not fit the rows, or cannot be read.
        case damaged
    }

    private(set) var asks = HotBookSide()
    private(set) var bids = HotBookSide()
    /// Whether the sides were empty at a reset, and all changes since then are in them.
    private var isSinceReset = false
    /// Whether a row came since `clear`.
    private var hasRows = false
    private(set) var reason = Reason.start
    /// The event time of the last reset; undefined when none is known.
    private(set) var since = Timestamp.undefined

    init() {}

    var state: State {
        let limit = Self.rowsShownMax
        if isSinceReset, hasRows, asks.isWhole(upTo: limit), bids.isWhole(upTo: limit) {
            return .complete
        }
        let shown = (asks.shown, bids.shown)
        // All rows that are shown at most are known, whatever was before.
        if shown.0 >= limit, shown.1 >= limit { return .complete }
        return shown.0 > 0 || shown.1 > 0 ? .partial : .unknown
    }

    /// Whether the best bid is above the best ask, as far as both are known.
    var isCrossed: Bool {
        guard asks.shown > 0, bids.shown > 0 else { return false }
        let (ask, bid) = (asks.row(0).price, bids.row(0).price)
        return ask.isDefined && bid.isDefined && bid > ask
    }

    /// Whether a gap that begins now can concern it: a book without rows has nothing to lose.
    var hasContent: Bool { hasRows }

    /// The provider emptied the book.
    mutating func reset(_ reset: DepthReset) {
        clear()
        isSinceReset = true
        since = reset.header.eventTime
        reason =
            switch DepthResetReason(rawValue: reset.reason) {
            case .unknown, nil: .unknownReset
            case .reset: .reset
            case .halted: .halted
            case .disconnected: .disconnected
            }
    }

    /// Nothing is known of the book any more. Each later row is known when a change brings it.
    mutating func lose(_ reason: Reason) {
        clear()
        isSinceReset = false
        since = .undefined
        self.reason = reason
    }

    private mutating func clear() {
        asks.clear()
        bids.clear()
        hasRows = false
    }

    /// Takes a change of a row. One that does not fit makes the book unknown until the next reset:
    /// something is missing that nothing names.
    mutating func take(_ update: DepthUpdate) {
        guard reason != .damaged || isSinceReset else { return }
        guard let side = BookSide(rawValue: update.side),
            let operation = DepthOperation(rawValue: update.operation),
            update.position < HotBookSide.positionsMax
        else { return lose(.damaged) }
        let position = Int(update.position)
        let count = side == .ask ? asks.count : bids.count
        if isSinceReset, position >= (operation == .insert ? count + 1 : count) {
            return lose(.damaged)
        }
        let row = HotBookRow(
            price: update.price, size: update.size, marketMaker: update.marketMaker)
        hasRows = true
        switch side {
        case .ask: Self.change(&asks, operation, position, row)
        case .bid: Self.change(&bids, operation, position, row)
        }
    }

    private static func change(
        _ side: inout HotBookSide, _ operation: DepthOperation, _ position: Int, _ row: HotBookRow
    ) {
        switch operation {
        case .insert: side.insert(row, at: position)
        case .update: side.update(row, at: position)
        case .delete: side.delete(at: position)
        }
    }
}
