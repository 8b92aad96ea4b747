import MarketModel
import Primitives
import Testing

@testable import StreamCore

@Suite("Throttle")
struct ThrottleTests {
    /// The simplest throttle: every stretch of time has a separate count.
    private struct Naive {
        private struct Key: Hashable {
            let owner: Int
            let symbol: UInt32
            let stretch: Int64
        }

        let rule: ThrottleRule
        private var clocks: [Int: Int64] = [:]
        private var counts: [Key: Int] = [:]

        init(rule: ThrottleRule) { self.rule = rule }

        mutating func passes(_ header: TickHeader, of owner: Int) -> Bool {
            let now = max(clocks[owner] ?? Int64.min, header.receiveTime.nanoseconds)
            clocks[owner] = now
            let key = Key(
                owner: owner, symbol: rule.scope == .symbol ? header.symbol : 0,
                stretch: now / rule.per)
            counts[key, default: 0] += 1
            return counts[key, default: 0] <= rule.count
        }
    }

    @Test(
        "lets through what naive counting does", arguments: [1, 2, 3] as [UInt64],
        [ThrottleRule.Scope.symbol, .partition])
    func equalsNaive(seed: UInt64, scope: ThrottleRule.Scope) throws {
        var random = SeededRandom(seed: seed)
        for (count, per) in [(1, 1_000_000), (3, 7_000_000), (1_000_000, 3_600_000_000_000)] {
            let rule = ThrottleRule(count: count, per: Int64(per), scope: scope)
            var machine = Throttle(rule)
            var naive = Naive(rule: rule)
            var time: Int64 = 1_700_000_000_000_000_000
            for index in 0..<3_000 {
                time += Int64.random(in: -100_000...900_000, using: &random)
                // The symbols 0 and 2 are of one source, 1 and 3 of another, which is behind.
                let symbol = UInt32.random(in: 0..<4, using: &random)
                let owner = Int(symbol % 2)
                let trade = TickSamples.trade(
                    symbol: symbol, received: time - Int64(owner) * 40_000_000)
                if index % 700 == 5 { machine = try expectRestored(machine) }
                let expected = naive.passes(trade.header, of: owner)
                let found = machine.passes(trade.header, of: owner)
                #expect(found == expected, "seed \(seed), tick \(index)")
            }
        }
    }

    /// Expects that the one that its bytes make has the same bytes. Returns that one.
    private func expectRestored(_ machine: Throttle) throws -> Throttle {
        let copy = try machine.state.read { try Throttle(machine.rule, restoring: $0) }
        #expect(copy.state == machine.state)
        return copy
    }

    @Test("one that begins at the start of a stretch answers what an older one does")
    func warm() {
        var random = SeededRandom(seed: 9)
        let rule = ThrottleRule(count: 2, per: 1_000)
        var old = Throttle(rule)
        for _ in 0..<500 {
            let received = Int64.random(in: 0..<10_000, using: &random)
            _ = old.passes(TickSamples.trade(received: received).header, of: 0)
        }
        var young = Throttle(rule)
        var passed = 0
        for received in 10_000..<14_000 where Bool.random(using: &random) {
            let header = TickSamples.trade(received: Int64(received)).header
            let passes = old.passes(header, of: 0)
            #expect(young.passes(header, of: 0) == passes)
            if passes { passed += 1 }
        }
        #expect(passed == 8)
    }

    @Test("a source that sends old ticks is judged by its own time, alone or with all its symbols")
    func ownClocks() {
        for scope in ThrottleRule.Scope.allCases {
            var machine = Throttle(ThrottleRule(count: 1, per: 1_000, scope: scope))
            func passes(_ symbol: UInt32, _ received: Int64, of owner: Int) -> Bool {
                machine.passes(
                    TickSamples.trade(symbol: symbol, received: received).header, of: owner)
            }
            #expect(passes(0, 9_000_100, of: 0))
            let drained = [100, 200, 1_100, 2_100].map { passes(1, $0, of: 1) }
            #expect(drained == [true, false, true, true], "\(scope)")
            #expect(!passes(0, 9_000_200, of: 0))
            #expect(passes(2, 9_000_300, of: 0) == (scope == .symbol))
        }
    }

    @Test("a fetched tick stands where it would have come")
    func backfilled() {
        var machine = Throttle(ThrottleRule(count: 1, per: 1_000))
        var fetched = TickSamples.trade(received: 900_000, flags: .backfilled)
        fetched.header.providerTime = Timestamp(nanoseconds: 10_500)
        let verdicts = [
            TickSamples.trade(received: 10_100), fetched, TickSamples.trade(received: 11_100),
        ].map { machine.passes($0.header, of: 0) }
        #expect(verdicts == [true, false, true])
    }

    @Test("several asked together get the answers that they would get alone")
    func together() {
        var random = SeededRandom(seed: 5)
        let rule = ThrottleRule(count: 3, per: 40)
        var (one, other) = (Throttle(rule), Throttle(rule))
        var time: Int64 = 1_000
        for _ in 0..<50 {
            let trades = (0..<TickPlaces.ticksMax).map { _ in
                time += Int64.random(in: -1...4, using: &random)
                return TickSamples.trade(
                    symbol: UInt32.random(in: 0..<3, using: &random), received: time)
            }
            let places = TickPlaces(bits: random.next())
            let passing = other.passing(trades, at: places, of: 0)
            for (place, trade) in trades.enumerated() {
                let passes = places.contains(place) && one.passes(trade.header, of: 0)
                #expect(passing.contains(place) == passes)
            }
        }
        #expect(one.kept == other.kept && one.kept > 0)
    }

    @Test("times beyond all windows do not move it")
    func jump() {
        var machine = Throttle(ThrottleRule(count: 2, per: 3_600_000_000_000))
        let verdicts = [-9_000_000_000_000_000_000, 9_000_000_000_000_000_000, 5].map {
            machine.passes(TickSamples.trade(received: $0).header, of: 0)
        }
        #expect(verdicts == [true, true, true])
    }
}
