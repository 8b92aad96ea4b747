package import EngineKit
package import MarketModel
internal import Primitives
package import ProviderKit
package import ServiceRuntime

/// Plans a load of a past in which nothing counts trades: the service's bars say roughly how many
/// there are.
package struct HistoryCounter<Client: HistoryClient> where Client.Service: CountedHistory {
    package typealias Questions = HistoryQuestions<Client>

    private let service: Client.Service
    private let range: Range<Timestamp>

    package init(_ service: Client.Service, _ range: HistorySettings) {
        self.service = service
        self.range = range.from..<range.to
    }

    package func plan(
        _ client: Client, _ instruments: [Instrument], _ shutdown: ShutdownSignal,
        _ telemetry: TelemetryHub
    ) -> HistoryPlan {
        var questions = Questions(client, service.limits, shutdown, telemetry)
        let entries = questions.entries(instruments) {
            instrument, questions throws(Questions.Failure) in
            if let problem = service.problem(of: instrument) {
                throw Questions.Failure(problem)
            }
            return instrument.isOfPastBars
                ? try bars(of: instrument, &questions) : try trades(of: instrument, &questions)
        }
        var requests: UInt64 = 0
        var time: Int64 = 0
        for entry in entries {
            let page = service.page(ofBars: entry.isOfBars)
            let pages = (entry.count.number ?? 0) / UInt64(page.rows) + 1
            requests += pages
            let (part, overflow) = page.interval.multipliedReportingOverflow(
                by: Int64(clamping: pages))
            time = overflow ? Int64.max : time.addingReportingOverflow(part).partialValue
        }
        return HistoryPlan(
            entries: entries, requests: requests, duration: .nanoseconds(max(0, time)))
    }

    private func trades(
        of instrument: Instrument, _ questions: inout Questions
    ) throws(Questions.Failure) -> HistoryPlan.Count {
        let span = range.upperBound.nanoseconds(since: range.lowerBound)
        let isShort = span <= HistoryCounts.minutesMax
        let bars = try counts(isShort ? .minutes : .days, of: instrument, &questions)
        if let trades = bars.trades(in: range), trades > 0 { return .about(trades) }
        // Trades that count for no bar are trades, too.
        let first = try counts(.firstTrade, of: instrument, &questions)
        return first.rows.isEmpty && !first.hasMore ? .exactly(0) : .unknown
    }

    private func bars(
        of instrument: Instrument, _ questions: inout Questions
    ) throws(Questions.Failure) -> HistoryPlan.Count {
        let found = try counts(.bars, of: instrument, &questions).bars(in: range)
        if found.isExact { return .exactly(found.count) }
        return found.count > 0 ? .about(found.count) : .unknown
    }

    private func counts(
        _ question: HistoryQuestion, of instrument: Instrument, _ questions: inout Questions
    ) throws(Questions.Failure) -> HistoryCounts {
        let answer = try questions.answer {
            service.question($0, question, of: instrument, in: range)
        }
        guard let counts = service.counts(answer, to: question) else {
            throw Questions.Failure(
                question == .firstTrade
                    ? "the answer is no list of trades" : "the answer is no list of bars")
        }
        return counts
    }
}
