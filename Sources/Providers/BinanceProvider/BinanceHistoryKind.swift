internal import BinanceEngine
internal import EngineKit
internal import HTTPClient
internal import MarketModel
internal import Primitives
package import ProviderKit
internal import ServiceRuntime
internal import StreamKit

extension ProviderKind {
    /// The provider of `GATEWAY_PROVIDER=binance-history`, which loads past trades or bars.
    package static let binanceHistory = ProviderKind(
        name: BinanceHistorySetup.name, keys: HistoryKeys.loadRange,
        rules: [
            HistoryKeys.rule,
            ConfigurationRule { configuration in
                BinanceSetup.rest(configuration).isEmpty
                    ? "BINANCE_REST_URL: the address of the exchange's past is needed" : nil
            },
        ], isRecorded: true
    ) { context in
        HistoryProvider(try BinanceHistorySetup(context.configuration), context)
    }
    .continuingByIDs()
    .loadingPast { context, instruments, shutdown in
        try BinanceHistoryPlanner(context).plan(instruments, shutdown)
    }
}

/// The settings of a load.
struct BinanceHistorySetup: HistorySetup {
    static let name = "binance-history"

    var name: String { Self.name }
    let range: HistorySettings
    /// The length of bars, for instruments with them.
    let bars: BarLength
    /// Where the past is asked for.
    private let addresses: BinanceAddresses
    private let http: HTTPConfiguration

    init(_ configuration: Configuration) throws(SettingsError) {
        range = try HistorySettings(configuration)
        guard let addresses = BinanceSetup.addresses(configuration) else {
            throw SettingsError(
                "BINANCE_REST_URL: the address of the exchange's past is needed")
        }
        self.addresses = addresses
        // The seed decides nothing here.
        let live = try BinanceSetup(configuration, seed: 0)
        http = live.http
        bars = live.engine.bars
    }

    func makeService() -> BinanceHistoryService { BinanceHistoryService(bars: bars) }

    func makeClient(_ waker: ProviderWake) throws -> sending BinanceHistoryClient {
        try BinanceHistoryClient(addresses, http, waker)
    }
}

/// Asks the exchange for its past.
final class BinanceHistoryClient: HistoryClient {
    typealias Service = BinanceHistoryService

    private let past: BinancePast
    private let waker: ProviderWake

    init(
        _ addresses: BinanceAddresses, _ http: HTTPConfiguration, _ waker: ProviderWake
    ) throws(HTTPError) {
        past = try BinancePast(addresses, http) { waker.wake() }
        self.waker = waker
    }

    func ask(_ request: BinancePastRequest) -> FetchOutcome<[UInt8]>? {
        past.ask(request.number, request.fetch(of: ""))
    }

    func take(_ body: (UInt64, FetchOutcome<[UInt8]>) -> Void) { past.take(body) }

    func wait(_ timeout: Duration) { waker.wait(timeout) }
}

/// Asks the exchange how many trades or bars a load has: the difference of two ids, or of two
/// times, says how many.
struct BinanceHistoryPlanner {
    private typealias Questions = HistoryQuestions<BinanceHistoryClient>

    private let setup: BinanceHistorySetup
    private let telemetry: TelemetryHub

    init(_ context: ProviderKind.Context) throws(SettingsError) {
        setup = try BinanceHistorySetup(context.configuration)
        telemetry = context.telemetry
    }

    func plan(_ instruments: [Instrument], _ shutdown: ShutdownSignal) throws -> HistoryPlan {
        let client = try setup.makeClient(ProviderWake())
        var questions = Questions(client, BinanceLimits.requests, shutdown, telemetry)
        var hasTrades = false
        let entries = questions.entries(instruments) {
            instrument, questions throws(Questions.Failure) in
            let symbol = BinanceHistoryService.exchangeSymbol(of: instrument)
            let found =
                instrument.isOfPastBars
                ? try countBars(symbol, &questions) : try countTrades(symbol, &questions)
            if found > 0, !instrument.isOfPastBars, !hasTrades {
                // Not each address has trades, and a plan that cannot be carried out is none.
                _ = try questions.last(of: symbol)
                hasTrades = true
            }
            return .exactly(min(found, HistoryPlan.Count.countMax))
        }
        // One asks for the beginning, and one page reaches beyond the end.
        var requests: UInt64 = 0
        var points: UInt64 = 0
        for entry in entries {
            let pages = (entry.count.number ?? 0) / UInt64(BinanceLimits.rowsMax) + 1
            requests += 1 + pages
            let each = entry.isOfBars ? BinanceLimits.barPoints : BinanceLimits.fetchPoints
            let first = entry.isOfBars ? BinanceLimits.barPoints : BinanceLimits.lookUpPoints
            points += UInt64(first) + pages * UInt64(each)
        }
        return HistoryPlan(
            entries: entries, requests: requests,
            duration: .nanoseconds(BinanceLimits.pointInterval) * Int(clamping: points))
    }

    private func countTrades(
        _ symbol: String, _ questions: inout Questions
    ) throws(Questions.Failure) -> UInt64 {
        guard let first = try questions.first(of: symbol, at: setup.range.from) else { return 0 }
        if let end = try questions.first(of: symbol, at: setup.range.to) {
            return end > first ? end - first : 0
        }
        // Nothing has happened since the end of the range.
        return try questions.last(of: symbol).map { $0 >= first ? $0 - first &+ 1 : 0 } ?? 0
    }

    /// The bars between the first and the last one of the range, as if none were missing.
    private func countBars(
        _ symbol: String, _ questions: inout Questions
    ) throws(Questions.Failure) -> UInt64 {
        let length = setup.bars.nanoseconds
        // The last one that is over at the end of the range begins a length before it.
        let end = setup.range.to.advanced(byNanoseconds: 1 - length)
        guard let first = try questions.bar(of: symbol, setup.bars, .from(setup.range.from)),
            let last = try questions.bar(of: symbol, setup.bars, .before(end)),
            first.openTime <= last.openTime, first.closeTime <= setup.range.to
        else { return 0 }
        return UInt64(clamping: last.openTime.nanoseconds(since: first.openTime) / length + 1)
    }
}

extension HistoryQuestions where Client == BinanceHistoryClient {
    /// Returns the id of the first trade at a time or after it; `nil`: there is none.
    fileprivate mutating func first(
        of symbol: String, at time: Timestamp
    ) throws(Failure) -> UInt64? {
        guard
            let ids = BinancePage.firstIDs(
                try answer { .firstTrade($0, symbol, at: time) })
        else { throw Failure("the answer is no list of trades") }
        return ids.first
    }

    /// Returns the id of the latest trade; `nil`: there is none.
    fileprivate mutating func last(of symbol: String) throws(Failure) -> UInt64? {
        let page = try answer { .latest($0, symbol) }
        guard let trades = BinancePage.trades(page, feed: 0, received: .undefined) else {
            throw Failure("the answer is no list of trades")
        }
        return trades.last?.id
    }

    /// Returns the window of one bar; `nil`: there is none.
    fileprivate mutating func bar(
        of symbol: String, _ length: BarLength, _ part: BinancePastRequest.Part
    ) throws(Failure) -> ProviderBar? {
        let page = try answer { .bars($0, symbol, length, part, count: 1) }
        guard let bars = BinancePage.bars(page) else {
            throw Failure("the answer is no list of bars")
        }
        return bars.first?.bar
    }
}

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
