package import MarketModel

/// One book as a list of rows per side. An insert moves the following rows down, a delete moves
/// them up. The provider's positions are rows, not prices; several rows may have the same price.
package struct DepthBook: Sendable {
    package struct Row: Hashable, Sendable, BitwiseCopyable {
        package var price: Price
        package var size: Quantity
        package var marketMaker: MarketMaker
    }

    /// More rows than any provider sends.
    package static let rowsLimit = 256

    /// A row that is moved beyond this one is removed from the book.
    package let rowsMax: Int
    package private(set) var bids: [Row] = []
    package private(set) var asks: [Row] = []
    /// The number of changes of rows that do not exist. They change nothing.
    package private(set) var malformed: UInt64 = 0

    package init(rows: Int) {
        rowsMax = min(max(1, rows), Self.rowsLimit)
        bids.reserveCapacity(rowsMax + 1)
        asks.reserveCapacity(rowsMax + 1)
    }

    /// Applies a change. Returns whether its row exists in the book.
    @discardableResult
    package mutating func apply(_ change: DepthMessage) -> Bool {
        let isApplied =
            switch change.side {
            case .bid: Self.apply(change, to: &bids, rowsMax)
            case .ask: Self.apply(change, to: &asks, rowsMax)
            }
        if !isApplied { malformed &+= 1 }
        return isApplied
    }

    /// Empties the book after the provider emptied or stopped it.
    package mutating func reset() {
        bids.removeAll(keepingCapacity: true)
        asks.removeAll(keepingCapacity: true)
    }

    private static func apply(
        _ change: DepthMessage, to rows: inout [Row], _ rowsMax: Int
    ) -> Bool {
        let position = Int(change.position)
        // An insert may follow the last row; the other operations need an existing row.
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
