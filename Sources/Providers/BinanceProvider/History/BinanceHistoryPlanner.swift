internal import BinanceEngine
internal import HTTPClient
internal import MarketModel
internal import Primitives
internal import ProviderKit
internal import ServiceRuntime

/// Asks the exchange how many trades or bars a load has: the difference of two ids, or of two
/// times, says how many.
struct BinanceHistoryPlanner {
    /// What no exchange has of a symbol: so much is said at most, and no sum overflows.
    private static let countMax: UInt64 = 1 << 48

    private let setup: BinanceHistorySetup
    private let telemetry: TelemetryHub

    init(_ context: ProviderKind.Context) throws(SettingsError) {
        setup = try BinanceHistorySetup(context.configuration)
        telemetry = context.telemetry
    }

    func plan(_ instruments: [Instrument], _ shutdown: ShutdownSignal) throws -> HistoryPlan {
        let waker = ProviderWake()
        let past = try BinancePast(setup.address, setup.http) { waker.wake() }
        var questions = HistoryQuestions(past, waker, shutdown, telemetry)
        let entries = instruments.map { instrument in
            let symbol = BinanceHistory.exchangeSymbol(of: instrument)
            let isOfBars = BinanceHistory.isOfBars(instrument)
            var entry = HistoryPlan.Entry(symbol: instrument.symbol, isOfBars: isOfBars)
            do throws(HistoryQuestions.Failure) {
                let found =
                    isOfBars
                    ? try countBars(symbol, &questions) : try countTrades(symbol, &questions)
                entry.count = min(found, Self.countMax)
            } catch {
                entry.problem = error.reason
            }
            return entry
        }
        // One asks for the beginning, and one page reaches beyond the end.
        var requests: UInt64 = 0
        var points: UInt64 = 0
        for entry in entries {
            let pages = entry.count / UInt64(BinanceFetch.countMax) + 1
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
        _ symbol: String, _ questions: inout HistoryQuestions
    ) throws(HistoryQuestions.Failure) -> UInt64 {
        guard let first = try questions.first(of: symbol, at: setup.range.from) else { return 0 }
        if let end = try questions.first(of: symbol, at: setup.range.to) {
            return end > first ? end - first : 0
        }
        // Nothing has happened since the end of the range.
        return try questions.last(of: symbol).map { $0 >= first ? $0 - first &+ 1 : 0 } ?? 0
    }

    /// The bars between the first and the last one of the range, as if none were missing.
    private func countBars(
        _ symbol: String, _ questions: inout HistoryQuestions
    ) throws(HistoryQuestions.Failure) -> UInt64 {
        let length = setup.bars.nanoseconds
        // The last one that is over at the end of the range begins a length before it.
        let end = setup.range.to.advanced(byNanoseconds: 1 - length)
        guard let first = try questions.bar(of: symbol, setup.bars, .from(setup.range.from)),
            let last = try questions.bar(of: symbol, setup.bars, .before(end)),
            first.open <= last.open, first.close <= setup.range.to
        else { return 0 }
        return UInt64(clamping: last.open.nanoseconds(since: first.open) / length + 1)
    }
}

/// Questions to the exchange, one after the other, whose answers are waited for.
private struct HistoryQuestions {
    /// Why there is no answer.
    struct Failure: Error {
        let reason: String
    }

    private let past: BinancePast
    private let waker: ProviderWake
    private let shutdown: ShutdownSignal
    private let telemetry: TelemetryHub
    private let clock = SystemClock()
    // The seed decides only waits, so any number will do.
    private var retries = BinanceRetries(seed: UInt64.random(in: 0...UInt64.max))
    private var lastNumber: UInt64 = 0

    init(
        _ past: BinancePast, _ waker: ProviderWake, _ shutdown: ShutdownSignal,
        _ telemetry: TelemetryHub
    ) {
        self.past = past
        self.waker = waker
        self.shutdown = shutdown
        self.telemetry = telemetry
    }

    /// Returns the id of the first trade at a time or after it; `nil`: there is none.
    mutating func first(
        of symbol: String, at time: Timestamp
    ) throws(Failure) -> UInt64? {
        let page = try answer(BinanceLimits.lookUpPoints) { past, number in
            past.ask(BinanceTimeLookUp(number: number, symbol: symbol, at: time))
        }
        switch BinanceTimeLookUp.read(page) {
        case .first(let id): return id
        case .none: return nil
        case .unreadable: throw Failure(reason: "the answer is no list of trades")
        }
    }

    /// Returns the id of the latest trade; `nil`: there is none.
    mutating func last(of symbol: String) throws(Failure) -> UInt64? {
        let page = try answer(BinanceLimits.fetchPoints) { past, number in
            past.askForLast(of: symbol, number)
        }
        guard let ids = BinanceHistory.ids(onPage: page) else {
            throw Failure(reason: "the answer is no list of trades")
        }
        return ids.last
    }

    /// Returns the window of one bar; `nil`: there is none.
    mutating func bar(
        of symbol: String, _ length: BinanceBarLength, _ part: BinanceBarFetch.Part
    ) throws(Failure) -> (open: Timestamp, close: Timestamp)? {
        let page = try answer(BinanceLimits.barPoints) { past, number in
            past.ask(
                BinanceBarFetch(number: number, symbol: symbol, length, part, count: 1))
        }
        guard let windows = BinanceBarFetch.windows(page) else {
            throw Failure(reason: "the answer is no list of bars")
        }
        return windows.first
    }

    /// Asks until there is an answer, or none is to come. `points` is what the question costs.
    private mutating func answer(
        _ points: Int64, _ ask: (BinancePast, UInt64) -> BinanceFetchOutcome?
    ) throws(Failure) -> [UInt8] {
        while true {
            try wait(until: retries.at)
            lastNumber += 1
            let outcome = try outcome(lastNumber, ask(past, lastNumber))
            let now = Moment(wall: clock.now(), monotonic: clock.monotonic())
            let interval = points * BinanceLimits.pointInterval
            switch retries.take(outcome, interval: interval, now) {
            case .answered(let page): return page
            case .failed(let reason): throw Failure(reason: reason)
            case .again(let reason):
                let wait = max(0, retries.at - now.monotonic)
                telemetry.emit(
                    BinanceQuestionWait(reason: reason, seconds: wait / 1_000_000_000 + 1))
            }
        }
    }

    private func wait(until time: MonotonicTime) throws(Failure) {
        while clock.monotonic() < time {
            try pause(min(.milliseconds(200), clock.remaining(until: time)))
        }
    }

    private func outcome(
        _ number: UInt64, _ immediate: BinanceFetchOutcome?
    ) throws(Failure) -> BinanceFetchOutcome {
        var found = immediate
        while true {
            if let found { return found }
            // Each request has a time-out.
            try pause(.milliseconds(200))
            past.take { if $0 == number { found = $1 } }
        }
    }

    private func pause(_ time: Duration) throws(Failure) {
        guard !shutdown.isRequested else { throw Failure(reason: "interrupted") }
        waker.wait(time)
    }
}

/// A question of a plan is asked again. `tapeline load` shows it to people.
struct BinanceQuestionWait: TelemetryEvent {
    static let name = "history.plan.waits"
    let reason: String
    let seconds: Int64

    var level: LogLevel { .warning }
    var message: String { "\(reason): the exchange is asked again in \(seconds) s" }
    var fields: [(String, LogValue)] { [("seconds", .integer(seconds))] }

    func count(in metrics: MetricRegistry) {}
}
