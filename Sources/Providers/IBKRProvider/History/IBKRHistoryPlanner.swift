internal import EngineKit
internal import IBEngine
internal import MarketModel
internal import Primitives
internal import ProviderKit
internal import ServiceRuntime
internal import StreamKit

/// Asks TWS what a load takes: whether there are such contracts, and how much they were traded by
/// the broker's own bars.
struct IBKRHistoryPlanner {
    private typealias Questions = HistoryQuestions<IBKRPast>

    /// A person waits for a plan.
    private static let answerWait = Duration.seconds(20)

    private let setup: IBKRHistorySetup
    private let telemetry: TelemetryHub

    init(_ context: ProviderKind.Context) throws(SettingsError) {
        var setup = try IBKRHistorySetup(context.configuration)
        setup.client.answerWait = Self.answerWait
        self.setup = setup
        telemetry = context.telemetry
    }

    func plan(_ instruments: [Instrument], _ shutdown: ShutdownSignal) throws -> HistoryPlan {
        let client = try setup.makeClient(ProviderWake())
        let service = setup.makeService()
        let estimate = IBHistoryEstimate(
            range: setup.range.from..<setup.range.to, bars: setup.bars,
            requestsPerWindow: setup.client.requests)
        var questions = Questions(client, service.limits, shutdown, telemetry)
        let entries = questions.entries(instruments) {
            instrument, questions throws(Questions.Failure) in
            if let problem = service.problem(of: instrument) {
                throw Questions.Failure(problem)
            }
            return try count(instrument, estimate, &questions)
        }
        let total = entries.reduce(into: IBHistoryEstimate.Requests()) { total, entry in
            guard entry.problem.isEmpty else { return }
            total.add(
                entry.isOfBars
                    ? estimate.requestsOfBars : estimate.requests(ofTrades: entry.count.number))
        }
        return HistoryPlan(
            entries: entries, requests: total.all, duration: estimate.duration(of: total))
    }

    private func count(
        _ instrument: Instrument, _ estimate: IBHistoryEstimate, _ questions: inout Questions
    ) throws(Questions.Failure) -> HistoryPlan.Count {
        let found = try questions.answer { number in
            IBHistoryRequest(
                number: number, question: estimate.contract(of: instrument), isOptional: false)
        }
        guard let details = estimate.details(in: found.reply) else { return .unknown }
        let bars = try questions.answer { number in
            IBHistoryRequest(
                number: number, question: estimate.calendar(of: instrument, details),
                isOptional: true)
        }
        guard case .bars(let list) = bars.reply else { return .unknown }
        let count =
            instrument.isOfPastBars
            ? estimate.bars(list, details, found.zone) : estimate.trades(list, found.zone)
        return count == 0 ? .exactly(0) : .about(count)
    }
}
