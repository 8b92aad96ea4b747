internal import HTTPClient
internal import PolledEngine
internal import Primitives
internal import ServiceRuntime

/// Asks the service, with the key. The engine never sees the key, and no error shows it.
final class PolledRequests {
    private let setup: PolledSetup
    private let wake: @Sendable () -> Void
    /// `nil` after its thread broke, until the next request.
    private var client: HTTPClient?
    private var asked: (id: HTTPRequestID, number: UInt64)?

    /// `wake` is called when an answer waits, as that of the first client is.
    init(_ setup: PolledSetup, _ client: HTTPClient, wake: @escaping @Sendable () -> Void) {
        self.setup = setup
        self.client = client
        self.wake = wake
    }

    /// Sends a request. Returns its outcome if there is one at once.
    func ask(_ request: PolledRequest) -> PolledOutcome? {
        guard let url = HTTPURL(setup.address + request.path, query: request.query + setup.query)
        else { return .failed("the address of the request is too long") }
        do throws(HTTPError) {
            let id = try present().request(HTTPRequest(url, headers: setup.headers))
            asked = (id, request.number)
            return nil
        } catch {
            return .failed("\(error)")
        }
    }

    private func present() throws(HTTPError) -> HTTPClient {
        if let client { return client }
        let made = try HTTPClient(setup.http, onOutcome: wake)
        client = made
        return made
    }

    /// Returns the outcome that has come, with the number of its request; `nil`: none has.
    func take() -> (UInt64, PolledOutcome)? {
        for outcome in client?.take() ?? [] where outcome.id == asked?.id {
            let number = asked?.number ?? 0
            asked = nil
            switch outcome.result {
            case .success(let answer):
                return (
                    number,
                    .answer(
                        status: answer.status, body: answer.body,
                        retryAfter: answer.retryAfter?.clampedNanoseconds)
                )
            case .failure(let error):
                if case .broken = error { client = nil }
                return (number, .failed("\(error)"))
            }
        }
        return nil
    }
}
