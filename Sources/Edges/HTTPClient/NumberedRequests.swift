/// The requests of a client by the numbers that their owner gives them. A client whose thread broke
/// is replaced by the next request.
package final class NumberedRequests {
    private let configuration: HTTPConfiguration
    private let onOutcome: @Sendable () -> Void
    /// `nil` after its thread broke.
    private(set) var client: HTTPClient?
    private var numbers: [HTTPRequestID: UInt64] = [:]

    package init(
        _ configuration: HTTPConfiguration, onOutcome: @escaping @Sendable () -> Void
    ) throws(HTTPError) {
        self.configuration = configuration
        self.onOutcome = onOutcome
        client = try HTTPClient(configuration, onOutcome: onOutcome)
    }

    /// Has a request made.
    package func begin(_ request: HTTPRequest, as number: UInt64) throws(HTTPError) {
        do throws(HTTPError) {
            numbers[try present().request(request)] = number
        } catch {
            // Nothing runs on it: a thread that ends gives each of its requests an outcome.
            if case .broken = error, numbers.isEmpty { client = nil }
            throw error
        }
    }

    private func present() throws(HTTPError) -> HTTPClient {
        if let client { return client }
        let made = try HTTPClient(configuration, onOutcome: onOutcome)
        client = made
        return made
    }

    /// Hands over the outcomes that have come, by the numbers of their requests.
    package func take(_ body: (UInt64, Result<HTTPResponse, HTTPError>) -> Void) {
        guard !numbers.isEmpty else { return }
        var taken: [(UInt64, Result<HTTPResponse, HTTPError>)] = []
        for outcome in client?.take() ?? [] {
            guard let number = numbers.removeValue(forKey: outcome.id) else { continue }
            if case .failure(.broken) = outcome.result { client = nil }
            taken.append((number, outcome.result))
        }
        for (number, result) in taken { body(number, result) }
    }
}
