package import EngineKit
package import ProviderKit

/// Carries the requests of a load over HTTP.
package final class HTTPHistoryClient<Service: HistoryService>: HistoryClient
where Service.Answer == [UInt8] {
    package typealias Requests = HTTPRequests<Service.Request, FetchOutcome<[UInt8]>>

    private let requests: Requests
    private let waker: ProviderWake

    /// `requests` call `waker` when an answer waits.
    package init(_ requests: sending Requests, _ waker: ProviderWake) {
        self.requests = requests
        self.waker = waker
    }

    package func ask(_ request: Service.Request) -> FetchOutcome<[UInt8]>? {
        requests.ask(request.number, request)
    }

    package func take(_ body: (UInt64, FetchOutcome<[UInt8]>) -> Void) { requests.take(body) }

    package func wait(_ timeout: Duration) { waker.wait(timeout) }
}
