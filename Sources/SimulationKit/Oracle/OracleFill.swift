internal import MarketModel
internal import Primitives
internal import StreamCore

/// The windows without a bar behind one that has one, with its close: worked out when all bars
/// stand, because only what is settled is filled. Of tumbling windows.
struct OracleFill {
    let series: BarSeries
    let symbol: Symbol
    /// What was left out in windows that have no bar, by their starts.
    let excluded: [Int64: Bar.Excluded]

    func add(_ clock: OracleClock, to result: inout OracleResult) {
        guard case .previousClose(let max) = series.fill, case .tumbling(let width) = series.window
        else { return }
        let bars = result.bars
            .filter { $0.key.symbol == symbol && $0.key.series == series.name }
            .map(\.value).filter { $0.trades > 0 }.sorted { $0.openTime < $1.openTime }
        for (index, bar) in bars.enumerated() {
            let next = bars.dropFirst(index + 1).first?.openTime.nanoseconds ?? Int64.max
            var start = bar.closeTime.nanoseconds
            for _ in 0..<max {
                let settled = start + width + series.lateness
                guard start < next, clock.isOver(settled, symbol, isThere: true) else { break }
                let filled = window(from: start, to: start + width, close: bar.close)
                let key = BarKey(
                    symbol: symbol, series: series.name, openTime: filled.openTime, number: 0)
                result.bars[key] = filled
                start += width
            }
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
