import MarketModel
import Primitives
import Testing

@testable import StreamCore

@Suite("DepthBooks") struct DepthBooksTests {
    private static let second: Int64 = 1_000_000_000

    private func header(_ time: Int64, _ symbol: UInt32 = 0) -> TickHeader {
        TickHeader(
            symbol: symbol, providerTime: .undefined,
            receiveTime: Timestamp(nanoseconds: time))
    }

    private func row(
        _ time: Int64, _ side: BookSide, _ position: UInt32 = 0,
        _ operation: DepthOperation = .insert, price: Int64, size: Int64 = 1, symbol: UInt32 = 0
    ) -> DepthUpdate {
        DepthUpdate(
            header: header(time, symbol), position: position, side: side, operation: operation,
            price: Price(raw: price), size: Quantity(raw: size))
    }

    /// Gives a book of one row on each side.
    private func begin(
        _ books: inout DepthBooks, at time: Int64, from source: Int = 0, symbol: UInt32 = 0
    ) {
        books.take(DepthReset(header: header(time, symbol), reason: .reset), from: source)
        books.take(row(time, .bid, price: 100, symbol: symbol), from: source)
        books.take(row(time, .ask, price: 102, symbol: symbol), from: source)
    }

    private func middle(
        _ books: inout DepthBooks, at time: Int64, symbol: UInt32 = 0
    ) -> Int64? {
        let price = books.tick(header(time, symbol), levels: 1).quote.price(of: .bookMiddle)
        return price.isDefined ? price.raw : nil
    }

    @Test("a book is known for a while after its last reset, by its own changes")
    func age() {
        var books = DepthBooks()
        begin(&books, at: 5)
        #expect(middle(&books, at: 5) == 101)
        books.take(row(BookRule.knownFor + 5, .bid, 0, .update, price: 98), from: 0)
        #expect(middle(&books, at: 0) == 100)
        books.take(row(BookRule.knownFor + 6, .bid, 0, .update, price: 96), from: 0)
        #expect(middle(&books, at: 0) == nil)
        // That of another symbol is as old, by its changes.
        begin(&books, at: 7, symbol: 3)
        #expect(middle(&books, at: 7, symbol: 3) == 101)
        begin(&books, at: BookRule.knownFor + 9)
        #expect(middle(&books, at: 0) == 101)
        #expect(books.count == 2 && books.counters.known == 4 && books.counters.unknown == 1)
    }

    @Test("a receive time ahead of the reset decides nothing behind it")
    func timeGoesBack() throws {
        var books = DepthBooks()
        begin(&books, at: 500 * Self.second)
        books.lose(0, before: 501 * Self.second)
        var copy = try books.state.read { try DepthBooks(restoring: $0, symbols: 1) }
        let age = BookRule.knownFor / Self.second
        for (time, isKnown) in [(age, true), (age + 1, false)] {
            begin(&books, at: 0)
            begin(&copy, at: 0)
            let change = row(time * Self.second, .bid, 0, .update, price: 98)
            books.take(change, from: 0)
            copy.take(change, from: 0)
            #expect((middle(&books, at: 0) != nil) == isKnown)
            #expect((middle(&copy, at: 0) != nil) == isKnown)
        }
    }

    @Test("nothing is known without a reset, of another source, or with missing changes")
    func unknown() {
        var books = DepthBooks()
        books.take(row(1, .bid, price: 100), from: 0)
        #expect(middle(&books, at: 1) == nil && books.count == 0)
        begin(&books, at: 10)
        // Changes before the reset do not matter any more.
        books.lose(0, before: 10)
        #expect(middle(&books, at: 10) == 101 && books.since(0) == 10)
        books.lose(0, before: 11)
        #expect(middle(&books, at: 10) == nil && books.since(0) == nil)
        begin(&books, at: 20)
        books.forget(0, fedBy: 0)
        #expect(middle(&books, at: 20) == 101)
        books.forget(0, fedBy: 1)
        #expect(middle(&books, at: 20) == nil)
        books.take(row(21, .bid, price: 100), from: 1)
        #expect(middle(&books, at: 21) == nil && books.counters.lost == 2)
    }

    @Test("a change that does not fit makes the book unknown until its next reset")
    func damage() {
        var books = DepthBooks()
        begin(&books, at: 1)
        books.take(row(2, .bid, 7, .update, price: 90), from: 0)
        #expect(middle(&books, at: 2) == nil && books.counters.lost == 1)
        books.take(row(3, .bid, 0, .update, price: 90), from: 0)
        #expect(middle(&books, at: 3) == nil)
        begin(&books, at: 4)
        #expect(middle(&books, at: 4) == 101)
    }

    @Test(
        "numbers are exact, and rounded half away from zero",
        arguments: [
            // bid, its size, ask, its size: middle, microprice, imbalance
            ([100, 2, 102, 6], [101, 101, -500_000_000]),
            ([100, 6, 102, 2], [101, 102, 500_000_000]),
            ([100, 1, 103, 3], [101, 101, -500_000_000]), ([100, 1, 101, 1], [100, 101, 0]),
            ([-101, 1, -100, 1], [-101, -101, 0]), ([0, 1, 0, 2], [0, 0, -333_333_333]),
            ([5, 0, 7, 4], [6, 5, -1_000_000_000]), ([5, 0, 7, 0], [6, nil, nil]),
            ([5, -1, 7, 4], [6, nil, nil]), ([nil, 3, 7, 1], [nil, nil, 500_000_000]),
            ([5, nil, 7, 4], [6, nil, nil]), ([9, 1, 7, 1], [8, 8, 0]),
            (
                [Int64.max - 1, Int64.max - 1, Int64.max - 1, Int64.max - 1],
                [Int64.max - 1, Int64.max - 1, 0]
            ),
            (
                [Int64.min, Int64.max - 1, Int64.max - 1, Int64.max - 1],
                [-1, -1, 0]
            ),
        ] as [([Int64?], [Int64?])])
    func numbers(given: [Int64?], expected: [Int64?]) {
        let given = given.map { $0 ?? Int64.max }
        let quote = Quote(
            header: header(1), bidPrice: Price(raw: given[0]), bidSize: Quantity(raw: given[1]),
            askPrice: Price(raw: given[2]), askSize: Quantity(raw: given[3]))
        let found = [InputField.bookMiddle, .microprice, .imbalance].map { quote.price(of: $0) }
        #expect(found.map { $0.isDefined ? $0.raw : nil } == expected)
    }

    @Test("the imbalance is of several rows, all else of the best ones")
    func levels() {
        var books = DepthBooks()
        begin(&books, at: 1)
        books.take(row(1, .bid, 1, price: 99, size: 2), from: 0)
        for (levels, imbalance) in [(1, 0), (2, 500_000_000), (20, 500_000_000)] {
            let tick = books.tick(header(1), levels: levels)
            let found = tick.quote(for: .imbalance).price(of: .imbalance)
            #expect(found.raw == Int64(imbalance))
            #expect(tick.quote(for: .microprice) == tick.quote && tick.quote.bidSize.raw == 1)
        }
    }

    @Test("books go on from their bytes", arguments: 1...10)
    func restored(seed: Int) throws {
        var random = SeededRandom(seed: UInt64(seed))
        var (books, copy, time, known) = (DepthBooks(), DepthBooks(), Self.second, 0)
        for index in 0..<2_000 {
            time += Int64.random(in: 0...2, using: &random) * Self.second
            // Another gateway has another clock.
            let isBack = Int.random(in: 0..<100, using: &random) == 0
            if isBack { time -= Int64.random(in: 0...150, using: &random) * Self.second }
            let symbol = UInt32.random(in: 0..<5, using: &random)
            switch Int.random(in: 0..<15, using: &random) {
            case 0:
                begin(&books, at: time, symbol: symbol)
                begin(&copy, at: time, symbol: symbol)
            case 1:
                books.lose(symbol, before: time)
                copy.lose(symbol, before: time)
            case 2:
                books.forget(symbol, fedBy: 1)
                copy.forget(symbol, fedBy: 1)
            default:
                let operations: [DepthOperation] = [.insert, .insert, .update, .delete]
                let change = row(
                    time, Bool.random(using: &random) ? .bid : .ask,
                    UInt32.random(in: 0...1, using: &random),
                    operations.randomElement(using: &random) ?? .insert,
                    price: Int64(index), symbol: symbol)
                books.take(change, from: 0)
                copy.take(change, from: 0)
            }
            let tick = books.tick(header(time, symbol), levels: 3)
            if tick.quote.bidPrice.isDefined { known += 1 }
            let found = copy.tick(header(time, symbol), levels: 3)
            #expect(found == tick, "seed \(seed), \(index)")
            guard index % 100 == 7 else { continue }
            let state = copy.state
            #expect(books.state == state)
            copy = try state.read { try DepthBooks(restoring: $0, symbols: 5) }
            #expect(copy.state == state)
        }
        #expect(known > 100)
    }

    @Test("bytes of books that no machine makes are refused")
    func refused() throws {
        var books = DepthBooks()
        begin(&books, at: 1)
        let state = books.state
        // Behind the envelope's header: the number of books, the symbol, the source, and times.
        for (place, value) in [(16, UInt8(9)), (20, 7), (52, 2)] {
            var changed = state
            changed[place] = value
            let sealed = Fuzzing.sealed(changed)
            #expect(throws: CheckpointError.self, "\(place)") {
                _ = try sealed.read { try DepthBooks(restoring: $0, symbols: 5) }
            }
        }
    }

    @Test("missing changes count in later windows for as long as a book is known")
    func missing() throws {
        var missing = MissingStretches()
        let change = MissingChange(symbol: 0, kind: .depth, from: 10, to: 20, isFilled: false)
        missing.apply(change)
        #expect(missing.isEmpty)
        missing.holdsDepth = true
        missing.apply(change)
        let (needs, known) = (TickNeeds(.depth), BookRule.knownFor)
        #expect(missing.touches(0, needs, from: 19 + known, to: 30 + known))
        #expect(!missing.touches(0, needs, from: 20 + known, to: 30 + known))
        #expect(!missing.touches(0, TickNeeds(.quote), from: 0, to: 100))
        let range = DirtyRange(symbol: 0, from: 10, to: 20, reason: 0, kind: .depth)
        #expect(needs.dirty(range)?.from == 10 && needs.dirty(range)?.to == 20 + known)
        #expect(TickNeeds(.trade).dirty(range) == nil)
        let state = missing.state
        let copy = try state.read {
            try MissingStretches(restoring: $0, symbols: 1, holdsDepth: true)
        }
        #expect(copy == missing)
        #expect(throws: CheckpointError.self) {
            _ = try state.read { try MissingStretches(restoring: $0, symbols: 1) }
        }
    }

    @Test("conditions know the numbers of books, and miss those of one that is not known")
    func conditions() {
        var books = DepthBooks()
        begin(&books, at: 1)
        let cases: [([TickExpression.Instruction], Bool)] = [
            ([.field(.middle), .number(101), .equal], true),
            ([.field(.microprice), .number(101), .equal], true),
            ([.field(.imbalance), .number(0), .equal], true),
            ([.field(.bid), .field(.ask), .less], true),
            ([.field(.bidSize), .number(10), .equal], true),
            ([.field(.price), .number(0), .greaterOrEqual], false),
        ]
        for (instructions, isMet) in cases {
            let condition = ExpressionEvaluator(
                TickExpression(text: "test", instructions: instructions))
            let tick = books.tick(header(1), levels: 1)
            #expect(condition.isMet(by: tick) == isMet)
            #expect(!condition.isMet(by: BookTick(header(1))))
        }
    }
}

extension DepthBooks: Stateful {}
