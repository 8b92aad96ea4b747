import MarketModel
import Primitives
import Seeds
import Testing

@testable import IBEngine

/// A market of one stock, and a feed of it that may lie about sizes.
private struct UnitMarket {
    /// How often, of a hundred: a trade is not sent; a trade is an odd lot; the volume grows by a
    /// block that is not sent as a trade; the volume comes before its trade.
    var missing = 0
    var odd = 40
    var blocks = 0
    var early = 0
    /// The mean pause between trades, in nanoseconds.
    var pause = second
    /// Trades per volume.
    var perVolume = 1
    /// The unit of sizes, in shares, and whether sizes have fractions of it.
    var lot: Int64 = 1
    var hasFractions = false

    private(set) var now = MonotonicTime.at(second)
    private(set) var trades = 0
    private(set) var reports: [(SizeUnit, at: MonotonicTime, trades: Int)] = []
    private var volume: Int64 = 0
    private var random: SeededRandom
    var witness = UnitWitness()

    init(seed: UInt64) { random = SeededRandom(seed: seed) }

    private mutating func happens(_ percent: Int) -> Bool {
        Int.random(in: 0..<100, using: &random) < percent
    }

    private mutating func size() -> Int64 {
        happens(odd)
            ? Int64.random(in: 1..<100, using: &random)
            : 100 * Int64.random(in: 1...8, using: &random)
    }

    private func sent(_ shares: Int64) -> Quantity {
        Quantity(raw: hasFractions ? shares * 100_000_000 / lot : shares / lot * 100_000_000)
    }

    private mutating func reportVolume() {
        guard witness.grew(to: Quantity(raw: volume * 100_000_000), now) else { return }
        reports.append((witness.unit, now, trades))
    }

    /// Lets trades happen for this time.
    mutating func run(_ nanoseconds: Int64) {
        let end = now + nanoseconds
        while now < end {
            now += Int64.random(in: 1...2 * pause, using: &random)
            if happens(blocks) { volume += Int64.random(in: 1...500, using: &random) * 100 }
            let shares = size()
            volume += shares
            let isEarly = happens(early)
            if isEarly { reportVolume() }
            if !happens(missing) {
                trades += 1
                witness.traded(sent(shares))
            }
            if !isEarly, trades % perVolume == 0 { reportVolume() }
        }
    }

    /// Begins a new day.
    mutating func newDay() {
        volume = 0
        reportVolume()
    }
}

@Suite("The witness of units") struct UnitWitnessTests {
    static let hour = 3_600 * second

    @Test(
        "Sizes in lots are told once, after 60 s or 20 trades, whichever is later, and not before",
        arguments: [100, 40, 10], [second / 50, second, 20 * second])
    func lots(_ lot: Int64, _ pause: Int64) {
        for seed in Seeds(fixed: 1...40).all() {
            var market = UnitMarket(seed: seed)
            (market.lot, market.pause, market.hasFractions) = (lot, pause, seed % 2 == 0)
            market.run(max(300 * second, 180 * pause))
            #expect(market.reports.count == 1, "TAPELINE_SEED=\(seed)")
            guard let report = market.reports.first else { continue }
            #expect(report.0.isLots)
            let after = report.at - MonotonicTime.at(second)
            // The stretch begins with the first volume, one trade after the start.
            #expect(after >= 60 * second && report.trades > 20, "TAPELINE_SEED=\(seed)")
            // Volumes follow trades, and a part ends after four trades and a second.
            let isSoon = after <= 62 * second + 10 * pause || report.trades <= 26
            #expect(isSoon, "TAPELINE_SEED=\(seed): \(after / second) s, \(report.trades) trades")
        }
    }

    @Test("A lot is named by its shares where sizes have fractions", arguments: [100, 40, 10])
    func named(_ lot: Int64) {
        var market = UnitMarket(seed: 5)
        (market.lot, market.hasFractions) = (lot, true)
        market.run(90 * second)
        #expect(market.reports.map(\.0) == [.lots(Int(lot))])
    }

    @Test("An hour of a clean feed is silent", arguments: Seeds(fixed: 1...150).all())
    func clean(_ seed: UInt64) {
        var random = SeededRandom(seed: seed)
        func any(_ values: [Int]) -> Int { values.randomElement(using: &random) ?? 0 }
        var market = UnitMarket(seed: seed)
        market.odd = any([0, 40, 90, 100])
        market.missing = any([0, 0, 10, 30, 50])
        market.blocks = any([0, 0, 1, 2])
        market.early = any([0, 50, 100])
        market.pause = second / 20 * Int64(any([1, 10, 20, 100]))
        market.perVolume = any([1, 1, 3, 10])
        market.run(Self.hour)
        #expect(market.reports.isEmpty, "TAPELINE_SEED=\(seed): \(market.reports)")
    }

    @Test("Volume with blocks that never come as trades hides no lots for long")
    func blocks() {
        for seed in Seeds(fixed: 1...20).all() {
            var market = UnitMarket(seed: seed)
            (market.lot, market.blocks, market.early, market.pause) = (100, 1, 50, second / 10)
            market.run(600 * second)
            #expect(market.reports.count == 1, "TAPELINE_SEED=\(seed)")
        }
    }

    @Test("A stretch that is broken, and one of another day, begin again with their rule")
    func broken() {
        for day in [true, false] {
            var market = UnitMarket(seed: 3)
            market.lot = 100
            market.run(58 * second)
            if day { market.newDay() } else { market.witness.begin() }
            let cut = market.now
            market.run(120 * second)
            #expect(market.reports.count == 1)
            #expect(market.reports.allSatisfy { $0.at - cut >= 60 * second })
        }
    }

    @Test("The state is told when it changes, and again when it changes back")
    func changes() {
        var market = UnitMarket(seed: 4)
        for lot: Int64 in [1, 100, 1, 1, 40] {
            market.lot = lot
            market.witness.begin()
            market.run(300 * second)
        }
        #expect(market.reports.map(\.0.isLots) == [true, false, true])
        market.lot = 100
        market.run(300 * second)
        #expect(market.reports.count == 3)
    }

    @Test("traps nothing: the largest numbers, none, and negative ones")
    func trapsNothing() {
        let sizes = [Int64.max - 1, Int64.max, -1, Int64.min, 0, 1]
        for first in sizes {
            for then in sizes {
                var witness = UnitWitness()
                for step in Int64(0)..<200 {
                    _ = witness.grew(to: Quantity(raw: first), .at(step * second))
                    witness.traded(Quantity(raw: then))
                    _ = witness.grew(to: Quantity(raw: then), .at(step * second))
                    witness.traded(Quantity(raw: first))
                }
                #expect(!witness.unit.isLots)
            }
        }
    }
}
