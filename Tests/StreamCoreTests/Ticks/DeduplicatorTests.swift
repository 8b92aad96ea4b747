import MarketModel
import Primitives
import Testing

@testable import StreamCore

@Suite("Deduplicator")
struct DeduplicatorTests {
    /// The same rule as a list that is searched from its start.
    private struct Naive {
        let rule: DeduplicateRule
        var remembered: [(key: [UInt64], time: Int64)] = []
        var now = Int64.min
        var forgotten: UInt64 = 0
        var undecidable: UInt64 = 0

        mutating func isNew(_ trade: Trade) -> Bool {
            if rule.key.contains(.id), trade.header.providerID == 0 {
                undecidable += 1
                return true
            }
            now = max(now, trade.header.receiveTime.nanoseconds)
            remembered.removeAll { now - $0.time >= rule.timeToLive }
            let key = [UInt64(trade.header.symbol)] + rule.key.map { $0.bits(of: trade) }
            if remembered.contains(where: { $0.key == key }) { return false }
            if remembered.count == rule.entriesMax {
                remembered.removeFirst()
                forgotten += 1
            }
            remembered.append((key, now))
            return true
        }
    }

    private func tape(seed: UInt64, count: Int) -> [Trade] {
        var random = SeededRandom(seed: seed)
        var time: Int64 = 1_000_000
        return (0..<count).map { _ in
            // Receive times of two sources overlap, so some go back.
            time += Int64.random(in: -3...12, using: &random)
            return TickSamples.trade(
                symbol: UInt32.random(in: 0..<3, using: &random),
                price: Int64.random(in: 1...8, using: &random),
                id: UInt64.random(in: 0..<20, using: &random), received: time)
        }
    }

    @Test("finds what a list finds", arguments: [1, 2, 3, 4, 5] as [UInt64])
    func equalsNaive(seed: UInt64) {
        for (entries, life) in [(7, 1_000_000), (40, 300), (10_000, 900), (1, 50)] {
            let rule = DeduplicateRule(
                key: [.price, .id], timeToLive: Int64(life), entriesMax: entries)
            var machine = Deduplicator(rule)
            var naive = Naive(rule: rule)
            for (index, trade) in tape(seed: seed, count: 3_000).enumerated() {
                let expected = naive.isNew(trade)
                let found = machine.isNew(trade, of: 0)
                #expect(found == expected, "seed \(seed), tick \(index)")
                if machine.remembered != naive.remembered.count { break }
            }
            #expect(machine.remembered == naive.remembered.count, "seed \(seed)")
            #expect(machine.forgotten == naive.forgotten, "seed \(seed)")
            #expect(machine.undecidable == naive.undecidable, "seed \(seed)")
            #expect(machine.undecidable > 0)
        }
    }

    @Test(
        "trades asked together get the answers that they would get alone",
        arguments: [21, 22] as [UInt64])
    func together(seed: UInt64) {
        for entries in [50, 2_000] {
            let rule = DeduplicateRule(key: [.price, .id], timeToLive: 900, entriesMax: entries)
            var (one, other) = (Deduplicator(rule), Deduplicator(rule))
            var random = SeededRandom(seed: seed)
            let trades = tape(seed: seed, count: 6_000)
            for start in stride(from: 0, to: trades.count, by: 60) {
                let together = Array(trades[start..<start + 60])
                let places = TickPlaces(bits: random.next() | random.next())
                let new = other.newOnes(
                    of: together, at: TickPlaces(bits: places.bits & (1 << 60 - 1)), of: 0)
                for (place, trade) in together.enumerated() where places.contains(place) {
                    let isNew = one.isNew(trade, of: 0)
                    #expect(new.contains(place) == isNew, "seed \(seed), tick \(start + place)")
                }
            }
            #expect(one.duplicates > 0)
            #expect(one.duplicates == other.duplicates && one.forgotten == other.forgotten)
            #expect(one.undecidable > 0 && one.undecidable == other.undecidable)
        }
    }

    @Test("of a fetched tick it is known that it came at its time, on both sides of the life")
    func sightings() {
        var seen = TickSightings(DeduplicateRule(key: [.id], timeToLive: 100, entriesMax: 3))
        for id in UInt64(1)...4 { seen.note(TickSamples.trade(id: id, received: 1_000)) }
        func isThere(_ id: UInt64, _ time: Int64) -> Bool {
            var fetched = TickSamples.trade(id: id, received: 5_000, flags: .backfilled)
            fetched.header.providerTime = Timestamp(nanoseconds: time)
            return seen.contains(fetched)
        }
        #expect(
            [900, 901, 1_000, 1_099, 1_100].map { isThere(4, $0) }
                == [false, true, true, true, false])
        // The oldest is forgotten.
        #expect(!isThere(1, 1_000) && isThere(2, 1_000))
    }

    @Test(
        "a restored one goes on as if nothing had happened, with the same bytes",
        arguments: [11, 12] as [UInt64])
    func restores(seed: UInt64) throws {
        let rule = DeduplicateRule(key: [.price, .size], timeToLive: 700, entriesMax: 1_500)
        var straight = Deduplicator(rule)
        var broken = Deduplicator(rule)
        for (index, trade) in tape(seed: seed, count: 4_000).enumerated() {
            if index % 501 == 0 {
                broken = try broken.expectRestored()
                #expect(straight.state == broken.state, "seed \(seed), tick \(index)")
            }
            let (one, other) = (straight.isNew(trade, of: 0), broken.isNew(trade, of: 0))
            #expect(one == other, "seed \(seed), tick \(index)")
        }
    }

    @Test("a source that sends old ticks is judged by its own time")
    func ownClocks() throws {
        var machine = Deduplicator(DeduplicateRule(key: [.price], timeToLive: 100))
        func isNew(_ symbol: UInt32, _ received: Int64, of owner: Int) -> Bool {
            machine.isNew(TickSamples.trade(symbol: symbol, received: received), of: owner)
        }
        #expect(isNew(0, 9_000, of: 0))
        // Equal prices of different moments: at the time of the other source, all of one moment.
        #expect([1_000, 1_099, 1_200].map { isNew(1, $0, of: 1) } == [true, false, true])
        // A source that has gone on does not make the other one forget.
        #expect(isNew(0, 9_050, of: 0) == false)
        #expect(isNew(2, 90_000, of: 1) && isNew(0, 9_099, of: 0) == false)
        #expect(machine.remembered == 2)
        #expect(try machine.expectRestored().remembered == 2)
    }

    @Test("of several sources the one that has the most forgets first")
    func sharedRoom() {
        var machine = Deduplicator(
            DeduplicateRule(key: [.id], timeToLive: 1_000_000, entriesMax: 4))
        func isNew(_ id: UInt64, of owner: Int) -> Bool {
            machine.isNew(
                TickSamples.trade(symbol: UInt32(owner), id: id, received: 1_000), of: owner)
        }
        #expect(isNew(1, of: 0))
        for id in UInt64(1)...4 { #expect(isNew(id, of: 1)) }
        #expect(machine.remembered == 4 && machine.forgotten == 1)
        #expect(isNew(1, of: 0) == false, "the small one keeps its tick")
        #expect(isNew(4, of: 1) == false && isNew(1, of: 1))
    }

    @Test("by id, ticks without one are no duplicates, and none is remembered")
    func withoutID() {
        var machine = Deduplicator(DeduplicateRule(key: [.id, .price], timeToLive: 100))
        var seen = TickSightings(machine.rule)
        let equal = TickSamples.trade(price: 7, id: 0, received: 1_000)
        #expect((0..<3).allSatisfy { _ in machine.isNew(equal, of: 0) })
        #expect(machine.undecidable == 3 && machine.duplicates == 0 && machine.remembered == 0)
        let quote = TickSamples.quote(bid: 3, ask: 4)
        #expect(machine.isNew(quote, of: 0) && machine.isNew(quote, of: 0))
        seen.note(equal)
        #expect(!seen.contains(equal))
        // A key without ids treats equal ticks as duplicates, as the graph demands.
        var drops = Deduplicator(DeduplicateRule(key: [.price], timeToLive: 100))
        #expect((0..<3).map { _ in drops.isNew(equal, of: 0) } == [true, false, false])
        #expect(drops.undecidable == 0)
    }

    @Test("quotes are told apart by their sides")
    func quotes() {
        var machine = Deduplicator(DeduplicateRule(key: [.bid, .ask], timeToLive: 100))
        let verdicts = [
            machine.isNew(TickSamples.quote(bid: 3, ask: 4), of: 0),
            machine.isNew(TickSamples.quote(bid: 4, ask: 3), of: 0),
            machine.isNew(TickSamples.quote(bid: 3, ask: 4), of: 0),
            machine.isNew(TickSamples.quote(symbol: 1, bid: 3, ask: 4), of: 0),
        ]
        #expect(verdicts == [true, true, false, true])
    }

    @Test("damaged bytes are refused", arguments: [0, 4, 16, 40, 60])
    func damaged(offset: Int) {
        var machine = Deduplicator(DeduplicateRule(key: [.id], timeToLive: 100))
        _ = machine.isNew(TickSamples.trade(id: 1, received: 1_000), of: 0)
        var bytes = machine.state
        bytes[offset] ^= 1
        #expect(throws: CheckpointError.self) {
            try bytes.read { _ = try Deduplicator(machine.rule, restoring: $0) }
        }
    }
}

extension Deduplicator {
    /// Expects that the one that its bytes make has the same bytes. Returns that one.
    fileprivate func expectRestored() throws -> Deduplicator {
        let copy = try state.read { try Deduplicator(rule, restoring: $0) }
        #expect(copy.state == state)
        return copy
    }
}
