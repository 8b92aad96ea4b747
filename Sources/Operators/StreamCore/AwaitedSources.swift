internal import MarketModel

/// The sources for which what is derived from several sources waits: all of them, but for delayed
/// ones that no node over several sources can count. Delayed ticks come minutes late, so waiting
/// for them has a price.
struct AwaitedSources: Sendable {
    /// The sources and groups that nodes over several sources name; `nil` when a node names none,
    /// and so may count any source, or when there is no such node.
    private let named: Set<SourceName>?
    private let groups: SourceGroups

    /// `rules` are those of all nodes over several sources.
    init(_ rules: [BreadthRule] = [], _ groups: SourceGroups = SourceGroups()) {
        self.groups = groups
        let isChosen = !rules.isEmpty && rules.allSatisfy { !$0.sources.isEmpty }
        named = isChosen ? Set(rules.flatMap(\.sources)) : nil
    }

    func contains(_ source: SourceName) -> Bool {
        guard let named, source.isDelayed else { return true }
        return named.contains(groups.owner(of: source))
    }
}
