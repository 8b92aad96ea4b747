package import VenueWeb

/// The settings of the simulated Massive.
package struct MassiveSettings: Equatable, Sendable {
    package var web = WebSettings()
    package var key = "test-key"
    /// Sessions at the same time. A further one ends the oldest, which gets `max_connections`.
    package var sessionsMax = 1
    /// Requests in a minute, as the free plan limits them. Further ones are answered by 429. `nil`:
    /// any number.
    package var requestsPerMinute: Int?
    /// The plan includes streams. Otherwise a client gets `auth_failed`.
    package var hasStreams = true
    /// The plan includes quotes. Otherwise they are answered by an error and by 403.
    package var hasQuotes = true

    package init() {}
}
