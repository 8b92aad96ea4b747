import MarketModel
import OperatorGraph
import Primitives
import Seeds
import SimulationKit
import StreamCore
import Testing

/// Busts, corrections, backfill and requests of people. To run one seed: `TAPELINE_SEED=7`.
@Suite("Repairs and the oracle") struct RepairTests {
    /// Counts of the situations met.
    private struct Tally {
        var repairs = 0
        var withdrawn = 0
        var partial = 0
        var filled = 0
        var life = SimulatedLife()
    }

    @Test("behind repairs, the last versions are those of the mended ticks")
    func mended() throws {
        let tally = try compare { try SimulatedGraphs.timeBars(using: &$0) }
        // Otherwise it was not tested.
        #expect(
            tally.repairs >= Seeds.least(100) && tally.withdrawn >= Seeds.least()
                && tally.partial >= Seeds.least(100), "\(tally)")
    }

    @Test("behind repairs, windows are filled as if the ticks had been mended from the start")
    func filled() throws {
        let tally = try compare(hasMoves: false) { try SimulatedGraphs.filled(using: &$0) }
        #expect(tally.repairs >= Seeds.least(100) && tally.filled >= Seeds.least(100), "\(tally)")
    }

    @Test("behind repairs, bars of a provider's bars are those of all bars on the tape")
    func providerBars() throws {
        let tally = try compare(hasMoves: false, with: [(\.providerBars, 600)]) {
            try SimulatedGraphs.providerBars(isPlain: true, using: &$0)
        }
        #expect(tally.repairs >= Seeds.least(100) && tally.partial >= Seeds.least(50), "\(tally)")
    }

    @Test("behind repairs, bars of books are those of the books that are known by now")
    func books() throws {
        let tally = try compare(readsAll: false, with: [(\.depth, 700), (\.pauses, 60)]) {
            try SimulatedGraphs.books(using: &$0)
        }
        #expect(
            tally.repairs >= Seeds.least(100) && tally.withdrawn >= Seeds.least()
                && tally.partial >= Seeds.least(100), "\(tally)")
    }

    @Test("behind repairs of sources that are silent, retired or back, the same is true")
    func lives() throws {
        // In this market, a request comes after a gap of all symbols of a source that defines the
        // symbol only after the gap.
        let tally = try compare(hasLife: true, failed: [12_233_659_126_666_820_907]) {
            try SimulatedGraphs.timeBars(using: &$0)
        }
        #expect(tally.repairs >= Seeds.least(100) && tally.partial >= Seeds.least(100), "\(tally)")
        let life = tally.life
        #expect(
            life.repairsOfSilent >= Seeds.least(20) && life.repairsOfRetired >= Seeds.least(30)
                && life.repairsOfReturned >= Seeds.least(100),
            "\(life)")
    }

    /// `hasMoves`: symbols change their sources and providers. `chances` are other ones of the
    /// weather. Without `readsAll` repairs read the tape from where their plans say.
    private func compare(
        hasMoves: Bool = true, hasLife: Bool = false, readsAll: Bool = true, failed: [UInt64] = [],
        with chances: [(WritableKeyPath<MarketWeather, Int>, Int)] = [],
        _ draw: (inout SeededRandom) throws -> GraphDefinition
    ) throws -> Tally {
        var tally = Tally()
        let seeds = Seeds(
            fixed: 1...300,
            kept: [
                1, 2, 3, 7, 9, 10, 13, 25, 28, 34, 35, 48, 70, 80, 81, 99, 113, 159, 160, 174, 177,
                256, 259, 287,
            ], failed: failed)
        for seed in seeds.all() {
            var random = SeededRandom(seed: seed)
            var weather = MarketWeather(
                using: &random, withRepairs: true, withLife: hasLife)
            if !hasMoves { (weather.switches, weather.restarts) = (0, 0) }
            for (chance, value) in chances { weather[keyPath: chance] = value }
            let market = SimulatedInput(weather, using: &random)
            tally.life += market.life
            let definition = try draw(&random)
            let run = try GraphRun(
                definition, market.packets, mends: true, readsAll: readsAll)
            let expected = Oracle.result(of: definition, over: market.packets).bars
            tally.repairs += run.repairs
            tally.partial += run.versions.count {
                $0.bar.reason > BarReason.late.rawValue && $0.bar.flags.contains(.partial)
            }
            let found = run.lastVersions
            for (key, bar) in expected {
                let other = found[key]
                // A bar that was withdrawn before its window closed was never published.
                if bar.flags.contains(.withdrawn), other == nil { continue }
                if bar.flags.contains(.withdrawn) { tally.withdrawn += 1 }
                if bar.flags.contains(.filled) { tally.filled += 1 }
                guard bar.seen == other?.seen else {
                    Issue.record(
                        """
                        TAPELINE_SEED=\(seed): \(key)
                        expected \(bar)
                        found \(String(describing: other))
                        """
                    )
                    return tally
                }
            }
            for (key, bar) in found where expected[key] == nil {
                #expect(bar.flags.contains(.withdrawn), "TAPELINE_SEED=\(seed): \(key) is too many")
            }
        }
        return tally
    }

    @Test("a graph that goes on from its bytes repairs to the same versions")
    func restored() throws {
        for seed in Seeds(fixed: 1...100).all() {
            var random = SeededRandom(seed: seed)
            var weather = MarketWeather(using: &random, withRepairs: true)
            if seed % 5 == 3 { weather.addQuotes() }
            if seed % 5 == 4 { weather.addBooks() }
            let market = SimulatedInput(weather, using: &random)
            let definition =
                switch seed % 5 {
                case 0, 2: try SimulatedGraphs.timeBars(using: &random)
                case 1: try SimulatedGraphs.filled(using: &random)
                case 3: try SimulatedGraphs.joined(using: &random)
                default: try SimulatedGraphs.books(using: &random)
                }
            let whole = try GraphRun(definition, market.packets, mends: true)
            let place = UInt64.random(in: 1...UInt64(market.packets.count), using: &random)
            let parts = try GraphRun(
                definition, market.packets, restoredBehind: [place], mends: true)
            #expect(parts.versions == whole.versions, "TAPELINE_SEED=\(seed) behind \(place)")
        }
    }
}

extension Bar {
    /// The bar without what a repair cannot know: exclusions where no bar is stored or nothing
    /// happened, and whether a filled bar lies in a gap.
    var seen: Bar {
        var bar = self
        if flags.contains(.filled) {
            bar.excluded = Excluded()
            bar.flags.remove(.partial)
        }
        guard flags.contains(.withdrawn) else { return bar }
        bar = Bar(symbol: 0, series: 0, openTime: openTime, closeTime: closeTime)
        bar.flags = .withdrawn
        return bar
    }
}
