import MarketModel
import Primitives
import Testing

@testable import HotState

@Suite("The machine of a book")
struct HotBookTests {
    /// What is done to a book: its bids, unless said otherwise. The price is the row.
    private enum Step {
        case reset
        case lose
        case insert(UInt32, Int64)
        case update(UInt32, Int64)
        case delete(UInt32)
        case ask(Int64)
    }

    private struct Case: CustomTestStringConvertible {
        let testDescription: String
        let steps: [Step]
        let state: HotBook.State
        let bids: [Int64]

        init(_ name: String, _ steps: [Step], _ state: HotBook.State, _ bids: [Int64]) {
            testDescription = name
            self.steps = steps
            self.state = state
            self.bids = bids
        }
    }

    private static let filled: [Step] = [.reset, .insert(0, 9), .insert(1, 8), .insert(2, 7)]

    private static let cases = [
        Case("nothing yet", [], .unknown, []),
        Case("emptied, and no row yet", [.reset], .unknown, []),
        Case("rows since a reset", filled, .complete, [9, 8, 7]),
        Case("a change of a row", filled + [.update(1, 6)], .complete, [9, 6, 7]),
        Case("a row in between", filled + [.delete(1), .insert(1, 5)], .complete, [9, 5, 7]),
        Case("all rows deleted", [.reset, .insert(0, 9), .delete(0)], .complete, []),
        Case("a row of the other side alone", [.reset, .ask(1)], .complete, []),
        Case("a reset empties it", filled + [.reset], .unknown, []),
        // The provider may have been asked for three rows.
        Case("a row beyond all that were named", filled + [.insert(0, 10)], .complete, [10, 9, 8]),
        Case(
            "it is named", filled + [.insert(0, 10), .update(3, 7)], .complete, [10, 9, 8, 7]),
        Case("it goes", filled + [.insert(0, 10), .delete(3)], .complete, [10, 9, 8]),
        Case(
            "what was moved beyond does not come back by itself",
            filled + [.insert(0, 10), .delete(0)], .complete, [9, 8]),
        Case(
            "the row that takes its place",
            filled + [.insert(0, 10), .delete(0), .insert(2, 6)], .complete, [9, 8, 6]),
        Case(
            "no reset: the best rows, as they come", [.update(0, 9), .update(2, 7)], .partial, [9]),
        Case("no reset: none of the best", [.update(1, 9), .insert(4, 7)], .unknown, []),
        Case(
            "no reset: moved", [.update(0, 9), .insert(0, 10), .update(1, 9)], .partial, [10, 9]),
        Case("no reset: moved up", [.update(1, 9), .delete(0)], .partial, [9]),
        Case("lost", filled + [.lose], .unknown, []),
        Case("lost, and a row of later", filled + [.lose, .update(0, 4)], .partial, [4]),
        Case("a row that is not there", filled + [.update(3, 4)], .unknown, []),
        Case("no row counts after it", filled + [.delete(5), .update(0, 4)], .unknown, []),
        Case("a gap in the rows", filled + [.insert(4, 4)], .unknown, []),
        Case("until a reset", filled + [.delete(5)] + filled, .complete, [9, 8, 7]),
        Case("a position out of range", [.update(1 << 16, 4), .update(0, 4)], .unknown, []),
        Case("the last position", [.update(65_535, 4), .update(0, 4)], .partial, [4]),
    ]

    private func apply(_ step: Step, to book: inout HotBook) {
        switch step {
        case .reset: book.reset(Sample.reset(0))
        case .lose: book.lose(.lost)
        case .insert(let position, let price):
            book.take(Sample.row(0, .bid, .insert, at: position, price: price))
        case .update(let position, let price):
            book.take(Sample.row(0, .bid, .update, at: position, price: price))
        case .delete(let position): book.take(Sample.row(0, .bid, .delete, at: position))
        case .ask(let price): book.take(Sample.row(0, .ask, .insert, at: 0, price: price))
        }
    }

    private func prices(_ side: BookRows) -> [Int64] {
        (0..<min(side.shown, HotBook.rowsShownMax)).map { side.row($0).price.raw / 1_000_000_000 }
    }

    @Test("after changes, resets and losses", arguments: cases)
    private func table(_ one: Case) {
        var book = HotBook()
        for step in one.steps { apply(step, to: &book) }
        #expect(book.state == one.state)
        #expect(prices(book.bids) == one.bids)
    }

    @Test("numbers of a side or of an operation that this version does not know end the book")
    func unknownNumbers() {
        // Sides are 0 and 1, operations 0 to 2.
        for (side, operation) in [(2, 0), (255, 1), (0, 3), (1, 255)] as [(UInt8, UInt8)] {
            var book = HotBook()
            for step in Self.filled { apply(step, to: &book) }
            var update = Sample.row(0, .bid, .update, at: 0, price: 4)
            update.side = side
            update.operation = operation
            book.take(update)
            #expect(book.state == .unknown && book.reason == .damaged)
        }
    }

    @Test("a book is crossed while its best bid is above its best ask")
    func crossed() {
        var book = HotBook()
        for step in Self.filled + [.ask(9)] { apply(step, to: &book) }
        #expect(!book.isCrossed)
        apply(.update(0, 10), to: &book)
        #expect(book.isCrossed && book.state == .complete)
        apply(.delete(0), to: &book)
        #expect(!book.isCrossed)
    }

    @Test("with twenty rows known of each side a book is complete without a reset")
    func healed() {
        var book = HotBook()
        for position in (0..<UInt32(20)).reversed() {
            #expect(book.state == .unknown)
            for side in [BookSide.ask, .bid] {
                book.take(Sample.row(0, side, .update, at: position, price: Int64(position)))
            }
        }
        #expect(book.state == .complete)
        #expect(prices(book.asks) == Array(0..<20) && prices(book.bids) == Array(0..<20))
        // The twentieth is not known any more.
        book.take(Sample.row(0, .ask, .delete, at: 3))
        #expect(book.state == .partial && book.asks.shown == 19)
    }

    /// A provider's book of one side. With `tells` it says which row an insert has moved out;
    /// without it the row is gone silently.
    private struct Provider {
        let limit: Int
        let tells: Bool
        var rows: [Int64] = []
        private var next: Int64 = 1

        init(limit: Int, tells: Bool) {
            self.limit = limit
            self.tells = tells
        }

        mutating func step(_ random: inout SeededRandom) -> [Step] {
            next += 1
            let choice = Int.random(in: 0..<10, using: &random)
            if choice < 4, !rows.isEmpty {
                let place = Int.random(in: 0..<rows.count, using: &random)
                rows[place] = next
                return [.update(UInt32(place), next)]
            }
            if choice < 7 || rows.count == limit, choice < 9, !rows.isEmpty {
                let place = Int.random(in: 0..<rows.count, using: &random)
                rows.remove(at: place)
                return [.delete(UInt32(place))]
            }
            let place = Int.random(in: 0...min(rows.count, limit - 1), using: &random)
            rows.insert(next, at: place)
            guard rows.count > limit else { return [.insert(UInt32(place), next)] }
            rows.removeLast()
            let insert = Step.insert(UInt32(place), next)
            return tells ? [insert, .delete(UInt32(limit))] : [insert]
        }

        /// The complete book again, as after a subscription.
        func again() -> [Step] {
            [.reset] + rows.enumerated().map { .insert(UInt32($0.offset), $0.element) }
        }
    }

    @Test("no row that is shown is another than the provider's", arguments: 0..<UInt64(60))
    func simulation(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let limits = [1, 2, 5, 10, 20, 21, 50, 64, 65, 90]
        var provider = Provider(
            limit: limits[Int(seed) % limits.count], tells: Bool.random(using: &random))
        var book = HotBook()
        var (complete, partial) = (0, 0)
        for _ in 0..<1_500 {
            var steps = provider.step(&random)
            switch Int.random(in: 0..<250, using: &random) {
            case 0: steps = provider.again()
            case 1: steps = [.lose]
            default: break
            }
            for step in steps { apply(step, to: &book) }
            let shown = prices(book.bids)
            #expect(shown == Array(provider.rows.prefix(shown.count)), "seed \(seed)")
            guard book.reason != .damaged else { continue }
            complete += book.state == .complete ? 1 : 0
            partial += book.state == .partial ? 1 : 0
        }
        #expect(book.reason != .damaged && complete + partial > 500, "seed \(seed)")
    }
}
