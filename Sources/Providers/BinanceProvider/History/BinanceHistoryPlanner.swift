internal import BinanceEngine
internal import HTTPClient
internal import MarketModel
internal import Primitives
internal import ProviderKit
internal import ServiceRuntime

/// Asks the exchange which trades a load has: the difference of two ids says how many.
struct BinanceHistoryPlanner {
    /// What no exchange has of a symbol: so much is said at most, and no sum overflows.
    private static let tradesMax: UInt64 = 1 << 48

    private let setup: BinanceHistorySetup

    init(_ context: ProviderKind.Context) throws(SettingsError) {
        setup = try BinanceHistorySetup(context.configuration)
    }

    func plan(_ instruments: [Instrument], _ shutdown: ShutdownSignal) throws -> HistoryPlan {
        let waker = ProviderWake()
        let past = try BinancePast(setup.address, setup.http) { waker.wake() }
        var questions = HistoryQuestions(past: past, waker: waker, shutdown: shutdown)
        let entries = instruments.map { instrument in
            var entry = HistoryPlan.Entry(symbol: instrument.symbol)
            do throws(HistoryQuestions.Failure) {
                let found = try count(
                    BinanceHistory.exchangeSymbol(of: instrument), &questions)
                entry.trades = min(found, Self.tradesMax)
            } catch {
                entry.problem = error.reason
            }
            return entry
        }
        let requests = entries.reduce(0) {
            $0 + 1 + ($1.trades / UInt64(BinanceFetch.countMax)) + 1
        }
        return HistoryPlan(
            entries: entries, requests: requests,
            duration: .nanoseconds(BinanceLimits.fetchInterval) * Int(clamping: requests))
    }

    private func count(
        _ symbol: String, _ questions: inout HistoryQuestions
    ) throws(HistoryQuestions.Failure) -> UInt64 {
        guard let first = try questions.first(of: symbol, at: setup.range.from) else { return 0 }
        if let end = try questions.first(of: symbol, at: setup.range.to) {
            return end > first ? end - first : 0
        }
        // Nothing has happened since the end of the range.
        return try questions.last(of: symbol).map { $0 >= first ? $0 - first &+ 1 : 0 } ?? 0
    }
}

/// Questions to the exchange, one after the other, whose answers are waited for.
private struct HistoryQuestions {
    /// Why there is no answer.
    struct Failure: Error {
        let reason: String
    }

    let past: BinancePast
    let waker: ProviderWake
    let shutdown: ShutdownSignal
    private var lastNumber: UInt64 = 0

    init(past: BinancePast, waker: ProviderWake, shutdown: ShutdownSignal) {
        self.past = past
        self.waker = waker
        self.shutdown = shutdown
    }

    /// Returns the id of the first trade at a time or after it; `nil`: there is none.
    mutating func first(
        of symbol: String, at time: Timestamp
    ) throws(Failure) -> UInt64? {
        lastNumber += 1
        let question = BinanceTimeLookUp(number: lastNumber, symbol: symbol, at: time)
        switch BinanceTimeLookUp.read(try answer(lastNumber, past.ask(question))) {
        case .first(let id): return id
        case .none: return nil
        case .unreadable: throw Failure(reason: "the answer is no list of trades")
        }
    }

    /// Returns the id of the latest trade; `nil`: there is none.
    mutating func last(of symbol: String) throws(Failure) -> UInt64? {
        lastNumber += 1
        let page = try answer(lastNumber, past.askForLast(of: symbol, lastNumber))
        guard let ids = BinanceHistory.ids(onPage: page) else {
            throw Failure(reason: "the answer is no list of trades")
        }
        return ids.last
    }

    private func answer(
        _ number: UInt64, _ atOnce: BinanceFetchOutcome?
    ) throws(Failure) -> [UInt8] {
        var found = atOnce
        while found == nil {
            guard !shutdown.isRequested else { throw Failure(reason: "interrupted") }
            // Each request has a time-out.
            waker.wait(.milliseconds(200))
            past.take { if $0 == number { found = $1 } }
        }
        switch found {
        case .page(let bytes): return bytes
        case .unknownSymbol: throw Failure(reason: "the exchange has no such symbol")
        case .refused(let reason), .failed(let reason): throw Failure(reason: reason)
        case .limited(_, let isBanned):
            throw Failure(
                reason: isBanned ? "the exchange has banned this address" : "too many requests")
        case nil: throw Failure(reason: "there is no answer")
        }
    }
}
