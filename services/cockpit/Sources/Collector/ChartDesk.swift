import MarketModel
import PostgresClient
import Primitives
import ServiceRuntime
import StoredBars

/// Answers what the page Chart asks, with what its thread has read of the database.
final class ChartDesk: Sendable {
    private let desk = QuestionDesk<ChartQuestion, [UInt8]>()

    /// Returns the newest document at this path. `nil` if it is none of a chart. It does not block.
    func answer(
        _ path: String, _ parameters: [String: String], at now: MonotonicTime
    ) -> PageAnswer? {
        do throws(ChartQuestion.Refusal) {
            guard let question = try ChartQuestion.read(path, parameters) else { return nil }
            return PageAnswer(desk.look(question, at: now), at: now)
        } catch {
            return PageAnswer(refused: error.description, status: 400)
        }
    }

    /// Starts the thread that asks the database.
    func start(
        _ configuration: PostgresConfiguration, _ context: ServiceContext
    ) throws(ServiceError) -> ServiceThread {
        try desk.start("chart", context) { beat in
            let session = DatabaseSession(configuration, beat)
            return { try Self.ask($0, session, context.clock) }
        }
    }

    private static func ask(
        _ question: ChartQuestion, _ session: DatabaseSession, _ clock: SystemClock
    ) throws -> [UInt8] {
        let end = clock.deadline(after: DatabaseSession.timeout)
        let reader = BarReader { sql, parameters throws(PostgresError) in
            try session.rows(sql, parameters, until: end, clock)
        }
        switch question {
        case .choices(let text, let from):
            let choices = try reader.choices(text, from: from, now: clock.now())
            return ChoicesDocument(choices: choices).json
        case .page(let symbol, let source, let series, let from):
            var page = try reader.page(symbol, source, series, from: from)
            do throws(PostgresError) {
                try reader.addQuotes(to: &page)
            } catch {
                // The bars are worth showing without them.
                page.quotesProblem = "\(error)"
            }
            return ChartDocument(page: page, isLive: from == nil).json
        case .bar(let bar):
            guard let row = try reader.row(of: bar) else { throw NoSuchBar() }
            return BarDocument(
                row: row, replaced: try reader.replaced(of: bar),
                gaps: try reader.gaps(bar.symbol, bar.openTime, row.closeTime)
            ).json
        }
    }

    private struct NoSuchBar: Error, CustomStringConvertible {
        let description = "no such bar is stored"
    }
}
