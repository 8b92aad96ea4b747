internal import MarketModel

/// The ticks that were added to the last seconds of gaps, per instrument and kind. A gap that comes
/// soon after reaches back into these seconds, and must not add the same ticks again.
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
        /// What was added in the seconds from `known` on.
        var ticks: [TickLikeness] = []
        /// The ticks that were added to seconds before this one are not known any more.
        var known = Int64.min
    }

    private var borders: [Key: Border] = [:]

    /// Notes what a gap added near its end. At most `max` ticks are kept. Beyond it all are
    /// forgotten, and the next gap begins after them.
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

    /// Returns the first second from which on all added ticks are known. A gap may not begin before
    /// it.
    func known(_ key: Key) -> Int64 { borders[key]?.known ?? Int64.min }

    /// Returns the ticks that were added from this second on, and forgets earlier ones.
    mutating func ticks(of key: Key, from second: Int64) -> [TickLikeness] {
        borders[key]?.ticks.removeAll { $0.second < second }
        return borders[key]?.ticks ?? []
    }

    mutating func forget(instrument: UInt32) {
        borders = borders.filter { $0.key.instrument != instrument }
    }
}
