internal import MarketModel
internal import Primitives

/// Which sources count for values over several sources.
///
/// A source that is silent or retired in each partition counts in windows up to its last watermark.
/// Where nobody named sources, those of a lower kind than another one that is not retired do not
/// count at all: made-up ticks never get among real ones because both are on the tape.
struct SourceChoice: Hashable, Sendable {
    /// By source that does not count everywhere, the end of the last window in which it counts.
    private var ends: [SourceName: Int64] = [:]

    /// Lets every source count.
    init() {}

    /// `states` has what each partition said last, `sources` are those that have bars, and
    /// `isNamed` says whether a person named them.
    init(_ states: [[SourceState]], among sources: Set<SourceName>, isNamed: Bool) {
        var merged: [SourceName: SourceState] = [:]
        var counts: [SourceName: Int] = [:]
        for state in states.joined() where sources.contains(state.source) {
            merged[state.source] = merged[state.source].map { Self.merge($0, state) } ?? state
            counts[state.source, default: 0] += 1
        }
        // A partition that says nothing of a source knows it as present, and of the kind real if it
        // has its bars.
        for (source, count) in counts where count < states.count {
            merged[source]?.presence = .present
        }
        for (source, state) in merged where state.presence != .present {
            ends[source] = state.since.nanoseconds
        }
        guard !isNamed else { return }
        func kind(_ source: SourceName) -> UInt8 {
            (merged[source]?.kind ?? .real).number
        }
        let best = sources.filter { merged[$0]?.presence != .retired }.map { kind($0) }.min() ?? 0
        for source in sources where kind(source) > best { ends[source] = Int64.min }
    }

    /// Returns what two partitions say together.
    private static func merge(_ left: SourceState, _ right: SourceState) -> SourceState {
        var merged = left.joined(with: right)
        // A partition without ticks of the source does not know what these are.
        merged.kind = left.kind.number > right.kind.number ? left.kind : right.kind
        return merged
    }

    /// Whether every source counts in every window.
    var isPlain: Bool { ends.isEmpty }

    /// Returns the end of the last window in which the source counts.
    func end(of source: SourceName) -> Int64 { ends[source] ?? Int64.max }
}
