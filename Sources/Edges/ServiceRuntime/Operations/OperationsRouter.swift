internal import Primitives

/// Finds the answer to a path. Closures run on the thread of the operations port.
final class OperationsRouter: Sendable {
    /// The parameter is the request's `Accept` header.
    typealias Endpoint = @Sendable (String?) -> OperationsResponse

    /// More endpoints are a bug, because code names them.
    static let endpointsMax = 64

    private let endpoints = ConditionLock<[String: Endpoint]>([:])

    func add(_ path: String, _ endpoint: @escaping Endpoint) {
        precondition(path.hasPrefix("/"), "a path begins with a slash, unlike \(path)")
        endpoints.withLock { endpoints in
            endpoints[path] = endpoint
            precondition(
                endpoints.count <= OperationsRouter.endpointsMax,
                "the operations port has more than \(OperationsRouter.endpointsMax) endpoints")
        }
    }

    func response(to path: String, accept: String? = nil) -> OperationsResponse {
        if let endpoint = endpoints.withLock({ $0[path] }) { return endpoint(accept) }
        let known = endpoints.withLock { $0.keys.sorted() }.joined(separator: " ")
        return .text("not found; there is: \(known)", status: 404)
    }

    /// Adds the four pages that every service has.
    func addStandardPages(
        status: StatusPage, readiness: Readiness,
        metrics: @escaping @Sendable (MetricFormat) -> [UInt8]
    ) {
        add("/status") { _ in status.response() }
        add("/metrics") { accept in
            let format = AcceptHeader(accept).metricFormat
            return .metrics(metrics(format), format)
        }
        add("/healthz") { _ in
            let health = readiness.health
            return health.live
                ? .text("alive")
                : .text("not alive\n" + health.reasons.joined(separator: "\n"), status: 503)
        }
        add("/readyz") { _ in
            let health = readiness.health
            guard health.ready else {
                return .text("not ready\n" + health.reasons.joined(separator: "\n"), status: 503)
            }
            return .text((["ready"] + health.degraded).joined(separator: "\ndegraded: "))
        }
    }
}
