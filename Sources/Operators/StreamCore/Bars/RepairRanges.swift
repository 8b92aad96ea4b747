internal import MarketModel

/// Stretches of time by symbol, to be queried by window and by tick: dirty ranges, or the extents
/// of which a repair machine keeps ticks. A query walks over the stretches of one symbol only.
public struct RepairRanges: Sendable {
    /// A time [from, to) of a symbol.
    struct Stretch: Hashable, Sendable {
        var from: Int64
        var to: Int64
        /// A raw `BarReason`; the greatest where several ranges overlap.
        var reason: UInt8
    }

    /// The symbols in ascending order, each once.
    public private(set) var symbols: [UInt32] = []
    /// By symbol, the index of its first stretch; one more entry for the end.
    private var places: [Int] = [0]
    /// Grouped by symbol, and in order. No two of one symbol overlap.
    private var stretches: [Stretch] = []

    public init(_ ranges: [DirtyRange] = []) {
        let known = ranges.filter { $0.symbol < StreamLimits.symbolsMax && $0.from < $0.to }
        let sorted = known.sorted {
            ($0.symbol, $0.from, $0.to, $0.reason) < ($1.symbol, $1.from, $1.to, $1.reason)
        }
        var first = 0
        while first < sorted.count {
            let symbol = sorted[first].symbol
            var end = first
            while end < sorted.count, sorted[end].symbol == symbol { end += 1 }
            while places.count <= Int(symbol) { places.append(stretches.count) }
            symbols.append(symbol)
            append(sorted[first..<end])
            places.append(stretches.count)
            first = end
        }
    }

    /// Keeps the times without their reasons. Stretches that touch are joined, so that `covers`
    /// finds a window in one of them.
    public init(extents ranges: [DirtyRange]) {
        self.init(
            ranges.map { range in
                var one = range
                one.reason = 0
                return one
            })
    }

    /// Keeps the ranges that were requested, by a person as a rule. Their bars are made right from
    /// scratch: what is on the tape there and the repair does not make is withdrawn.
    init(requested ranges: [DirtyRange]) {
        self.init(ranges.filter { $0.reason == BarReason.repair.rawValue })
    }

    /// Appends the ranges of one symbol, cut where the greatest reason changes.
    private mutating func append(_ ranges: ArraySlice<DirtyRange>) {
        var edges: [(time: Int64, reason: UInt8, step: Int)] = []
        for range in ranges {
            edges.append((range.from, range.reason, 1))
            edges.append((range.to, range.reason, -1))
        }
        edges.sort { ($0.time, $0.reason, $0.step) < ($1.time, $1.reason, $1.step) }
        var open = [Int](repeating: 0, count: Int(edges.map(\.reason).max() ?? 0) + 1)
        let start = stretches.count
        for (place, edge) in edges.enumerated() {
            open[Int(edge.reason)] += edge.step
            guard place + 1 < edges.count, edges[place + 1].time > edge.time,
                let reason = open.lastIndex(where: { $0 > 0 })
            else { continue }
            let one = Stretch(
                from: edge.time, to: edges[place + 1].time, reason: UInt8(reason))
            if stretches.count > start, let last = stretches.last, last.to == one.from,
                last.reason == one.reason
            {
                stretches[stretches.count - 1].to = one.to
            } else {
                stretches.append(one)
            }
        }
    }

    /// Returns the stretches of a symbol, in order.
    func of(_ symbol: UInt32) -> ArraySlice<Stretch> {
        guard Int(symbol) + 1 < places.count else { return [] }
        return stretches[places[Int(symbol)]..<places[Int(symbol) + 1]]
    }

    /// Returns the indexes of the symbol's stretches that end after `time`; empty if none does.
    private func first(_ symbol: UInt32, endingBehind time: Int64) -> Range<Int> {
        guard Int(symbol) + 1 < places.count else { return 0..<0 }
        let own = stretches[places[Int(symbol)]..<places[Int(symbol) + 1]]
        return own.partitioningIndex { $0.to > time }..<own.endIndex
    }

    /// Returns the greatest reason among the ranges that [from, to) overlaps; `nil` when it
    /// overlaps none.
    func reason(_ symbol: UInt32, from: Int64, to: Int64) -> UInt8? {
        var reason: UInt8?
        for place in first(symbol, endingBehind: from) {
            guard stretches[place].from < to else { break }
            reason = max(reason ?? 0, stretches[place].reason)
        }
        return reason
    }

    func reason(_ symbol: UInt32, _ bounds: WindowShape.Bounds) -> UInt8? {
        reason(symbol, from: bounds.start, to: bounds.end)
    }

    /// Returns whether a stretch of the symbol holds the time.
    public func holds(_ symbol: UInt32, _ time: Int64) -> Bool {
        let rest = first(symbol, endingBehind: time)
        return !rest.isEmpty && stretches[rest.lowerBound].from <= time
    }

    /// Returns whether [from, to) is completely inside one extent.
    func covers(_ symbol: UInt32, from: Int64, to: Int64) -> Bool {
        let rest = first(symbol, endingBehind: from)
        guard !rest.isEmpty else { return false }
        let one = stretches[rest.lowerBound]
        return one.from <= from && to <= one.to
    }
}
