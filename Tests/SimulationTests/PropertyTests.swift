import MarketModel
import OperatorGraph
import Primitives
import Seeds
import SimulationKit
import StreamCore
import Testing

/// Properties that hold on any tape, whatever the bars are. To run one seed: `TAPELINE_SEED=7`.
@Suite("Properties of the graph") struct PropertyTests {
    @Test("row 17: ticks in any order within their lateness make the same last versions")
    func order() throws {
        var filled = 0
        for seed in Seeds(fixed: 1...300).all() {
            var random = SeededRandom(seed: seed)
            let delay: Int64 = Bool.random(using: &random) ? 0 : 1_500_000_000
            let lateness = SimulatedGraphs.lateness(using: &random)
            let market = ShuffledMarket(
                ticks: 60, watermarkDelay: delay, lateness: lateness, using: &random)
            let definition = try SimulatedGraphs.timeBars(lateness: lateness, using: &random)
            let packets = market.packets(using: &random)
            let first = try GraphRun(definition, packets)
            let second = try GraphRun(definition, market.packets(using: &random))
            #expect(first.late.isEmpty && second.late.isEmpty, "TAPELINE_SEED=\(seed)")
            #expect(first.lastVersions == second.lastVersions, "TAPELINE_SEED=\(seed)")
            filled += first.lastVersions.values.count { $0.flags.contains(.filled) }
            expectEqual(first, Oracle.result(of: definition, over: packets), seed: seed)
        }
        // Otherwise it was not tested.
        #expect(filled >= Seeds.least())
    }

    @Test("a graph that goes on from its bytes makes the same versions in the same order")
    func restored() throws {
        for seed in Seeds(fixed: 1...150).all() {
            var random = SeededRandom(seed: seed)
            var weather = MarketWeather(using: &random)
            if seed % 6 == 3 { weather.addQuotes() }
            let market = SimulatedInput(weather, using: &random)
            let definition =
                switch seed % 6 {
                case 0: try SimulatedGraphs.numberBars(using: &random)
                case 1: try SimulatedGraphs.pauses(using: &random)
                case 2: try SimulatedGraphs.derived(using: &random)
                case 3: try SimulatedGraphs.joined(using: &random)
                default: try SimulatedGraphs.any(using: &random)
                }
            let whole = try GraphRun(definition, market.packets)
            let places = (0..<3).map { _ in
                UInt64.random(in: 1...UInt64(market.packets.count), using: &random)
            }
            let parts = try GraphRun(definition, market.packets, restoredBehind: Set(places))
            #expect(parts.versions == whole.versions, "TAPELINE_SEED=\(seed) behind \(places)")
            #expect(parts.late == whole.late, "TAPELINE_SEED=\(seed) behind \(places)")
        }
    }

    @Test("every trade is in one window of a tumbling series, or excluded by a rule, or late")
    func equation() throws {
        var lates = 0
        for seed in Seeds(fixed: 1...300).all() {
            var random = SeededRandom(seed: seed)
            let market = SimulatedInput(MarketWeather(using: &random), using: &random)
            let definition = try SimulatedGraphs.timeBars(using: &random)
            let run = try GraphRun(definition, market.packets)
            let bars = run.lastVersions
            let trades = TapeAccount(market.packets)
            for series in run.machine.program.series {
                let counted = bars.filter { $0.key.series == series.name }
                    .reduce(0) { $0 + Int($1.value.trades) }
                let late = run.late.count { $0.series == series.name }
                lates += late
                #expect(
                    trades.count == counted + late + trades.excluded,
                    "TAPELINE_SEED=\(seed), \(series.name): \(trades) = \(counted) + \(late)")
            }
            #expect(run.machine.counters.isBalanced, "TAPELINE_SEED=\(seed)")
        }
        // Otherwise it was not tested.
        #expect(lates >= Seeds.least())
    }
}

/// The trades of a tape, counted without regard to time.
struct TapeAccount: CustomStringConvertible {
    private(set) var count = 0
    /// Excluded by the fixed rules: not a new trade, or without price or size.
    private(set) var excluded = 0

    init(_ packets: [SimulatedPacket]) {
        for tick in LoggedTape.ticks(of: packets, SourceGroups()) {
            guard let trade = tick.trade, tick.id.source != .manual,
                !tick.header.flags.contains(.backfilled)
            else { continue }
            count += 1
            let isNew =
                tick.header.action == TradeAction.new.rawValue
                && !tick.header.flags.contains(.snapshot)
            if !isNew || !trade.price.isDefined || !trade.size.isDefined || trade.size.raw < 0 {
                excluded += 1
            }
        }
    }

    var description: String { "\(count) trades, \(excluded) excluded" }
}
