internal import MarketModel
internal import OperatorGraph
internal import Primitives
internal import StreamCore

/// One series that is made of a provider's bars: by window, the last bar of each start.
struct OracleProviderBars {
    let node: Int
    let series: BarSeries
    let choice: ProviderBarChoice
    private var windows: [SourceSymbol: [OracleWindow: Content]] = [:]
    private var late: [LoggedTick.ID] = []

    private struct Content {
        /// By start, the bar that came last.
        var bars: [Int64: ProviderBar] = [:]
        /// Whether a subscription began in it, as a repair found.
        var isRestarted = false
    }

    static func all(of node: GraphNode, _ index: Int) -> [OracleProviderBars] {
        guard case .resample(let rule) = node.operation, let choice = rule.provider else {
            return []
        }
        return rule.series.all.map {
            OracleProviderBars(node: index, series: $0, choice: choice)
        }
    }

    private init(node: Int, series: BarSeries, choice: ProviderBarChoice) {
        self.node = node
        self.series = series
        self.choice = choice
    }

    /// Takes a bar when it comes. The nodes before have let it through. Returns whether it came too
    /// late for a window.
    mutating func take(_ tick: LoggedTick, _ clock: OracleClock) -> Bool {
        guard let bar = tick.providerBar, counts(bar) else { return false }
        let end = bar.closeTime.nanoseconds + choice.bars.lateness
        var isLate = end <= clock.reached(tick.symbol)
        let all = OracleWindow.all(of: bar.openTime.nanoseconds, series.window, nil)
        for window in all where end > clock.reached(tick.symbol) {
            let isThere = windows[tick.symbol]?[window] != nil
            if clock.isOver(window.end + series.lateness, tick.symbol, isThere: isThere) {
                isLate = true
            } else {
                put(bar, window, tick.symbol)
            }
        }
        if isLate { late.append(tick.id) }
        return isLate
    }

    private mutating func put(_ bar: ProviderBar, _ window: OracleWindow, _ symbol: SourceSymbol) {
        windows[symbol, default: [:]][window, default: Content()]
            .bars[bar.openTime.nanoseconds] = bar
    }

    /// Whether a finished bar is one that the node takes, with values that can be.
    private func counts(_ bar: ProviderBar) -> Bool {
        let length = bar.closeTime.nanoseconds - bar.openTime.nanoseconds
        guard length == choice.bars.widthNanoseconds, bar.kind == choice.data.rawValue,
            bar.openTime.nanoseconds % length == 0,
            [bar.open, bar.high, bar.low, bar.close].allSatisfy(\.isDefined)
        else { return false }
        return bar.low.raw <= min(bar.open.raw, bar.close.raw)
            && bar.high.raw >= max(bar.open.raw, bar.close.raw)
            && (bar.trades == ProviderBar.undefinedCount || bar.trades >= 0) && bar.volume >= 0
    }

    /// In windows that a repair touches, every bar on the tape counts, and the last one wins.
    mutating func repair(
        _ all: [OracleRepair], _ standing: [LoggedTick], _ missing: OracleMissing
    ) {
        let ranges = all.filter { $0.kind == .any || $0.kind == .providerBar }
        guard !ranges.isEmpty else { return }
        for (symbol, contents) in windows {
            for window in contents.keys
            where ranges.contains(where: { $0.touches(window, of: symbol) }) {
                windows[symbol]?[window] = nil
            }
        }
        for tick in standing {
            guard let bar = tick.providerBar, counts(bar), !bar.flags.contains(.inProgress),
                !bar.header.flags.contains(.snapshot)
            else { continue }
            for window in OracleWindow.all(of: bar.openTime.nanoseconds, series.window, nil)
            where ranges.contains(where: { $0.touches(window, of: tick.symbol) }) {
                put(bar, window, tick.symbol)
                windows[tick.symbol]?[window]?.isRestarted =
                    missing.hasStart(tick.symbol, .providerBar, in: window)
            }
        }
    }

    func fold(_ clock: OracleClock, _ missing: OracleMissing, into result: inout OracleResult) {
        result.late[series.name] = late
        for (symbol, contents) in windows {
            for (window, content) in contents {
                guard var bar = bar(content, window) else { continue }
                if content.isRestarted || clock.isCut(window.start, symbol)
                    || missing.hasGap(symbol, .providerBar, in: window)
                {
                    bar.flags.insert(.partial)
                }
                let key = BarKey(
                    symbol: symbol, series: series.name, openTime: bar.openTime, number: 0)
                result.bars[key] = bar
            }
        }
    }

    /// Returns the bar of a window; `nil` when no bar of it sets a price.
    private func bar(_ content: Content, _ window: OracleWindow) -> Bar? {
        let all = content.bars.sorted { $0.key < $1.key }.map(\.value)
        let priced = all.filter { $0.trades != 0 }
        guard let first = priced.first, let last = priced.last else { return nil }
        var bar = Bar(
            symbol: 0, series: 0, openTime: Timestamp(nanoseconds: window.start),
            closeTime: Timestamp(nanoseconds: window.end))
        bar.flags = .final
        (bar.open, bar.close) = (first.open, last.close)
        bar.high = Price(raw: priced.map(\.high.raw).reduce(Int64.min, max))
        bar.low = Price(raw: priced.map(\.low.raw).reduce(Int64.max, min))
        var isKnown = true
        for one in all {
            bar.trades +=
                one.trades == ProviderBar.undefinedCount ? 1 : UInt64(clamping: one.trades)
            guard one.volume != ProviderBar.undefinedVolume, one.volume > 0 else { continue }
            bar.volume += one.volume
            if one.vwap.isDefined {
                bar.notional += Int128(one.vwap.raw) * one.volume
            } else {
                isKnown = false
            }
        }
        bar.vwap = isKnown ? OracleFold.vwap(bar.notional, bar.volume) : .undefined
        // What is not known is the end of the range.
        if !isKnown { bar.notional = Int128.max }
        return bar
    }
}
