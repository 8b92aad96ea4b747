internal import MarketModel
internal import Primitives

/// A row of a book.
struct BinanceBookRow: Hashable, Sendable {
    var price = Price.undefined
    var size = Quantity.undefined
}

/// The best rows of both sides, as the tape has them, or as a message says.
struct BinanceBook: Sendable {
    var bids: [BinanceBookRow] = []
    var asks: [BinanceBookRow] = []

    /// Changes this book into another one, and reports each change of a row. Both sides are sorted,
    /// best row first.
    mutating func become(
        _ next: BinanceBook, _ change: (BookSide, DepthOperation, Int, BinanceBookRow) -> Void
    ) {
        Self.change(&bids, next.bids, { $0 > $1 }) { change(.bid, $0, $1, $2) }
        Self.change(&asks, next.asks, { $0 < $1 }) { change(.ask, $0, $1, $2) }
    }

    private static func change(
        _ rows: inout [BinanceBookRow], _ next: [BinanceBookRow],
        _ isBetter: (Price, Price) -> Bool,
        _ change: (DepthOperation, Int, BinanceBookRow) -> Void
    ) {
        for place in next.indices {
            let row = next[place]
            while place < rows.count, isBetter(rows[place].price, row.price) {
                rows.remove(at: place)
                change(.delete, place, BinanceBookRow())
            }
            if place < rows.count, rows[place].price == row.price {
                guard rows[place].size != row.size else { continue }
                rows[place] = row
                change(.update, place, row)
            } else {
                rows.insert(row, at: place)
                change(.insert, place, row)
            }
        }
        while rows.count > next.count {
            rows.removeLast()
            change(.delete, rows.count, BinanceBookRow())
        }
    }
}

/// Reads the rows of one side: `[["0.0024","10"],…]`, within a message that is right as JSON.
struct BinanceBookReader {
    private var place: Int
    private let end: Int

    /// `field`: the array in the message.
    init(_ field: JSONFieldReader.Field) {
        place = field.start
        end = field.end
    }

    /// Reads all rows. Returns false when they are no rows, or too many. `isBetter`: the order of
    /// the side, which is checked.
    mutating func read(
        _ bytes: RawSpan, into rows: inout [BinanceBookRow], _ isBetter: (Price, Price) -> Bool
    ) throws(FixedPoint.ParseError) -> Bool {
        rows.removeAll(keepingCapacity: true)
        guard take("[", bytes) else { return false }
        if take("]", bytes) { return true }
        while true {
            guard take("[", bytes), let price = text(bytes), take(",", bytes),
                let size = text(bytes), take("]", bytes), rows.count < BinanceLimits.bookRows
            else { return false }
            let row = BinanceBookRow(
                price: Price(
                    raw: try FixedPoint.parse(
                        bytes.extracting(price), decimals: Price.decimals)),
                size: Quantity(
                    raw: try FixedPoint.parse(
                        bytes.extracting(size), decimals: Quantity.decimals)))
            if let last = rows.last, !isBetter(last.price, row.price) { return false }
            rows.append(row)
            if take("]", bytes) { return true }
            guard take(",", bytes) else { return false }
        }
    }

    private mutating func take(_ character: Unicode.Scalar, _ bytes: RawSpan) -> Bool {
        skipSpace(bytes)
        guard place < end, bytes.uint8(at: place) == UInt8(ascii: character) else { return false }
        place += 1
        return true
    }

    private mutating func skipSpace(_ bytes: RawSpan) {
        while place < end, bytes.uint8(at: place) <= 0x20 { place += 1 }
    }

    /// Returns the place of a text without its quotes. A number has no escapes.
    private mutating func text(_ bytes: RawSpan) -> Range<Int>? {
        guard take("\"", bytes) else { return nil }
        let start = place
        while place < end, bytes.uint8(at: place) != UInt8(ascii: "\"") { place += 1 }
        guard place < end else { return nil }
        defer { place += 1 }
        return start..<place
    }
}
