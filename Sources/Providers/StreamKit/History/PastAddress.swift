package import EngineKit
package import HTTPClient

/// Where a service's past is asked for page by page, and with which key. Nothing prints it.
package struct PastAddress: Sendable {
    /// Without a slash at its end.
    private let address: String
    private let headers: [HTTPHeader]
    private let http: HTTPConfiguration
    private let meaning: HTTPMeaning

    package init(
        _ address: String, _ headers: [HTTPHeader], _ http: HTTPConfiguration,
        _ meaning: HTTPMeaning
    ) {
        (self.address, self.headers, self.http, self.meaning) = (address, headers, http, meaning)
    }

    /// Makes what carries requests, which calls `wake` when an answer waits.
    package func requests<Request: PastRequest>(
        _ wake: @escaping @Sendable () -> Void
    ) throws(HTTPError) -> sending HTTPRequests<Request, StreamAnswer> {
        try HTTPRequests(
            http, wake, unwritten: .refused("the address of the request cannot be used")
        ) { [address, headers] request in
            HTTPURL(address + request.target).map { HTTPRequest($0, headers: headers) }
        } read: { [meaning] in
            meaning.outcome(of: $0)
        }
    }
}
