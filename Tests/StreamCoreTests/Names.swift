import MarketModel
import Primitives
import Testing

@testable import StreamCore

func sourceName(_ text: String) throws -> SourceName { try #require(SourceName(text)) }

func symbolName(_ text: String) throws -> Symbol { try #require(Symbol(text)) }

func subscription(
    _ symbol: String = "AAPL", provider: String = "one", since: Timestamp = .undefined
) throws -> Subscription {
    Subscription(symbol: try symbolName(symbol), provider: provider, since: since)
}

/// Returns tumbling windows that take no late ticks, unless `lateness` is given.
func barSeries(_ texts: [String], lateness: Int64 = 0) throws -> BarSeriesSet {
    try BarSeriesSet(
        texts.map { text in
            let series = try BarSeries(text)
            return try BarSeries(name: series.name, window: series.window, lateness: lateness)
        })
}

func series(
    _ name: String, _ window: WindowRule, lateness: Int64 = 0, fill: FillRule = .none
) throws -> BarSeries {
    try BarSeries(
        name: try #require(SeriesName(name)), window: window, lateness: lateness, fill: fill)
}

/// Returns a symbol of the source `test`.
func ofTest(_ text: String) throws -> SourceSymbol {
    SourceSymbol(try symbolName(text), of: try sourceName("test"))
}
