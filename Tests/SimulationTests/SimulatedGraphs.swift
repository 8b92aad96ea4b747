import MarketModel
import OperatorGraph
import Primitives
import SimulationKit
import StreamCore

/// Definitions of graphs, from seeds.
struct SimulatedGraphs {
    static func lateness(using random: inout SeededRandom) -> Int64 {
        [0].randomElement(using: &random) ?? 0
    }

    /// Bars by time, each world with other series. `lateness` nil: each series its own.
    static func timeBars(
        lateness: Int64? = nil, using random: inout SeededRandom
    ) throws -> GraphDefinition {
        let widths = [("1s", 1), ("5s", 5), ("10s", 10), ("1m", 60)]
        var chosen = widths.filter { _ in Bool.random(using: &random) }
        if chosen.isEmpty { chosen = [widths[0]] }
        let series = try chosen.map { text, seconds in
            try BarSeries(
                name: name(text), window: .tumbling(width: Int64(seconds) * 1_000_000_000),
                lateness: lateness ?? Self.lateness(using: &random))
        }
        return .simple(try BarSeriesSet(series))
    }

    static func name(_ text: String) throws -> SeriesName {
        guard let name = SeriesName(text) else { throw StreamCoreError.seriesText(text) }
        return name
    }
}
