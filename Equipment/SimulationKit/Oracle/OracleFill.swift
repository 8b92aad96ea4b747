internal import MarketModel
internal import Primitives
internal import StreamCore

/// The windows without a bar that are filled with the close of an earlier bar. They are worked out
/// when all bars are known, because only settled windows are filled.
struct OracleFill {
    let series: BarSeries
    let symbol: SourceSymbol
    let calendar: SessionCalendar?
    /// The exclusions of windows that have no bar, by their starts.
    let excluded: [Int64: Bar.Excluded]

    func add(_ clock: OracleClock, to result: inout OracleResult) {
        guard case .previousClose(let max) = series.fill else { return }
        let bars = result.bars
            .filter { $0.key.symbol == symbol && $0.key.series == series.name }
            .map(\.value).filter { $0.trades > 0 }.sorted { $0.openTime < $1.openTime }
        for (index, bar) in bars.enumerated() {
            let next = bars.dropFirst(index + 1).first?.openTime.nanoseconds ?? Int64.max
            var end = bar.closeTime.nanoseconds
            for _ in 0..<max {
                guard let empty = window(behind: end), empty.start < next,
                    clock.isOver(empty.end + series.lateness, symbol, isThere: true)
                else { break }
                let filled = window(from: empty.start, to: empty.end, close: bar.close)
                let key = BarKey(
                    symbol: symbol, series: series.name, openTime: filled.openTime, number: 0)
                result.bars[key] = filled
                end = empty.end
            }
        }
    }

    /// Returns the first window that begins at a time or later. Outside of sessions there is none.
    private func window(behind time: Int64) -> OracleWindow? {
        if let window = OracleWindow.all(of: time, series.window, calendar).first { return window }
        return calendar?.sessions.first { $0.open >= time }.flatMap {
            OracleWindow.all(of: $0.open, series.window, calendar).first
        }
    }

    private func window(from start: Int64, to end: Int64, close: Price) -> Bar {
        var bar = Bar(
            symbol: 0, series: 0, openTime: Timestamp(nanoseconds: start),
            closeTime: Timestamp(nanoseconds: end))
        bar.flags = [.final, .filled]
        bar.open = close
        bar.high = close
        bar.low = close
        bar.close = close
        bar.excluded = excluded[start] ?? Bar.Excluded()
        return bar
    }
}
