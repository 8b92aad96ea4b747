internal import EngineKit
internal import HTTPClient
internal import Primitives

/// The requests of an engine over HTTP. Answers come on the client's thread, and wait there until
/// the loop takes them.
final class StreamRequests {
    private static let refused: Set = [400, 401, 403, 404]
    private static let limited = 429
    /// The length of a service's reason that is shown.
    private static let reasonCharactersMax = 160
    private static let unsaid = "no reason given"

    private let client: HTTPClient
    private let hidden: HiddenTexts
    private var asked: [HTTPRequestID: UInt64] = [:]

    /// `wake` is called when an answer waits.
    init(
        _ configuration: HTTPConfiguration, hidden: HiddenTexts,
        wake: @escaping @Sendable () -> Void
    ) throws(HTTPError) {
        self.hidden = hidden
        client = try HTTPClient(configuration, onOutcome: wake)
    }

    /// Sends a request. Returns its answer if there is one at once.
    func ask(_ number: UInt64, _ request: HTTPRequest?) -> StreamAnswer? {
        guard let request else { return .refused("the address of the request is too long") }
        do throws(HTTPError) {
            asked[try client.request(request)] = number
            return nil
        } catch {
            return .failed("\(error)")
        }
    }

    /// Hands over the answers that have come, by the numbers of their requests.
    func take(_ body: (UInt64, StreamAnswer) -> Void) {
        guard !asked.isEmpty else { return }
        for outcome in client.take() {
            guard let number = asked.removeValue(forKey: outcome.id) else { continue }
            body(number, meaning(of: outcome.result))
        }
    }

    private func meaning(of result: Result<HTTPResponse, HTTPError>) -> StreamAnswer {
        let response: HTTPResponse
        switch result {
        case .success(let answer): response = answer
        case .failure(let error): return .failed("\(error)")
        }
        if response.status == 200 { return .page(response.body) }
        if response.status == Self.limited {
            return .limited(
                retryAfter: response.retryAfter?.clampedNanoseconds, isBanned: false)
        }
        let reason = "\(reason(response.body)) (status \(response.status))"
        return Self.refused.contains(response.status) ? .refused(reason) : .failed(reason)
    }

    /// Returns the service's words.
    private func reason(_ body: [UInt8]) -> String {
        do throws(JSONError) {
            let said = try JSONValue.parse(body)
            let text = said["error"]?.string ?? said["message"]?.string
            return hidden.line(text ?? Self.unsaid, Self.reasonCharactersMax)
        } catch {
            return Self.unsaid
        }
    }
}
