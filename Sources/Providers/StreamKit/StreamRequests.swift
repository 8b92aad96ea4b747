internal import EngineKit
internal import HTTPClient
internal import HistoryKit

/// The requests of an engine over HTTP. Answers come on the client's thread, and wait there until
/// the loop takes them.
final class StreamRequests {
    private let requests: NumberedRequests
    private let meaning: HTTPMeaning

    /// `wake` is called when an answer waits.
    init(
        _ configuration: HTTPConfiguration, _ meaning: HTTPMeaning,
        wake: @escaping @Sendable () -> Void
    ) throws(HTTPError) {
        self.meaning = meaning
        requests = try NumberedRequests(configuration, onOutcome: wake)
    }

    /// Sends a request. Returns its answer if there is one at once.
    func ask(_ number: UInt64, _ request: HTTPRequest?) -> StreamAnswer? {
        guard let request else { return .refused("the address of the request is too long") }
        do throws(HTTPError) {
            try requests.begin(request, as: number)
            return nil
        } catch {
            return .failed("\(error)")
        }
    }

    /// Hands over the answers that have come, by the numbers of their requests.
    func take(_ body: (UInt64, StreamAnswer) -> Void) {
        requests.take { body($0, meaning.outcome(of: $1)) }
    }
}
