import MarketModel
import Primitives
import Testing

@Suite("Order books") struct OrderBookTests {
    private func row(
        _ side: BookSide, _ position: UInt32, _ operation: DepthOperation = .insert,
        price: Int64 = 0, size: Int64 = 0
    ) -> DepthUpdate {
        DepthUpdate(
            header: TickHeader(
                symbol: 0, providerTime: Timestamp(nanoseconds: 1),
                receiveTime: Timestamp(nanoseconds: 1)),
            position: position, side: side, operation: operation, price: Price(raw: price),
            size: Quantity(raw: size))
    }

    private func book(_ rows: [DepthUpdate]) -> OrderBook {
        var book = OrderBook()
        book.reset()
        for row in rows {
            let fits = book.take(row)
            #expect(fits)
        }
        return book
    }

    @Test("the best rows are summed up as far as they are wanted, and are there")
    func top() throws {
        let book = book([
            row(.bid, 0, price: 100, size: 2), row(.bid, 1, price: 99, size: 3),
            row(.bid, 2, price: 98, size: 5), row(.ask, 0, price: 101, size: 7),
        ])
        for (levels, sizes) in [(1, [2, 7]), (2, [5, 7]), (20, [10, 7])] as [(Int, [Int64])] {
            let top = try #require(book.top(levels))
            #expect([top.bid.price.raw, top.ask.price.raw] == [100, 101])
            #expect([top.bidSizes.raw, top.askSizes.raw] == sizes)
        }
    }

    @Test("an empty side has no best row, and no size")
    func oneSided() throws {
        let top = try #require(book([row(.bid, 0, price: 100, size: 2)]).top(5))
        #expect(!top.ask.price.isDefined && !top.ask.size.isDefined)
        #expect([top.bidSizes.raw, top.askSizes.raw] == [2, 0])
    }

    @Test("a side that may have no row, of which some were named, is not known")
    func doubtful() throws {
        var book = book([
            row(.ask, 0, price: 101, size: 7), row(.bid, 0, price: 100, size: 2),
            // What it moves down was in a place that no change named.
            row(.bid, 0, price: 101, size: 3),
        ])
        #expect(try #require(book.top(5)).bidSizes.raw == 3)
        var fits = book.take(row(.bid, 0, .delete))
        #expect(fits && book.top(5) == nil)
        fits = book.take(row(.bid, 0, .update, price: 100, size: 2))
        #expect(try #require(book.top(5)).bidSizes.raw == 2 && fits)
    }

    @Test("a size that is not known, is none, or is too much leaves the sum undefined")
    func undefined() throws {
        for size in [Int64.max, -1, Int64.max - 1] {
            let book = book([
                row(.bid, 0, price: 100, size: 5), row(.bid, 1, price: 99, size: size),
                row(.ask, 0, price: 101, size: 1),
            ])
            #expect(try #require(book.top(2)).bidSizes == .undefined)
            #expect(try #require(book.top(1)).bidSizes.raw == 5)
        }
    }

    @Test("nothing is known before a reset, behind it without a row, and behind damage")
    func unknown() {
        var book = OrderBook()
        var fits = book.take(row(.bid, 0, price: 100, size: 2))
        #expect(fits && book.top(1) == nil)
        book.reset()
        #expect(book.top(1) == nil)
        fits = book.take(row(.bid, 0, price: 100, size: 2))
        #expect(fits && book.top(1) != nil)
        fits = book.take(row(.bid, 4, price: 90, size: 2))
        #expect(!fits && book.top(1) == nil)
    }

    @Test("a book that its state makes goes on as the one before", arguments: 1...20)
    func restored(seed: Int) throws {
        var random = SeededRandom(seed: UInt64(seed))
        var book = OrderBook()
        book.reset()
        var copy = book
        for index in 0..<300 {
            let side = Bool.random(using: &random) ? BookSide.bid : .ask
            let operations: [DepthOperation] = [.insert, .insert, .update, .delete]
            let change = row(
                side, UInt32.random(in: 0...2, using: &random),
                operations.randomElement(using: &random) ?? .insert, price: Int64(index), size: 3)
            let (fits, fitsCopy) = (book.take(change), copy.take(change))
            #expect(fits == fitsCopy)
            if !book.isSinceReset {
                book.reset()
                copy.reset()
            }
            #expect(book.top(3) == copy.top(3), "seed \(seed), \(index)")
            copy = OrderBook(
                asks: try again(book.asks), bids: try again(book.bids), hasRows: book.hasRows)
        }
    }

    private func again(_ rows: BookRows) throws -> BookRows {
        let state = rows.state
        return try #require(BookRows(state, known: state.positions.map { rows.row($0) }))
    }

    @Test("a state that no changes make is refused")
    func refused() {
        let row = BookRow(price: Price(raw: 1), size: Quantity(raw: 1))
        #expect(
            BookRows(
                BookRows.State(known: 1, count: 1, sure: 1, reach: 1), known: [row]) != nil)
        #expect(
            BookRows(BookRows.State(known: 1, count: 1, sure: 2, reach: 1), known: [row]) == nil)
        #expect(BookRows(BookRows.State(known: 1, count: 1, sure: 1, reach: 1), known: []) == nil)
        #expect(
            BookRows(
                BookRows.State(known: 1, count: 1, sure: 1, reach: 1 << 20), known: [row]) == nil)
    }
}
