internal import BinanceEngine
internal import EngineKit
internal import HTTPClient
internal import Primitives
internal import ServiceRuntime

/// Asks the exchange for past trades and bars, and which symbols it has. Answers come on the
/// client's thread, and wait there until the loop takes them.
final class BinancePast {
    private let client: HTTPClient
    private let address: String
    private var asked: [HTTPRequestID: UInt64] = [:]

    /// `address`: `https://name[:port]`. `wake` is called when an answer waits.
    init(
        _ address: String, _ configuration: HTTPConfiguration, wake: @escaping @Sendable () -> Void
    ) throws(HTTPError) {
        self.address = address
        client = try HTTPClient(configuration, onOutcome: wake)
    }

    /// Sends a request. Returns its outcome if there is one at once.
    func ask(_ fetch: BinanceFetch) -> BinanceFetchOutcome? {
        ask(
            fetch.number, "historicalTrades",
            [
                ("symbol", fetch.symbol), ("fromId", "\(fetch.from)"), ("limit", "\(fetch.count)"),
            ])
    }

    func ask(_ question: BinanceTimeLookUp) -> BinanceFetchOutcome? {
        ask(
            question.number, "aggTrades",
            [
                ("symbol", question.symbol), ("startTime", "\(question.milliseconds)"),
                ("limit", "1"),
            ])
    }

    func ask(_ fetch: BinanceBarFetch) -> BinanceFetchOutcome? {
        let time = fetch.time
        return ask(
            fetch.number, "klines",
            [
                ("symbol", fetch.symbol), ("interval", fetch.length.rawValue),
                (time.key, "\(time.milliseconds)"), ("limit", "\(fetch.count)"),
            ])
    }

    func ask(_ request: BinanceHistoryRequest) -> BinanceFetchOutcome? {
        switch request {
        case .lookUp(let question): ask(question)
        case .fetch(let fetch): ask(fetch)
        case .bars(let fetch): ask(fetch)
        case .latest(let question):
            ask(
                question.number, "historicalTrades",
                [("symbol", question.symbol), ("limit", "1")])
        }
    }

    func ask(_ question: BinanceLookUp) -> BinanceFetchOutcome? {
        let names = question.symbols.map { "\"\($0)\"" }.joined(separator: ",")
        return ask(question.number, "exchangeInfo", [("symbols", "[\(names)]")])
    }

    private func ask(
        _ number: UInt64, _ path: String, _ query: [(String, String)]
    ) -> BinanceFetchOutcome? {
        guard let url = HTTPURL("\(address)/api/v3/\(path)", query: query) else {
            return .refused("the address of \(path) is too long")
        }
        do throws(HTTPError) {
            asked[try client.request(HTTPRequest(url))] = number
            return nil
        } catch {
            return .failed("\(error)")
        }
    }

    /// Hands over the outcomes that have come, by the numbers of their requests.
    func take(_ body: (UInt64, BinanceFetchOutcome) -> Void) {
        for outcome in client.take() {
            guard let number = asked.removeValue(forKey: outcome.id) else { continue }
            body(number, Self.meaning(of: outcome.result))
        }
    }

    /// Returns what an answer means for the request.
    static func meaning(of result: Result<HTTPResponse, HTTPError>) -> BinanceFetchOutcome {
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
        if [400, 401, 404].contains(response.status) {
            let said = said(in: response)
            return said?["code"]?.int == unknownSymbol
                ? .unknownSymbol : .refused(reason(said, response.status))
        }
        return .failed("the exchange answered with status \(response.status)")
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
        return "\(text ?? "no reason given") (status \(status))"
    }
}
