package import HTTPClient

/// Carries the requests of an engine, and brings the answers. One thread uses it.
package protocol ProviderRequests: AnyObject {
    associatedtype Request
    associatedtype Answer

    /// Sends a request. Returns its answer if there is one at once.
    func ask(_ number: UInt64, _ request: Request) -> Answer?
    /// Hands over the answers that have come, by the numbers of their requests.
    func take(_ body: (UInt64, Answer) -> Void)
}

/// Requests over HTTP. Answers come on the client's thread, and wait there until they are taken.
package final class HTTPRequests<Request: Sendable, Answer: Sendable>: ProviderRequests {
    /// Returns the request of HTTP; `nil`: it has no address.
    package typealias Writing = @Sendable (Request) -> HTTPRequest?
    /// Returns what an answer means for the request.
    package typealias Reading = @Sendable (Result<HTTPResponse, HTTPError>) -> Answer

    private let requests: NumberedRequests
    private let unwritten: Answer
    private let write: Writing
    private let read: Reading

    /// `wake` is called when an answer waits. `unwritten` is that to a request without an address.
    package init(
        _ configuration: HTTPConfiguration, _ wake: @escaping @Sendable () -> Void,
        unwritten: Answer, write: @escaping Writing, read: @escaping Reading
    ) throws(HTTPError) {
        requests = try NumberedRequests(configuration, onOutcome: wake)
        self.unwritten = unwritten
        self.write = write
        self.read = read
    }

    package func ask(_ number: UInt64, _ request: Request) -> Answer? {
        guard let written = write(request) else { return unwritten }
        do throws(HTTPError) {
            try requests.begin(written, as: number)
            return nil
        } catch {
            return read(.failure(error))
        }
    }

    package func take(_ body: (UInt64, Answer) -> Void) {
        requests.take { body($0, read($1)) }
    }
}
