internal import MarketModel
internal import Primitives
internal import StreamCore

// How an aggregate node makes numbers of the bars of its leaf, which are not published themselves.

extension LeafPlan {
    /// Appends the numbers of a version of a window. `bar.series` is the leaf's own index.
    func publish(_ bar: Bar, into values: inout [GraphValue]) {
        for named in self.values[Int(bar.series)] {
            let value = named.function.value(of: bar)
            // A first version without a number is not published. A number that a later version no
            // longer has must be published as undefined.
            if value == IndicatorValue.undefined, bar.reason == BarReason.closed.rawValue {
                continue
            }
            values.append(
                GraphValue(
                    symbol: bar.symbol, name: named.name, value: value,
                    periodStart: bar.openTime, periodEnd: bar.closeTime, reason: bar.reason))
        }
    }
}

extension AggregateFunction {
    /// Returns the function's number for a window, in 1e-9; `IndicatorValue.undefined` when it has
    /// none. Except for `vwap`, each tick of `bar` was counted with size one, so that the bar's
    /// VWAP is the mean.
    func value(of bar: Bar) -> Int128 {
        if self == .count { return Int128(bar.trades) * 1_000_000_000 }
        guard !bar.flags.contains(.withdrawn) else { return IndicatorValue.undefined }
        switch self {
        case .first: return Self.number(bar.open)
        case .last: return Self.number(bar.close)
        case .min: return Self.number(bar.low)
        case .max: return Self.number(bar.high)
        case .mean, .vwap, .spread: return Self.number(bar.vwap)
        // The notional is in 1e-17: a price in 1e-9 times a size in 1e-8.
        case .sum: return bar.vwap.isDefined ? bar.notional / 100_000_000 : IndicatorValue.undefined
        case .count: return Int128(bar.trades) * 1_000_000_000
        }
    }

    private static func number(_ price: Price) -> Int128 {
        price.isDefined ? Int128(price.raw) : IndicatorValue.undefined
    }
}
