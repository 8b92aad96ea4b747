import MarketModel
import OperatorGraph
import Primitives
import Seeds
import SimulationKit
import StreamCore
import Testing

/// Compares the graph with a separate calculation, on markets from seeds. To run one:
/// `TAPELINE_SEED=7`.
@Suite("The graph and the oracle") struct OracleTests {
    enum Kind: CaseIterable {
        case timeBars
        /// Stages, rules, quotes, sliding and session windows.
        case whole
        /// Bars that end by ticks.
        case numberBars
        /// Bars that end by inactivity.
        case pauses
        /// Bars made from bars, and indicator values of windows.
        case derived
        /// Bars made from a provider's bars.
        case providerBars
        /// Bars of trades that a join paired with quotes.
        case joined
        /// Bars and numbers of books.
        case books
        /// As `whole`, of sources that fall silent, are retired, and come back.
        case lives
    }

    @Test(
        "the last version of every bar, and every late tick, is what the oracle says",
        arguments: Kind.allCases)
    func bars(kind: Kind) throws {
        for seed in Seeds(fixed: 1...300).all() {
            var random = SeededRandom(seed: seed)
            var weather = MarketWeather(using: &random, withLife: kind == .lives)
            let definition: GraphDefinition
            switch kind {
            case .timeBars: definition = try SimulatedGraphs.timeBars(using: &random)
            case .whole, .lives: definition = try SimulatedGraphs.any(using: &random)
            case .numberBars:
                definition = try SimulatedGraphs.numberBars(using: &random)
                // The beginnings of subscriptions are between ticks here, and not at times.
                weather.switches = 0
                weather.restarts = 0
            case .pauses:
                definition = try SimulatedGraphs.pauses(using: &random)
                weather.switches = 0
                weather.restarts = 0
            case .derived:
                definition = try SimulatedGraphs.derived(using: &random)
                // Finer bars do not name their source.
                weather.switches = 0
                weather.restarts = 0
            case .joined:
                definition = try SimulatedGraphs.joined(using: &random)
                weather.addQuotes()
            case .books:
                definition = try SimulatedGraphs.books(using: &random)
                weather.addBooks()
            case .providerBars:
                definition = try SimulatedGraphs.providerBars(using: &random)
                weather.providerBars = 600
                weather.switches = 0
                weather.restarts = 0
            }
            let market = SimulatedInput(weather, using: &random)
            let expected = Oracle.result(of: definition, over: market.packets)
            let run = try GraphRun(definition, market.packets)
            expectEqual(run, expected, seed: seed, seesExclusions: kind != .pauses)
        }
    }
}

/// Expects equality. The first difference is reported with the seed.
func expectEqual(
    _ run: GraphRun, _ expected: OracleResult, seed: UInt64, seesExclusions: Bool = true
) {
    var found = run.lastVersions
    if !seesExclusions {
        // Ticks that were excluded between two runs belong to none of them, and a run that grew has
        // another key.
        found = found.mapValues(\.withoutExclusions).filter {
            !$0.value.flags.contains(.withdrawn)
        }
    }
    for (key, bar) in expected.bars where found[key] != bar {
        Issue.record(
            """
            TAPELINE_SEED=\(seed): \(key)
            expected \(bar)
            found \(String(describing: found[key]))
            """
        )
        return
    }
    for (key, bar) in found where expected.bars[key] == nil {
        Issue.record("TAPELINE_SEED=\(seed): \(key) should not be there: \(bar)")
        return
    }
    for (key, value) in expected.values where run.values[key] != value {
        let other = String(describing: run.values[key])
        Issue.record("TAPELINE_SEED=\(seed): \(key)\nexpected \(value), found \(other)")
        return
    }
    for (key, value) in run.values where expected.values[key] == nil {
        Issue.record("TAPELINE_SEED=\(seed): \(key) should not be there: \(value)")
        return
    }
    let late = Dictionary(grouping: run.late, by: \.series).mapValues { $0.map(\.id) }
    for (series, ids) in expected.late where late[series] ?? [] != ids {
        Issue.record("TAPELINE_SEED=\(seed): \(series) late \(late[series] ?? []), expected \(ids)")
        return
    }
}

extension Bar {
    fileprivate var withoutExclusions: Bar {
        var bar = self
        bar.excluded = Excluded()
        return bar
    }
}
