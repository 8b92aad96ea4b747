package import EngineKit
package import HTTPClient

/// Where a service's past is asked for page by page, and with which key. Nothing prints it.
package struct PastAddress: Sendable {
    /// Without a slash at its end.
    private let address: String
    private let headers: @Sendable () -> [HTTPHeader]
    private let denied: @Sendable () -> Void
    private let http: HTTPConfiguration
    private let meaning: HTTPMeaning

    /// `headers` are asked for with each request, `key` is read again when the service denies one.
    package init(
        _ address: String, _ http: HTTPConfiguration, _ meaning: HTTPMeaning, key: ServiceKey,
        headers: @escaping @Sendable () -> [HTTPHeader]
    ) {
        (self.address, self.headers, self.http, self.meaning) = (address, headers, http, meaning)
        denied = { key.renew() }
    }

    /// Makes what carries requests, which calls `wake` when an answer waits.
    package func requests<Request: PastRequest>(
        _ wake: @escaping @Sendable () -> Void
    ) throws(HTTPError) -> sending HTTPRequests<Request, StreamAnswer> {
        try HTTPRequests(
            http, wake, unwritten: .refused("the address of the request cannot be used")
        ) { [address, headers] request in
            HTTPURL(address + request.target).map { HTTPRequest($0, headers: headers()) }
        } read: { [meaning, denied] result in
            let outcome = meaning.outcome(of: result)
            if case .denied = outcome { denied() }
            return outcome
        }
    }
}
