internal import BinanceEngine
internal import EngineKit
internal import MarketModel
internal import Primitives
internal import ProviderKit
internal import ServiceRuntime
internal import StreamKit

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
