package import EngineKit
package import MarketModel
internal import Primitives
package import ProviderKit
package import ServiceRuntime

/// Questions to a service before a load, one after the other, whose answers are waited for.
package struct HistoryQuestions<Client: HistoryClient> {
    package typealias Service = Client.Service

    /// Why there is no answer.
    package struct Failure: Error {
        package let reason: String
        /// Whether the service answers no other question now, either.
        package let isOfAll: Bool

        package init(_ reason: String, isOfAll: Bool = false) {
            self.reason = reason
            self.isOfAll = isOfAll
        }
    }

    private let client: Client
    private let service: String
    private let shutdown: ShutdownSignal
    private let telemetry: TelemetryHub
    private let clock = SystemClock()
    private var retries: QuestionRetries<Service.Answer>
    private var lastNumber: UInt64 = 0

    /// Asks about each instrument until the service answers no question any more. What `count`
    /// returns, or why it cannot, is the instrument's entry.
    package mutating func entries(
        _ instruments: [Instrument],
        count: (Instrument, inout Self) throws(Failure) -> HistoryPlan.Count
    ) -> [HistoryPlan.Entry] {
        var entries: [HistoryPlan.Entry] = []
        for instrument in instruments {
            var entry = HistoryPlan.Entry(
                symbol: instrument.symbol, isOfBars: instrument.isOfPastBars)
            var isOver = false
            do throws(Failure) {
                entry.count = try count(instrument, &self)
            } catch {
                entry.problem = error.reason
                isOver = error.isOfAll
            }
            entries.append(entry)
            if isOver { break }
        }
        return entries
    }

    package init(
        _ client: Client, _ limits: RequestLimits, _ shutdown: ShutdownSignal,
        _ telemetry: TelemetryHub
    ) {
        self.client = client
        service = limits.service
        self.shutdown = shutdown
        self.telemetry = telemetry
        // The seed decides only waits, so any number will do.
        retries = QuestionRetries(limits, seed: UInt64.random(in: 0...UInt64.max))
    }

    /// Asks until there is an answer, or none is to come. `question` makes the request with its
    /// number.
    package mutating func answer(
        _ question: (UInt64) -> Service.Request
    ) throws(Failure) -> Service.Answer {
        while true {
            try wait(until: retries.at)
            lastNumber += 1
            let request = question(lastNumber)
            let outcome = try outcome(lastNumber, client.ask(request))
            let now = Moment(wall: clock.now(), monotonic: clock.monotonic())
            switch retries.take(outcome, interval: request.interval, now) {
            case .answered(let answer): return answer
            case .refused(let reason): throw Failure(reason)
            case .failed(let reason): throw Failure(reason, isOfAll: true)
            case .again(let reason):
                let wait = max(0, retries.at - now.monotonic)
                telemetry.emit(
                    .historyQuestionWait(
                        service: service, reason: reason, seconds: wait / 1_000_000_000 + 1))
            }
        }
    }

    /// Says that it waits where that is long: whoever waits for the plan gives it the time.
    private func wait(until time: MonotonicTime) throws(Failure) {
        let seconds = clock.remaining(until: time).components.seconds
        if seconds > 0 { telemetry.emit(.historyQuestionPace(seconds: seconds + 1)) }
        while clock.monotonic() < time {
            try pause(min(.milliseconds(200), clock.remaining(until: time)))
        }
    }

    private func outcome(
        _ number: UInt64, _ immediate: FetchOutcome<Service.Answer>?
    ) throws(Failure) -> FetchOutcome<Service.Answer> {
        var found = immediate
        while true {
            if let found { return found }
            // Each request has a time-out.
            try pause(.milliseconds(200))
            client.take { if $0 == number { found = $1 } }
        }
    }

    private func pause(_ time: Duration) throws(Failure) {
        guard !shutdown.isRequested else { throw Failure("interrupted", isOfAll: true) }
        client.wait(time)
    }
}

extension ServiceEvent {
    /// The next question of a plan waits, because the service takes so many in a minute.
    static func historyQuestionPace(seconds: Int64) -> Self {
        Self(
            .info, "history.plan.paced", "the next question leaves in \(seconds) s",
            ("seconds", .integer(seconds)))
    }

    /// A question of a plan is asked again. `tapeline load` shows it to people.
    static func historyQuestionWait(service: String, reason: String, seconds: Int64) -> Self {
        Self(
            .warning, "history.plan.waits", "\(reason): \(service) is asked again in \(seconds) s",
            ("seconds", .integer(seconds)))
    }
}
