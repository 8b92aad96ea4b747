package import EngineKit
package import HTTPClient
internal import Primitives
package import ProviderKit

/// Carries the requests of a load over HTTP. Answers come on the client's thread, and wait there
/// until the loop takes them.
package final class HTTPHistoryClient<Service: HistoryService>: HistoryClient
where Service.Answer == [UInt8] {
    /// Returns the request of HTTP; `nil`: it has no address.
    package typealias Writing = @Sendable (Service.Request) -> HTTPRequest?
    /// Returns what an answer means for the request.
    package typealias Reading =
        @Sendable (Result<HTTPResponse, HTTPError>) -> FetchOutcome<[UInt8]>

    private let requests: NumberedRequests
    private let waker: ProviderWake
    private let write: Writing
    private let read: Reading

    package init(
        _ configuration: HTTPConfiguration, _ waker: ProviderWake, write: @escaping Writing,
        read: @escaping Reading
    ) throws(HTTPError) {
        requests = try NumberedRequests(configuration) { waker.wake() }
        self.waker = waker
        self.write = write
        self.read = read
    }

    package func ask(_ request: Service.Request) -> FetchOutcome<[UInt8]>? {
        guard let written = write(request) else {
            return .refused("the address of the request cannot be used")
        }
        do throws(HTTPError) {
            try requests.begin(written, as: request.number)
            return nil
        } catch {
            return .failed("\(error)")
        }
    }

    package func take(_ body: (UInt64, FetchOutcome<[UInt8]>) -> Void) {
        requests.take { body($0, read($1)) }
    }

    package func wait(_ timeout: Duration) { waker.wait(timeout) }
}
