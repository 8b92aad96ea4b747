internal import MarketModel

/// Dirty ranges, to be asked by window.
struct RepairRanges: Sendable {
    /// By symbol.
    private let ranges: [DirtyRange]

    init(_ ranges: [DirtyRange]) {
        self.ranges = ranges.sorted {
            ($0.symbol, $0.from, $0.to, $0.reason) < ($1.symbol, $1.from, $1.to, $1.reason)
        }
    }

    /// In ascending order, each once.
    var symbols: [UInt32] {
        var symbols: [UInt32] = []
        for range in ranges where symbols.last != range.symbol { symbols.append(range.symbol) }
        return symbols
    }

    /// The greatest reason among the ranges that a window overlaps; nil: it overlaps none.
    func reason(_ symbol: UInt32, _ bounds: WindowShape.Bounds) -> UInt8? {
        var reason: UInt8?
        forEach(symbol, bounds) { reason = max(reason ?? 0, $0.reason) }
        return reason
    }

    func has(_ reason: BarReason, _ symbol: UInt32, _ bounds: WindowShape.Bounds) -> Bool {
        var isFound = false
        forEach(symbol, bounds) { isFound = isFound || $0.reason == reason.rawValue }
        return isFound
    }

    private func forEach(
        _ symbol: UInt32, _ bounds: WindowShape.Bounds, _ body: (DirtyRange) -> Void
    ) {
        var low = 0
        var high = ranges.count
        while low < high {
            let middle = (low + high) / 2
            if ranges[middle].symbol < symbol { low = middle + 1 } else { high = middle }
        }
        while low < ranges.count, ranges[low].symbol == symbol, ranges[low].from < bounds.end {
            if bounds.overlaps(from: ranges[low].from, to: ranges[low].to) { body(ranges[low]) }
            low += 1
        }
    }
}
