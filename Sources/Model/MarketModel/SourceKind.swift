/// What the ticks of a source are. The order is that of preference: where ticks of a lower kind
/// are beside those of a higher one, nothing that is derived from several sources takes them unless
/// a person names their source.
public enum SourceKind: String, CaseIterable, Sendable {
    /// Ticks of a market, as they come.
    case real
    /// Ticks of a market that a broker delivers minutes later.
    case delayed
    /// Ticks of a generated market, of a recording, or of a provider's past.
    case madeUp = "made up"

    /// The providers whose ticks are made up.
    private static let makingUp: Set<String> = ["synthetic", "simulator", "replay"]

    /// Returns whether the ticks of a provider are made up.
    public static func isMadeUp(provider: String) -> Bool { makingUp.contains(provider) }

    /// The kind of a source whose ticks come from these providers.
    public init(of source: SourceName, providers: some Sequence<String>) {
        if source.isHistory || providers.contains(where: { Self.isMadeUp(provider: $0) }) {
            self = .madeUp
        } else {
            self = source.isDelayed ? .delayed : .real
        }
    }
}
