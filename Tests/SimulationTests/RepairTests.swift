import MarketModel
import OperatorGraph
import Primitives
import SimulationKit
import StreamCore
import Testing

/// Busts, corrections, backfill and requests of people. One seed alone: `SIMULATION_SEED=7`.
@Suite("Repairs and the oracle") struct RepairTests {
    @Test("behind repairs, the last versions are those of the mended ticks")
    func mended() throws {
        var repairs = 0
        var withdrawn = 0
        var partial = 0
        for seed in SimulationSeeds.all {
            var random = SeededRandom(seed: seed)
            let market = SimulatedMarket(
                MarketWeather(using: &random, withRepairs: true), using: &random)
            let definition = try SimulatedGraphs.timeBars(using: &random)
            let run = try GraphRun(definition, market.packets, mends: true)
            let expected = Oracle.result(of: definition, over: market.packets).bars
            repairs += run.repairs
            partial += run.versions.count {
                $0.bar.reason > BarReason.late.rawValue && $0.bar.flags.contains(.partial)
            }
            let found = run.lastVersions
            for (key, bar) in expected {
                let other = found[key]
                // What was taken back before its window closed was never published.
                if bar.flags.contains(.withdrawn), other == nil { continue }
                if bar.flags.contains(.withdrawn) { withdrawn += 1 }
                guard bar.seen == other?.seen else {
                    Issue.record(
                        "seed \(seed): \(key)\nexpected \(bar)\nfound \(String(describing: other))")
                    return
                }
            }
            for (key, bar) in found where expected[key] == nil {
                #expect(bar.flags.contains(.withdrawn), "seed \(seed): \(key) is too many")
            }
        }
        // Otherwise it was not tried.
        guard SimulationSeeds.all.count > 1 else { return }
        #expect(repairs > 100 && withdrawn > 0, "\(repairs) repairs, \(withdrawn) withdrawn")
        #expect(partial > 100, "\(partial) partial bars that a repair made")
    }

    @Test("a graph that goes on from its bytes repairs to the same versions")
    func restored() throws {
        for seed in SimulationSeeds.some(100) {
            var random = SeededRandom(seed: seed)
            let market = SimulatedMarket(
                MarketWeather(using: &random, withRepairs: true), using: &random)
            let definition = try SimulatedGraphs.timeBars(using: &random)
            let whole = try GraphRun(definition, market.packets, mends: true)
            let place = UInt64.random(in: 1...UInt64(market.packets.count), using: &random)
            let parts = try GraphRun(
                definition, market.packets, restoredBehind: [place], mends: true)
            #expect(parts.versions == whole.versions, "seed \(seed) behind \(place)")
        }
    }
}

extension Bar {
    /// Without what a repair need not know: what was excluded where nothing stands any more.
    fileprivate var seen: Bar {
        guard flags.contains(.withdrawn) else { return self }
        var bar = Bar(symbol: 0, series: 0, openTime: openTime, closeTime: closeTime)
        bar.flags = .withdrawn
        return bar
    }
}
