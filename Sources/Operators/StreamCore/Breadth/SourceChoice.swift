internal import MarketModel
internal import Primitives

/// Which sources count for values over several sources, and for which of them the values wait.
///
/// A source that is silent or retired in each partition counts in windows up to its last watermark.
/// Where nobody named sources, those of a lower kind than another one that is not retired do not
/// count at all: made-up ticks never get among real ones because both are on the tape. Nothing
/// waits for a source that does not count.
struct SourceChoice: Hashable, Sendable {
    /// By source that does not count everywhere, the end of the last window in which it counts.
    private var ends: [SourceName: Int64] = [:]
    /// By source whose ticks are not real, their kind.
    private var kinds: [SourceName: SourceKind] = [:]
    /// The sources that a person named; empty when all are.
    private let named: Set<SourceName>
    /// The lowest rank that counts where no sources are named; `nil` while there are no bars that
    /// tell, so that each source may count.
    private var rankMax: Int?

    /// Lets every source count that a person named.
    init(named: [SourceName] = []) { self.named = Set(named) }

    /// `states` has what each partition said last, `sources` are those of the symbols, `bars` those
    /// of symbols whose bars count, which are all if it is `nil`, and `named` those that a person
    /// named; empty when all count.
    init(
        _ states: [[SourceState]], among sources: Set<SourceName>, bars: Set<SourceName>? = nil,
        named: [SourceName]
    ) {
        self.init(named: named)
        var merged: [SourceName: SourceState] = [:]
        var counts: [SourceName: Int] = [:]
        for state in states.joined() {
            merged[state.source] = merged[state.source].map { Self.merge($0, state) } ?? state
            counts[state.source, default: 0] += 1
        }
        // A partition that says nothing of a source knows it as present, and of the kind real if it
        // has its bars.
        for (source, count) in counts where count < states.count {
            merged[source]?.presence = .present
        }
        for (source, state) in merged {
            if state.kind != .real { kinds[source] = state.kind }
            guard state.presence != .present, sources.contains(source) else { continue }
            ends[source] = state.since.nanoseconds
        }
        guard named.isEmpty else { return }
        rankMax = (bars ?? sources).filter { merged[$0]?.presence != .retired }.map { rank(of: $0) }
            .min()
        for source in sources where rank(of: source) > rankMax ?? 0 {
            ends[source] = Int64.min
        }
    }

    /// Returns what two partitions say together.
    private static func merge(_ left: SourceState, _ right: SourceState) -> SourceState {
        var merged = left.joined(with: right)
        // A partition without ticks of the source does not know what these are.
        merged.kind = left.kind.number > right.kind.number ? left.kind : right.kind
        return merged
    }

    /// Returns the place of a source in the order of preference. A past comes last, behind what is
    /// made up: on the tape it is of that kind.
    private func rank(of source: SourceName) -> Int {
        let kind = kinds[source] ?? .real
        return kind == .madeUp && source.isHistory ? SourceKind.allCases.count : Int(kind.number)
    }

    /// Whether every source counts in every window.
    var isPlain: Bool { ends.isEmpty }

    /// Returns the end of the last window in which the source counts.
    func end(of source: SourceName) -> Int64 { ends[source] ?? Int64.max }

    /// Returns the time up to which the bars of a partition are complete for this choice, by what
    /// its packet says of sources; `nil` when it says that of none that counts or may count.
    func watermark(_ said: [SourceState]) -> Timestamp? {
        var least = Timestamp.undefined
        for state in said where state.watermark.isDefined && awaits(state.source) {
            least = min(least, state.watermark)
        }
        return least.isDefined ? least : nil
    }

    /// Whether the source counts, or would as soon as it has bars.
    private func awaits(_ source: SourceName) -> Bool {
        guard named.isEmpty else { return named.contains(source) }
        return rankMax.map { rank(of: source) <= $0 } ?? true
    }
}
