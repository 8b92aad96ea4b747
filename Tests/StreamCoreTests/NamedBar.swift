import MarketModel
import Primitives

@testable import StreamCore

/// A version of a bar without indices, so that two independent calculations can be compared.
struct NamedBar: Hashable {
    struct Key: Hashable {
        var symbol: String
        var series: String
        var openTime: Int64
        var number: Int64
    }

    var symbol: String
    var series: String
    var number: Int64 = 0
    var flags: BarFlags
    var reason: UInt8 = 0
    var openTime: Int64
    var closeTime: Int64
    var prices: [Int64]
    var trades: UInt64
    var excluded: Bar.Excluded
    var volume: Int128
    var notional: Int128

    var key: Key { Key(symbol: symbol, series: series, openTime: openTime, number: number) }

    func without(_ flags: BarFlags) -> NamedBar {
        var bar = self
        bar.flags.subtract(flags)
        return bar
    }
}

extension NamedBar {
    init(_ bar: Bar, _ symbols: SymbolTable, _ series: BarSeriesSet) {
        self.init(
            symbol: symbols.pair(at: bar.symbol).symbol.text,
            series: series.all[Int(bar.series)].name.text, number: bar.number, flags: bar.flags,
            reason: bar.reason, openTime: bar.openTime.nanoseconds,
            closeTime: bar.closeTime.nanoseconds,
            prices: [bar.open, bar.high, bar.low, bar.close, bar.vwap].map(\.raw),
            trades: bar.trades, excluded: bar.excluded, volume: bar.volume,
            notional: bar.notional)
    }
}

extension [NamedBar] {
    /// The last version of each bar, without withdrawn ones and without reasons.
    var lastVersions: [NamedBar] {
        var last: [NamedBar.Key: NamedBar] = [:]
        for var bar in self {
            bar.reason = 0
            last[bar.key] = bar
        }
        return last.values.filter { !$0.flags.contains(.withdrawn) }
    }
}

/// Returns what only one of two lists has, short enough for a test's output.
func difference(_ left: [NamedBar], _ right: [NamedBar]) -> String {
    let only = Set(left).symmetricDifference(right).sorted {
        ($0.closeTime, $0.symbol, $0.series, $0.number)
            < ($1.closeTime, $1.symbol, $1.series, $1.number)
    }
    let shown = only.prefix(3).map { (Set(left).contains($0) ? "left " : "right ") + "\($0)" }
    guard shown.isEmpty else { return "\(only.count) differ: " + shown.joined(separator: "\n") }
    return left.count == right.count ? "" : "\(left.count) and \(right.count), some twice"
}
