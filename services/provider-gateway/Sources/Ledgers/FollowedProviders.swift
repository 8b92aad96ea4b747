/// The providers whose records a ledger follows, beside gaps and subscriptions.
struct FollowedProviders: Equatable, Sendable {
    /// The provider that continues by the ids of its trades; `nil`: there is none.
    var ids: String?
    /// The providers that continue by values.
    var values: Set<String> = []
}
