import MarketModel

/// What the ticks of a source are, for people: `made up`, `simulated`, `loaded`, `delayed` or
/// `real`, as `tapeline source list` has it. Pure.
enum SourceOrigin {
    static let (simulated, loaded) = ("simulated", "loaded")

    /// `providers`: those of its gateways. Returns `nil` while they are not known, unless its name
    /// or a setting says it: nothing is called real without them.
    static func words(
        of source: String, providers: Set<String>, simulated: Set<String>
    ) -> String? {
        let isMadeUp = providers.contains { SourceKind.isMadeUp(provider: $0) }
        if isMadeUp { return SourceKind.madeUp.rawValue }
        if simulated.contains(source) { return Self.simulated }
        guard let name = SourceName(source) else { return nil }
        if name.isHistory { return loaded }
        if name.isDelayed { return SourceKind.delayed.rawValue }
        return providers.isEmpty ? nil : SourceKind(of: name, providers: providers).rawValue
    }
}

extension Sighting {
    /// What the ticks of a source are. What its gateways said last counts, however old it is.
    func origin(of source: String) -> String? {
        let own = (services.value ?? []).filter { $0.source == source }
        return SourceOrigin.words(
            of: source, providers: Set(own.flatMap(\.process.providers)),
            simulated: told.simulated)
    }
}
