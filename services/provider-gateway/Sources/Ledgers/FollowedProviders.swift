/// The providers whose records a ledger follows, beside gaps and subscriptions.
struct FollowedProviders: Equatable, Sendable {
    /// The provider that continues after its last trades; `nil`: there is none.
    var ids: String?
    /// Whether its ids follow each other. Otherwise only the last one counts.
    var hasDenseIDs = true
    /// The providers that continue by values.
    var values: Set<String> = []
}
