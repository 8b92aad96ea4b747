internal import MarketModel

/// What was added to the last seconds of gaps, per instrument and kind: a gap that comes soon
/// behind reaches back into them, and must not add the same once more.
struct BackfillBorders: Sendable {
    struct Key: Hashable, Sendable {
        var instrument: UInt32
        var kind: DataKind

        init(_ gap: OpenGap) {
            instrument = gap.instrument
            kind = gap.kind
        }
    }

    private struct Border: Sendable {
        var ticks: [TickLikeness] = []
        /// Of the seconds before, nobody knows any more what was added.
        var known = Int64.min
    }

    private var borders: [Key: Border] = [:]

    /// More than `max` are not kept: the next gap begins behind them.
    mutating func note(_ likenesses: [TickLikeness], of key: Key, max: Int) {
        guard !likenesses.isEmpty else { return }
        var border = borders.removeValue(forKey: key) ?? Border()
        border.ticks += likenesses
        if border.ticks.count > max {
            border.known = border.ticks.reduce(border.known) { Swift.max($0, $1.second + 1) }
            border.ticks = []
        }
        borders[key] = border
    }

    /// The first second in which a gap may be compared with what arrived.
    func known(_ key: Key) -> Int64 { borders[key]?.known ?? Int64.min }

    /// What was added from this second on; what lies before it is forgotten.
    mutating func ticks(of key: Key, from second: Int64) -> [TickLikeness] {
        borders[key]?.ticks.removeAll { $0.second < second }
        return borders[key]?.ticks ?? []
    }

    mutating func forget(instrument: UInt32) {
        borders = borders.filter { $0.key.instrument != instrument }
    }
}
