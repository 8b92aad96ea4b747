internal import EngineKit
internal import HTTPClient
internal import HistoryKit

/// The requests of an engine over HTTP. Answers come on the client's thread, and wait there until
/// the loop takes them.
final class StreamRequests {
    private let client: HTTPClient
    private let meaning: HTTPMeaning
    private var asked: [HTTPRequestID: UInt64] = [:]

    /// `wake` is called when an answer waits.
    init(
        _ configuration: HTTPConfiguration, _ meaning: HTTPMeaning,
        wake: @escaping @Sendable () -> Void
    ) throws(HTTPError) {
        self.meaning = meaning
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
            body(number, meaning.outcome(of: outcome.result))
        }
    }
}
