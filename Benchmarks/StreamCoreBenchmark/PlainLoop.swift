import MarketModel

/// The least work for bars of trades, for comparison: one window per symbol, arithmetic that wraps,
/// no late, partial or excluded trades, no order of arrival, nothing closed.
struct PlainLoop {
    struct Window {
        var open: Int64 = 0
        var high = Int64.min
        var low = Int64.max
        var close: Int64 = 0
        var volume: Int128 = 0
        var notional: Int128 = 0
        var trades: UInt64 = 0
    }

    private(set) var windows: [Window]

    init(symbols: Int) { windows = [Window](repeating: Window(), count: symbols) }

    mutating func add(_ trades: [Trade]) {
        for trade in trades {
            let symbol = Int(trade.header.symbol)
            let product = trade.price.raw.multipliedFullWidth(by: trade.size.raw)
            windows[symbol].add(
                trade.price.raw, trade.size.raw, Int128(_low: product.low, _high: product.high))
        }
    }
}

extension PlainLoop.Window {
    @inline(__always)
    mutating func add(_ price: Int64, _ size: Int64, _ product: Int128) {
        if trades == 0 { open = price }
        trades &+= 1
        close = price
        high = max(high, price)
        low = min(low, price)
        volume &+= Int128(size)
        notional &+= product
    }
}
