package import EngineKit
package import HTTPClient
package import ProviderKit

/// Carries the requests of a load over HTTP.
package final class HTTPHistoryClient<Service: HistoryService>: HistoryClient
where Service.Answer == [UInt8] {
    package typealias Requests = HTTPRequests<Service.Request, FetchOutcome<[UInt8]>>

    private let requests: Requests
    private let waker: ProviderWake

    package init(
        _ configuration: HTTPConfiguration, _ waker: ProviderWake,
        write: @escaping Requests.Writing, read: @escaping Requests.Reading
    ) throws(HTTPError) {
        requests = try Requests(
            configuration, { waker.wake() },
            unwritten: .refused("the address of the request cannot be used"), write: write,
            read: read)
        self.waker = waker
    }

    package func ask(_ request: Service.Request) -> FetchOutcome<[UInt8]>? {
        requests.ask(request.number, request)
    }

    package func take(_ body: (UInt64, FetchOutcome<[UInt8]>) -> Void) { requests.take(body) }

    package func wait(_ timeout: Duration) { waker.wait(timeout) }
}
