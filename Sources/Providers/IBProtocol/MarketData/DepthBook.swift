public import MarketModel

/// One book as a list of rows per side: an insert moves the rows behind it down, a delete moves
/// them up. The provider's positions mean rows, not prices; several rows may have one price.
public struct DepthBook: Sendable {
    public struct Row: Hashable, Sendable, BitwiseCopyable {
        public var price: Price
        public var size: Quantity
        public var marketMaker: MarketMaker
    }

    /// More rows than any provider sends.
    public static let rowsLimit = 256

    /// What is pushed behind this row falls off the book.
    public let rowsMax: Int
    public private(set) var bids: [Row] = []
    public private(set) var asks: [Row] = []
    /// Changes of rows that are not there: they change nothing.
    public private(set) var malformed: UInt64 = 0

    public init(rows: Int) {
        rowsMax = min(max(1, rows), Self.rowsLimit)
        bids.reserveCapacity(rowsMax + 1)
        asks.reserveCapacity(rowsMax + 1)
    }

    /// Whether the change had a place in the book.
    @discardableResult
    public mutating func apply(_ change: DepthRow) -> Bool {
        let isApplied =
            switch change.side {
            case .bid: Self.apply(change, to: &bids, rowsMax)
            case .ask: Self.apply(change, to: &asks, rowsMax)
            }
        if !isApplied { malformed &+= 1 }
        return isApplied
    }

    /// The provider emptied the book, or stopped it.
    public mutating func reset() {
        bids.removeAll(keepingCapacity: true)
        asks.removeAll(keepingCapacity: true)
    }

    private static func apply(
        _ change: DepthRow, to rows: inout [Row], _ rowsMax: Int
    ) -> Bool {
        let position = Int(change.position)
        // An insert may stand behind the last row; the others need one that is there.
        let end = change.operation == .insert ? min(rows.count + 1, rowsMax) : rows.count
        guard (0..<end).contains(position) else { return false }
        let row = Row(
            price: change.price, size: change.size, marketMaker: change.marketMaker)
        switch change.operation {
        case .insert:
            rows.insert(row, at: position)
            if rows.count > rowsMax { rows.removeLast() }
        case .update: rows[position] = row
        case .delete: rows.remove(at: position)
        }
        return true
    }
}
