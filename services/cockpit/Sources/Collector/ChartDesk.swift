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
        do throws(QuestionRefusal) {
            guard let question = try ChartQuestion.read(path, parameters) else { return nil }
            return PageAnswer(desk.look(question, at: now), at: now)
        } catch {
            return PageAnswer(refused: error.description, status: 400)
        }
    }

    /// Starts the thread that asks the database.
    func start(
        _ settings: CockpitSettings, _ context: ServiceContext
    ) throws(ServiceError) -> ServiceThread {
        try desk.start("chart", context) { beat in
            let session = DatabaseSession(settings.postgres, beat)
            var rest = QuotesRest()
            return { try Self.ask($0, session, context.clock, &rest, settings.stack) }
        }
    }

    private static func ask(
        _ question: ChartQuestion, _ session: DatabaseSession, _ clock: SystemClock,
        _ rest: inout QuotesRest, _ stack: String
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
            rest.addQuotes(to: &page, reader, until: end, clock)
            return ChartDocument(page: page, isLive: from == nil).json
        case .bar(let bar):
            guard let row = try reader.row(of: bar) else { throw NoSuchBar() }
            return BarDocument(
                row: row, replaced: try reader.replaced(of: bar),
                gaps: try reader.gaps(bar.symbol, bar.openTime, row.closeTime), stack: stack
            ).json
        }
    }

    /// Bars are worth showing without quotes. After a failure these are not asked for during a
    /// while, so that one that takes the whole limit does not hold up other charts.
    private struct QuotesRest {
        private static let restNanoseconds: Int64 = 30_000_000_000
        /// What is left of the limit has to be more than this.
        private static let timeMin = Duration.milliseconds(300)

        private var problem = ""
        private var end = MonotonicTime.distantPast

        mutating func addQuotes(
            to page: inout BarPage, _ reader: BarReader, until limit: MonotonicTime,
            _ clock: SystemClock
        ) {
            if clock.monotonic() < end {
                page.quotesProblem = "they are left alone for 30 s, after \(problem)"
            } else if clock.remaining(until: limit) < Self.timeMin {
                page.quotesProblem = "the bars took all of the time"
            } else {
                do throws(PostgresError) {
                    try reader.addQuotes(to: &page)
                } catch {
                    problem = "\(error)"
                    end = clock.monotonic() + Self.restNanoseconds
                    page.quotesProblem = problem
                }
            }
        }
    }

    private struct NoSuchBar: Error, CustomStringConvertible {
        let description = "no such bar is stored"
    }
}
