import MarketModel
import OperatorGraph
import Primitives
import Seeds
import SimulationKit
import StreamCore
import Testing

/// Trades with the quotes before them, where quotes are held back, missed, fetched, and forgotten
/// when another member feeds the symbol. To run one seed: `TAPELINE_SEED=7`.
@Suite("Joins and the oracle") struct JoinedMarketTests {
    /// Counts of the situations met.
    private struct Tally {
        var repairs = 0
        var partial = 0
        var filled = 0
        /// Versions that repairs published, and those that later ones replaced.
        var mended = 0
        var replaced = 0
    }

    @Test("after each repair, trades have the quotes that would have been before them")
    func mended() throws {
        var tally = Tally()
        let seeds = Seeds(
            fixed: 1...300,
            kept: [
                1, 2, 3, 7, 9, 10, 13, 25, 28, 34, 35, 48, 70, 80, 81, 99, 113, 159, 160, 174, 177,
                256, 259, 287,
            ], weight: 0.4)
        for seed in seeds.all() {
            var random = SeededRandom(seed: seed)
            var weather = MarketWeather(using: &random, withRepairs: true)
            weather.addQuotes()
            // Members that hand over.
            if seed % 2 == 1 { (weather.sources, weather.switches) = (2, 120) }
            let market = SimulatedInput(weather, using: &random)
            let definition = try SimulatedGraphs.joined(using: &random)
            let run = try GraphRun(definition, market.packets, mends: true)
            tally.repairs += run.repairs
            guard expectMends(run, definition, market.packets, seed: seed, &tally) else { return }
            let expected = Oracle.result(of: definition, over: market.packets).bars
            guard expectEnd(run, expected, seed: seed) else { return }
        }
        // Otherwise it was not tested.
        #expect(
            tally.repairs >= Seeds.least(1_000) && tally.partial >= Seeds.least(1_000)
                && tally.filled >= Seeds.least(1_000) && tally.replaced >= Seeds.least(100),
            "\(tally)")
    }

    /// Expects that each repair published what the oracle makes of the tape so far. Returns false
    /// at a difference.
    private func expectMends(
        _ run: GraphRun, _ definition: GraphDefinition, _ packets: [SimulatedPacket],
        seed: UInt64, _ tally: inout Tally
    ) -> Bool {
        var mended: Set<BarKey> = []
        for mend in run.mends where !mend.versions.isEmpty {
            let soFar = Array(packets[..<mend.packets])
            let expected = Oracle.result(of: definition, over: soFar).bars
            for version in run.versions[mend.versions] {
                tally.mended += 1
                if !mended.insert(version.key).inserted { tally.replaced += 1 }
                if version.bar.flags.contains(.partial) { tally.partial += 1 }
                if version.bar.reason == BarReason.backfill.rawValue { tally.filled += 1 }
                let bar = version.bar.plain
                let other = expected[version.key]
                if bar.flags.contains(.withdrawn), other == nil { continue }
                guard bar.seen == other?.seen else {
                    Issue.record(
                        """
                        TAPELINE_SEED=\(seed): \(version.key) after \(mend.packets) packets
                        expected \(String(describing: other))
                        found \(bar)
                        """)
                    return false
                }
            }
        }
        return true
    }

    /// Expects that the last versions are those of the oracle. Returns false at a difference.
    private func expectEnd(
        _ run: GraphRun, _ expected: [BarKey: Bar], seed: UInt64
    ) -> Bool {
        let found = run.lastVersions
        for (key, bar) in expected {
            let other = found[key]
            // A bar that was withdrawn before its window closed was never published.
            if bar.flags.contains(.withdrawn), other == nil { continue }
            guard bar.seen == other?.seen else {
                Issue.record(
                    """
                    TAPELINE_SEED=\(seed): \(key)
                    expected \(bar)
                    found \(String(describing: other))
                    """)
                return false
            }
        }
        for (key, bar) in found where expected[key] == nil && !bar.flags.contains(.withdrawn) {
            Issue.record("TAPELINE_SEED=\(seed): \(key) is too many: \(bar)")
            return false
        }
        return true
    }
}
