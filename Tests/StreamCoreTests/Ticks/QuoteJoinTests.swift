import MarketModel
import Primitives
import Testing

@testable import StreamCore

@Suite("QuoteJoin")
struct QuoteJoinTests {
    /// The simplest join: it looks back through all quotes that came before.
    private struct Naive {
        private struct Kept {
            let quote: Quote
            let clock: Int64
        }

        let rule: JoinRule
        private var clocks: [Int: Int64] = [:]
        private var kept: [UInt32: [Kept]] = [:]

        init(rule: JoinRule) { self.rule = rule }

        private mutating func advance(_ header: TickHeader, of owner: Int) -> Int64 {
            let now = max(clocks[owner] ?? Int64.min, header.receiveTime.nanoseconds)
            clocks[owner] = now
            return now
        }

        mutating func keep(_ quote: Quote, of owner: Int) {
            let clock = advance(quote.header, of: owner)
            kept[quote.header.symbol, default: []].append(Kept(quote: quote, clock: clock))
        }

        mutating func forget(_ symbol: UInt32) { kept[symbol] = [] }

        mutating func pair(_ header: TickHeader, of owner: Int) -> Quote? {
            let now = advance(header, of: owner)
            return kept[header.symbol]?.last { now - $0.clock <= rule.maxAge }?.quote
        }
    }

    private static let second: Int64 = 1_000_000_000

    private func bid(_ join: inout QuoteJoin, _ header: TickHeader, of owner: Int = 0) -> Int64? {
        join.begin()
        join.pair(header, at: 0, from: owner, of: owner)
        let quote = join.quote(of: header.symbol, at: 0)
        return quote.isThere ? quote.bid.raw : nil
    }

    @Test("pairs as looking back through all quotes does", arguments: [1, 2, 3, 4] as [UInt64])
    func equalsNaive(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let rule = JoinRule(maxAge: [1, 3, 40].randomElement(using: &random) ?? 1)
        var join = QuoteJoin(rule)
        var naive = Naive(rule: rule)
        var (time, found): (Int64, Set<Bool>) = (1_000, [])
        for index in 0..<5_000 {
            time += Int64.random(in: -2...3, using: &random)
            // The symbols 0 and 2 are of one source, 1 and 3 of another, which is behind.
            let symbol = UInt32.random(in: 0..<4, using: &random)
            let owner = Int(symbol % 2)
            let received = time - Int64(owner) * 500
            if index % 700 == 5 { join = try expectRestored(join) }
            switch Int.random(in: 0..<8, using: &random) {
            case 0:
                join.forget(symbol, fedBy: 7)
                naive.forget(symbol)
            case 1...3:
                let quote = TickSamples.quote(
                    symbol: symbol, bid: Int64(index), ask: Int64(index) + 1, received: received)
                join.keep(quote, from: owner, of: owner)
                naive.keep(quote, of: owner)
            default:
                let header = TickSamples.trade(symbol: symbol, received: received).header
                let expected = naive.pair(header, of: owner)?.bidPrice.raw
                #expect(bid(&join, header, of: owner) == expected, "seed \(seed), \(index)")
                found.insert(expected != nil)
            }
        }
        #expect(found.count == 2)
        #expect(join.counters.paired > 0 && join.counters.alone > 0)
    }

    /// Expects that the one that its bytes make has the same bytes. Returns that one.
    private func expectRestored(_ join: QuoteJoin) throws -> QuoteJoin {
        let copy = try join.state.read { try QuoteJoin(join.rule, restoring: $0) }
        #expect(copy.state == join.state)
        return copy
    }

    @Test("a quote counts up to its age, by a clock that never goes back")
    func ages() {
        for (later, isPaired) in [(0, true), (5, true), (6, false)] as [(Int64, Bool)] {
            var join = QuoteJoin(JoinRule(maxAge: 5 * Self.second))
            join.keep(.at(10 * Self.second, bid: 7, 1, ask: 8, 1), from: 0, of: 0)
            // An older receive time moves nothing.
            #expect(bid(&join, .at(4 * Self.second)) == 7)
            #expect((bid(&join, .at((10 + later) * Self.second)) != nil) == isPaired)
            // What was too old once stays so.
            #expect((bid(&join, .at(10 * Self.second)) != nil) == isPaired)
        }
    }

    @Test("a trade pairs with the quote of its own source, which it forgets when another feeds")
    func sources() {
        var join = QuoteJoin(JoinRule(maxAge: 5 * Self.second))
        func bid(of source: Int) -> Int64? {
            join.begin()
            join.pair(.at(Self.second), at: 0, from: source, of: 0)
            let quote = join.quote(of: 0, at: 0)
            return quote.isThere ? quote.bid.raw : nil
        }
        join.keep(.at(Self.second, bid: 7, 1, ask: 8, 1), from: 3, of: 0)
        let before = [bid(of: 3), bid(of: 4)]
        #expect(before == [7, nil])
        join.forget(0, fedBy: 3)
        let kept = bid(of: 3)
        #expect(kept == 7)
        join.forget(0, fedBy: 4)
        let after = [bid(of: 3), bid(of: 4)]
        #expect(after == [nil, nil])
    }

    @Test("a tick that was fetched later has its event time, and moves no clock")
    func fetched() {
        var join = QuoteJoin(JoinRule(maxAge: 5 * Self.second))
        var late = Quote.at(90 * Self.second, bid: 7, 1, ask: 8, 1)
        late.header.flags.insert(.backfilled)
        late.header.providerTime = Timestamp(nanoseconds: 20 * Self.second)
        let first = TickSamples.quote(symbol: 1, bid: 5, ask: 6, received: 10 * Self.second)
        join.keep(first, from: 0, of: 0)
        join.keep(late, from: 0, of: 0)
        let other = bid(&join, .at(15 * Self.second, symbol: 1))
        let before = bid(&join, .at(16 * Self.second))
        let inTime = bid(&join, .at(25 * Self.second))
        let after = bid(&join, .at(25 * Self.second + 1))
        #expect([other, before, inTime, after] == [5, 7, 7, nil])
    }

    @Test("a quote that stands for several is counted apart, and a trade without one as well")
    func counters() {
        var join = QuoteJoin(JoinRule(maxAge: Self.second))
        #expect(bid(&join, .at(1)) == nil)
        join.keep(.at(2, bid: 7, 1, ask: 8, 1), from: 0, of: 0)
        #expect(bid(&join, .at(3)) == 7 && bid(&join, .at(4)) == 7)
        var joined = Quote.at(5, bid: 9, 1, ask: 10, 1)
        joined.header.flags.insert(.conflated)
        join.keep(joined, from: 0, of: 0)
        #expect(bid(&join, .at(6)) == 9)
        #expect(bid(&join, .at(7, symbol: 3)) == nil)
        var expected = JoinCounters()
        (expected.paired, expected.conflated, expected.alone) = (3, 1, 2)
        #expect(join.counters == expected)
    }

    @Test("conditions see the fields of the quote; without one their comparisons are false")
    func conditions() throws {
        let nyse = try #require(ShortText("N"))
        var quote = TickSamples.quote(bid: 99_000_000_000, ask: 100_000_000_000)
        quote.bidExchange = nyse
        quote.bidSize = .undefined
        let trade = TickSamples.trade(received: 1_000)
        func isMet(_ instructions: [TickExpression.Instruction], _ with: PairedQuote) -> Bool {
            ExpressionEvaluator(TickExpression(text: "", instructions: instructions))
                .isMet(by: trade, with: with)
        }
        let paired = PairedQuote(quote)
        let size: [TickExpression.Instruction] = [.field(.askSize), .number(30), .greater]
        let tests: [([TickExpression.Instruction], Bool)] = [
            ([.field(.price), .field(.ask), .greaterOrEqual], true),
            ([.field(.price), .field(.bid), .lessOrEqual], false), (size, true),
            ([.field(.bidSize), .number(0), .greaterOrEqual], false),
            ([.textIs(.bidExchange, nyse)], true), ([.textIs(.askExchange, nyse)], false),
            ([.isPaired], true),
        ]
        for (instructions, expected) in tests {
            #expect(isMet(instructions, paired) == expected, "\(instructions)")
            #expect(!isMet(instructions, .none), "\(instructions)")
        }
        #expect(isMet([.field(.price), .number(0), .greater], .none))
    }

    @Test("damaged bytes make none")
    func damage() {
        var join = QuoteJoin(JoinRule(maxAge: 5))
        join.keep(TickSamples.quote(symbol: 2, bid: 1, ask: 2), from: 1, of: 1)
        let bytes = join.state
        for place in bytes.indices {
            var damaged = bytes
            damaged[place] ^= 4
            #expect(throws: CheckpointError.self) {
                try damaged.read { try QuoteJoin(join.rule, restoring: $0) }
            }
        }
    }
}
