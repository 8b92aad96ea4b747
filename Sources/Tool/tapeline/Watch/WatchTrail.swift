import MarketModel
import Primitives
import TapeTransport

/// Remembers when a look found something new of a source, and of the bars. Pure.
struct WatchTrail: Sendable {
    static let bars = "bars"

    private struct Head: Sendable {
        var ordinals: UInt64
        var changedAt: MonotonicTime?
    }

    private var heads: [String: Head] = [:]

    /// Takes a look, and returns when something new was found last. What the tape does not have any
    /// more is forgotten.
    mutating func note(_ sample: WatchSample) -> [String: MonotonicTime] {
        var sums = [String: UInt64](
            sample.ticks.map { ($0.source.text, $0.lastOrdinal) }, uniquingKeysWith: { $0 &+ $1 })
        if !sample.bars.isEmpty {
            sums[Self.bars] = sample.bars.reduce(0) { $0 &+ $1.lastOrdinal }
        }
        heads = heads.filter { sums[$0.key] != nil }
        for (name, ordinals) in sums {
            var head = heads[name] ?? Head(ordinals: ordinals)
            if head.ordinals != ordinals { head.changedAt = sample.readAt }
            head.ordinals = ordinals
            heads[name] = head
        }
        return heads.compactMapValues(\.changedAt)
    }
}
