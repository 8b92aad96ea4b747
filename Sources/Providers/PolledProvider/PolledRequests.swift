internal import HTTPClient
internal import PolledEngine
internal import Primitives
internal import ServiceRuntime

/// Asks the service, with the key. The engine never sees the key, and no error shows it.
final class PolledRequests {
    private let setup: PolledSetup
    private let requests: NumberedRequests

    /// `wake` is called when an answer waits.
    init(_ setup: PolledSetup, wake: @escaping @Sendable () -> Void) throws(HTTPError) {
        self.setup = setup
        requests = try NumberedRequests(setup.http, onOutcome: wake)
    }

    /// Sends a request. Returns its outcome if there is one at once.
    func ask(_ request: PolledRequest) -> PolledOutcome? {
        guard let url = HTTPURL(setup.address + request.path, query: request.query + setup.query)
        else { return .failed("the address of the request is too long") }
        do throws(HTTPError) {
            try requests.begin(HTTPRequest(url, headers: setup.headers), as: request.number)
            return nil
        } catch {
            return .failed("\(error)")
        }
    }

    /// Hands over the outcome that has come, with the number of its request.
    func take(_ body: (UInt64, PolledOutcome) -> Void) {
        requests.take { number, result in
            switch result {
            case .success(let answer):
                body(
                    number,
                    .answer(
                        status: answer.status, body: answer.body,
                        retryAfter: answer.retryAfter?.clampedNanoseconds))
            case .failure(let error): body(number, .failed("\(error)"))
            }
        }
    }
}
