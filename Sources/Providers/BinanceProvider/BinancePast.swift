internal import BinanceEngine
internal import EngineKit
internal import HTTPClient
internal import Primitives
internal import ServiceRuntime
internal import StreamKit

/// Asks the exchange for past trades and bars, and which symbols it has. Answers come on the
/// client's thread, and wait there until the loop takes them.
final class BinancePast: ProviderRequests {
    private let requests: NumberedRequests
    private var addresses: BinanceAddresses
    /// What is under way, by its number.
    private var asked: [UInt64: Question] = [:]

    private struct Question {
        let target: String
        /// How many addresses did not answer it.
        var attempt = 0
        /// What the last of them said.
        var reason = ""

        var endpoint: String { String(target.prefix { $0 != "?" }) }
    }

    /// `wake` is called when an answer waits.
    init(
        _ addresses: BinanceAddresses, _ configuration: HTTPConfiguration,
        wake: @escaping @Sendable () -> Void
    ) throws(HTTPError) {
        self.addresses = addresses
        requests = try NumberedRequests(configuration, onOutcome: wake)
    }

    func ask(_ number: UInt64, _ request: StreamFetch) -> StreamAnswer? {
        send(Question(target: request.target), as: number)
    }

    /// Sends a question to the address of its attempt.
    private func send(_ question: Question, as number: UInt64) -> StreamAnswer? {
        let endpoint = question.endpoint
        guard let address = addresses.address(of: endpoint, attempt: question.attempt) else {
            return .failed(
                question.attempt > 1
                    ? "no address of \(question.attempt) answers \(endpoint): \(question.reason)"
                    : question.reason)
        }
        guard let url = HTTPURL("\(address)/api/v3/\(question.target)") else {
            return .refused("the address of \(endpoint) is too long")
        }
        do throws(HTTPError) {
            try requests.begin(HTTPRequest(url), as: number)
            asked[number] = question
            return nil
        } catch {
            return .failed("\(error)")
        }
    }

    /// Hands over the outcomes that have come, by the numbers of their requests. What an address
    /// does not answer is asked of the next one first.
    func take(_ body: (UInt64, StreamAnswer) -> Void) {
        requests.take { number, result in
            guard var question = asked.removeValue(forKey: number) else { return }
            if let reason = Self.isElsewhere(result) {
                question.attempt += 1
                question.reason = reason
                if let outcome = send(question, as: number) { body(number, outcome) }
            } else {
                let outcome = Self.meaning(of: result)
                if case .page = outcome {
                    addresses.answered(question.endpoint, attempt: question.attempt)
                }
                body(number, outcome)
            }
        }
    }

    /// Returns why the next address is to be asked; `nil`: this one has answered.
    private static func isElsewhere(_ result: Result<HTTPResponse, HTTPError>) -> String? {
        switch result {
        case .success(let answer):
            BinanceAddresses.isElsewhere(status: answer.status)
                ? "the exchange says \(reason(said(in: answer), answer.status))" : nil
        case .failure(let error): "\(error)"
        }
    }

    /// Returns what an answer means for the request.
    private static func meaning(of result: Result<HTTPResponse, HTTPError>) -> StreamAnswer {
        let response: HTTPResponse
        switch result {
        case .success(let answer): response = answer
        case .failure(let error): return .failed("\(error)")
        }
        let wait = response.retryAfter?.clampedNanoseconds
        if response.status == 200 { return .page(response.body) }
        if [418, 429].contains(response.status) {
            return .limited(retryAfter: wait, isBanned: response.status == 418)
        }
        if [400, 401].contains(response.status) {
            let said = said(in: response)
            return said?["code"]?.int == unknownSymbol
                ? .unknownSymbol : .refused(reason(said, response.status))
        }
        let status = response.status
        return .failed("the exchange answers with status \(status): \(HTTPAdvice.text(status))")
    }

    /// The exchange's code for a symbol that it does not have.
    private static let unknownSymbol = -1_121

    private static func said(in response: HTTPResponse) -> JSONValue? {
        do throws(JSONError) {
            return try JSONValue.parse(response.body)
        } catch {
            return nil
        }
    }

    /// Returns the exchange's reason, in one line.
    private static func reason(_ said: JSONValue?, _ status: Int) -> String {
        let text = said?["msg"]?.string?.unicodeScalars.prefix(120)
            .map { $0.value < 0x20 ? " " : "\($0)" }.joined()
        return "\(text ?? "nothing") (status \(status)): \(HTTPAdvice.text(status))"
    }
}
