internal import MarketModel
internal import Primitives
internal import StreamCore

/// Bars of bars: the last versions of the finer ones, put together in order of time.
struct OracleResample {
    /// `fine` are the finer bars of one symbol, those without a price included.
    static func bars(
        of fine: [Bar], _ series: BarSeries, isCut: (Int64) -> Bool
    ) -> [Bar] {
        var windows: [OracleWindow: [Bar]] = [:]
        for bar in fine {
            let all = OracleWindow.all(of: bar.openTime.nanoseconds, series.window, nil)
            for window in all { windows[window, default: []].append(bar) }
        }
        return windows.compactMap { window, fine in
            bar(of: fine.sorted { $0.openTime < $1.openTime }, window, isCut)
        }
    }

    private static func bar(
        of fine: [Bar], _ window: OracleWindow, _ isCut: (Int64) -> Bool
    ) -> Bar? {
        let priced = fine.filter { $0.trades > 0 }
        guard let first = priced.first, let last = priced.last else { return nil }
        var bar = Bar(
            symbol: 0, series: 0, openTime: Timestamp(nanoseconds: window.start),
            closeTime: Timestamp(nanoseconds: window.end))
        bar.open = first.open
        bar.close = last.close
        bar.high = Price(raw: priced.map(\.high.raw).reduce(Int64.min, max))
        bar.low = Price(raw: priced.map(\.low.raw).reduce(Int64.max, min))
        for one in fine {
            bar.trades += one.trades
            bar.volume += one.volume
            bar.notional += one.notional
            bar.excluded.condition += one.excluded.condition
            bar.excluded.oddLot += one.excluded.oddLot
            bar.excluded.filter += one.excluded.filter
            bar.excluded.undefined += one.excluded.undefined
        }
        bar.vwap = OracleFold.vwap(bar.notional, bar.volume)
        bar.flags = .final
        if fine.contains(where: { $0.flags.contains(.partial) }) || isCut(window.start) {
            bar.flags.insert(.partial)
        }
        if fine.contains(where: { $0.flags.contains(.mixedProviders) }) {
            bar.flags.insert(.mixedProviders)
        }
        return bar
    }
}
