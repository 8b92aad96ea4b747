internal import MarketModel
internal import Primitives
internal import StreamCore

/// Numbers of a window's ticks, computed from the list of them.
struct OracleAggregates {
    /// Returns the number in 1e-9; `nil` when there is none.
    static func value(
        _ function: AggregateFunction, of entries: [OracleEntry], _ bar: Bar
    ) -> Int128? {
        let prices = entries.compactMap { entry in
            if case .share(let price, _, _, _, _) = entry.part { Int128(price) } else { nil }
        }
        guard !prices.isEmpty else { return nil }
        switch function {
        case .first: return Int128(bar.open.raw)
        case .last: return Int128(bar.close.raw)
        case .min: return prices.min()
        case .max: return prices.max()
        case .sum: return prices.reduce(0, +)
        case .count: return Int128(prices.count) * 1_000_000_000
        case .mean: return mean(prices)
        case .vwap: return bar.vwap.isDefined ? Int128(bar.vwap.raw) : nil
        // The entries' prices are spreads here.
        case .spread: return mean(prices)
        }
    }

    /// Returns the mean, rounded half away from zero.
    private static func mean(_ numbers: [Int128]) -> Int128 {
        let (sum, count) = (numbers.reduce(0, +), Int128(numbers.count))
        let magnitude = (2 * abs(sum) + count) / (2 * count)
        return sum < 0 ? -magnitude : magnitude
    }
}
