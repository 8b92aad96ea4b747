internal import MarketModel
internal import TapeCodec

/// Which holes of a lane may be what the tape was purged of before the lane had read it: those
/// before the first packet of each source after the opening. Later ones are losses. Pure.
struct LettingGo: Sendable {
    /// The sources of the position of which no packet came since.
    private var sources: Set<SourceName> = []
    /// Whether the stream's description says that the packet of the position was purged.
    var isProven = false

    init() {}

    init(_ position: TapePosition?) {
        sources = Set(position?.sources.map(\.source) ?? [])
    }

    func isFirst(of source: SourceName) -> Bool { sources.contains(source) }

    mutating func took(_ source: SourceName) {
        if !sources.isEmpty { sources.remove(source) }
    }
}
