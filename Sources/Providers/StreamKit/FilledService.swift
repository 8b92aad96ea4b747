package import EngineKit

/// The provider of a service whose past fills gaps.
package protocol FilledService: StreamService
where Wait.Engine: FilledVenue, Requests == HTTPRequests<StreamFetch, StreamAnswer> {
    /// Where the past is; `nil`: nothing is asked for.
    var past: PastAddress? { get }
}

extension FilledService {
    package func makeRequests(
        _ wake: @escaping @Sendable () -> Void
    ) throws -> sending Requests? { try past?.requests(wake) }
}
