internal import MarketModel
internal import Primitives

/// A symbol of a source.
struct BookKey: Hashable {
    let source: Int
    let symbol: Symbol
}

/// A book as its provider has it: price and size of each row.
struct SimulatedBook {
    var bids: [(price: Int64, size: Int64)] = []
    var asks: [(price: Int64, size: Int64)] = []
    /// Whether the tape may know it.
    var isOnTape = false
}

// Books in a simulated market. Some changes are lost in gaps, and some do not fit.
extension MarketMaking {
    /// Changes some books of a source.
    mutating func changeBooks(of index: Int, using random: inout SeededRandom) {
        for _ in 0..<Int.random(in: 1...3, using: &random) {
            guard let symbol = sources[index].randomSymbol(using: &random) else { return }
            now += Int64.random(in: 0...weather.pace, using: &random)
            let header = tickHeader(index, using: &random)
            // A whole book is told as it is now.
            var present = header
            present.providerTime = .undefined
            let key = BookKey(source: index, symbol: symbol)
            var book = books[key] ?? SimulatedBook()
            if gap(of: symbol, index) != nil {
                // These rows never come. Mostly a gateway says so by a reset.
                edit(&book, header, nil, using: &random)
                book.isOnTape = book.isOnTape && Int.random(in: 0..<4, using: &random) == 0
            } else if !book.isOnTape || happens(60, &random) {
                book.bids = rows(using: &random)
                book.asks = rows(using: &random)
                book.isOnTape = happens(950, &random)
                tell(book, present, .reset, key)
            } else if happens(150, &random) {
                tell(book, present, .repeated, key)
            } else {
                edit(&book, header, key, using: &random)
            }
            books[key] = book
        }
    }

    private func rows(using random: inout SeededRandom) -> [(price: Int64, size: Int64)] {
        (0..<Int.random(in: 0...6, using: &random)).map { _ in row(using: &random) }
    }

    private func row(using random: inout SeededRandom) -> (price: Int64, size: Int64) {
        let isUndefined = (happens(weather.undefined, &random), happens(weather.undefined, &random))
        return (
            price: isUndefined.0
                ? Price.undefined.raw : Int64.random(in: -40...900, using: &random) * 10_000_001,
            size: isUndefined.1
                ? Quantity.undefined.raw : Int64.random(in: 0...9, using: &random) * 30_000_000
        )
    }

    /// Appends a whole book: a reset, and each row as an insert.
    private mutating func tell(
        _ book: SimulatedBook, _ header: TickHeader, _ reason: DepthResetReason, _ key: BookKey
    ) {
        sources[key.source].append(.reset(DepthReset(header: header, reason: reason)), key.symbol)
        let flags: DepthFlags = reason == .repeated ? .repeated : []
        for (side, rows) in [(BookSide.bid, book.bids), (.ask, book.asks)] {
            for (place, row) in rows.enumerated() {
                append(
                    DepthUpdate(
                        header: header, position: UInt32(place), side: side, operation: .insert,
                        price: Price(raw: row.price), size: Quantity(raw: row.size), flags: flags),
                    key)
            }
        }
    }

    private mutating func append(_ update: DepthUpdate, _ key: BookKey) {
        sources[key.source].append(.row(update), key.symbol)
    }

    /// Changes some rows at one time. Without a key the changes are lost.
    private mutating func edit(
        _ book: inout SimulatedBook, _ header: TickHeader, _ key: BookKey?,
        using random: inout SeededRandom
    ) {
        for _ in 0..<Int.random(in: 1...3, using: &random) {
            let isBid = Bool.random(using: &random)
            var rows = isBid ? book.bids : book.asks
            let row = row(using: &random)
            var operation = DepthOperation.insert
            var place = Int.random(in: 0...rows.count, using: &random)
            if place < rows.count, Int.random(in: 0..<3, using: &random) > 0 {
                operation = Bool.random(using: &random) ? .update : .delete
            }
            switch operation {
            case .insert: rows.insert(row, at: place)
            case .update: rows[place] = row
            case .delete: rows.remove(at: place)
            }
            if isBid { book.bids = rows } else { book.asks = rows }
            // A row that nobody inserted: something is missing that nothing names.
            if happens(10, &random) { place += 9 }
            guard let key else { continue }
            append(
                DepthUpdate(
                    header: header, position: UInt32(place), side: isBid ? .bid : .ask,
                    operation: operation, price: Price(raw: row.price),
                    size: Quantity(raw: row.size)),
                key)
        }
    }
}
