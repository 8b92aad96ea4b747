import MarketModel
import Primitives
import Seeds
import TestSupport
import Testing

@testable import ProviderGateway

@Suite("Books that are repeated on the tape")
struct RepeatedBooksTests {
    private static let second: Int64 = 1_000_000_000

    private func header(_ flags: TickFlags = []) -> TickHeader {
        TickHeader(
            symbol: 7, flags: flags, providerTime: .undefined,
            receiveTime: Timestamp(nanoseconds: 9))
    }

    private func row(
        _ operation: DepthOperation, _ position: Int, _ price: Int64, side: BookSide = .bid
    ) -> DepthUpdate {
        DepthUpdate(
            header: header(.delayed), position: UInt32(position), side: side,
            operation: operation, price: Price(raw: price), size: Quantity(raw: 100 + price),
            marketMaker: MarketMaker("ARCA") ?? .none, flags: [.smart])
    }

    private func filled(_ symbols: [Int], recorded: Bool = false) -> RepeatedBooks {
        var books = RepeatedBooks(isRecorded: recorded)
        for symbol in symbols {
            books.reset(symbol)
            books.take(row(.insert, 0, 9), symbol)
            books.take(row(.insert, 0, 11, side: .ask), symbol)
        }
        return books
    }

    @Test("a repetition is a reset and the rows as inserts, flagged, with the header that is given")
    func content() throws {
        let books = filled([3])
        let records = books.records(3, header())
        #expect(records.count == 3)
        guard case .depthReset(let reset) = records[0], case .depth(let bid) = records[1],
            case .depth(let ask) = records[2]
        else {
            Issue.record("it is \(records)")
            return
        }
        #expect(reset.reason == DepthResetReason.repeated.rawValue)
        #expect(reset.header == header(.delayed) && bid.header == reset.header)
        var expected = row(.insert, 0, 9)
        expected.flags = [.smart, .repeated]
        #expect(bid == expected)
        expected = row(.insert, 0, 11, side: .ask)
        expected.flags = [.smart, .repeated]
        #expect(ask == expected)
    }

    @Test("a book that is not known, or has no row, is not repeated")
    func unknown() {
        #expect(filled([3]).records(2, header()).isEmpty)
        #expect(filled([3]).records(4, header()).isEmpty)
        #expect(filled([3], recorded: true).records(3, header()).isEmpty)
        var books = filled([0, 1, 2, 3])
        books.lose(0)
        books.take(row(.update, 0, 8), 0)
        books.take(row(.delete, 5, 0), 1)
        books.take(row(.update, 0, 8), 1)
        books.reset(2)
        books.take(row(.delete, 0, 0), 3)
        books.take(row(.delete, 0, 0, side: .ask), 3)
        for symbol in 0..<4 { #expect(books.records(symbol, header()).isEmpty, "\(symbol)") }
        // A gap after the reset loses nothing: no row had come.
        books.lose(2)
        for symbol in 0..<4 {
            if symbol != 2 { books.reset(symbol) }
            books.take(row(.insert, 0, 5), symbol)
            #expect(books.records(symbol, header()).count == 2, "\(symbol)")
        }
        // More rows than are kept: those after them are not known.
        for position in 1...BookRows.rowsMax { books.take(row(.insert, position, 4), 2) }
        #expect(books.records(2, header()).isEmpty)
    }

    @Test("each book comes once a minute, ten turns a second, and after a long wait once")
    func turns() {
        var books = filled([0, 1, 2, 601])
        books.advance(to: .at(0))
        #expect(books.due.isEmpty)
        books.advance(to: .at(Self.second / 10 - 1))
        #expect(books.due.isEmpty)
        books.advance(to: .at(Self.second / 10))
        #expect(books.due == [1, 601])
        books.advance(to: .at(Self.second * 3 / 10))
        #expect(books.due == [1, 601, 2])
        for symbol in [1, 2, 601] { books.done(symbol) }
        books.advance(to: .at(60 * Self.second - 1))
        #expect(books.due.isEmpty)
        books.advance(to: .at(60 * Self.second))
        #expect(books.due == [0])
        books.advance(to: .at(60 * Self.second + Self.second / 10))
        #expect(books.due == [0, 1, 601])
        books.advance(to: .at(3_600 * Self.second))
        #expect(books.due.sorted() == [0, 1, 2, 601])
        books.advance(to: .at(3_599 * Self.second))
        books.done(0)
        #expect(books.due.count == 3)
    }

    @Test("books beyond the limit are not repeated")
    func limit() {
        var books = filled(Array(0...RepeatedBooks.countMax))
        books.advance(to: .at(0))
        books.advance(to: .at(61 * Self.second))
        #expect(books.due.count == RepeatedBooks.countMax)
        #expect(books.records(RepeatedBooks.countMax, header()).isEmpty)
        #expect(!books.records(RepeatedBooks.countMax - 1, header()).isEmpty)
    }

    /// A provider's side of a book, which sends changes by position. With `tells` it deletes the
    /// row that an insert has moved beyond its limit; without it that row is gone silently.
    private struct Provider {
        let limit: Int
        let tells: Bool
        var count = 0

        mutating func changes(_ random: inout SeededRandom, _ price: Int64) -> [Change] {
            let choice = random.next() % 10
            if choice < 4, count > 0 { return [(.update, place(&random, count), price)] }
            if choice < 7, count > 0 {
                let place = place(&random, count)
                count -= 1
                return [(.delete, place, 0)]
            }
            let place = place(&random, min(count + 1, limit))
            count += 1
            guard count > limit else { return [(.insert, place, price)] }
            count = limit
            return [(.insert, place, price)] + (tells ? [(.delete, limit, 0)] : [])
        }

        private func place(_ random: inout SeededRandom, _ count: Int) -> Int {
            Int(random.next() % UInt64(count))
        }
    }

    private typealias Change = (operation: DepthOperation, position: Int, price: Int64)

    private func rows(_ rows: BookRows, _ count: Int) -> [BookRow] { (0..<count).map(rows.row) }

    @Test(
        "a reader of the repetition has the book of a reader of everything, and keeps it",
        arguments: Seeds(fixed: 0...59).all())
    func property(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let limits = [1, 2, 5, 10, 20, 50]
        var provider = Provider(
            limit: limits[Int(seed % UInt64(limits.count))], tells: random.next() % 2 == 0)
        var books = filled([0])
        books.reset(0)
        var (whole, late) = (OrderBook(), OrderBook())
        whole.reset()
        var repetitions = 0
        for step in Int64(1)...2_000 {
            for change in provider.changes(&random, step) {
                let update = row(change.operation, change.position, change.price)
                books.take(update, 0)
                let fits = whole.take(update)
                #expect(fits, "seed \(seed), step \(step)")
                guard repetitions > 0 else { continue }
                let fitsLate = late.take(update)
                #expect(fitsLate, "seed \(seed), step \(step)")
            }
            if repetitions > 0 {
                // What is kept beyond the repetition's limit differs, what is sure does not.
                let (sure, kept) = (late.bids.shown, min(late.bids.kept, whole.bids.kept))
                #expect(sure <= whole.bids.shown, "seed \(seed), step \(step)")
                #expect(rows(late.bids, kept) == rows(whole.bids, kept), "seed \(seed)")
            }
            guard random.next() % 40 == 0 else { continue }
            let records = books.records(0, header())
            guard !records.isEmpty else {
                #expect(whole.bids.kept == 0, "seed \(seed), step \(step)")
                continue
            }
            repetitions += 1
            for record in records {
                guard case .depth(let update) = record else {
                    late.reset()
                    continue
                }
                let fitsLate = late.take(update)
                #expect(fitsLate, "seed \(seed), step \(step)")
            }
            #expect(late.bids.shown == whole.bids.shown, "seed \(seed), step \(step)")
            #expect(rows(late.bids, late.bids.kept) == rows(whole.bids, whole.bids.kept))
        }
        #expect(repetitions > 5, "seed \(seed)")
    }
}
