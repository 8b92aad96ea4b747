import MarketModel
import PostgresClient
import Primitives
import ServiceRuntime
import StoredBars

/// A document, or why there is none, with the status of its answer.
struct PageAnswer: Equatable, Sendable {
    var status = 200
    let json: [UInt8]
}

/// Answers what the page Chart asks, with what its thread has read of the database.
final class ChartDesk: Sendable {
    private let desk = QuestionDesk<ChartQuestion, [UInt8]>()

    /// Returns the newest document at this path. `nil` if it is none of a chart. It does not block.
    func answer(
        _ path: String, _ parameters: [String: String], at now: MonotonicTime
    ) -> PageAnswer? {
        do throws(ChartQuestion.Refusal) {
            guard let question = try ChartQuestion.read(path, parameters) else { return nil }
            return Self.answer(desk.look(question, at: now), at: now)
        } catch {
            return PageAnswer(status: 400, json: Self.refusal(error.description))
        }
    }

    static func answer(
        _ look: QuestionBook<ChartQuestion, [UInt8]>.Look, at now: MonotonicTime
    ) -> PageAnswer {
        switch look {
        case .refused(let reason): return PageAnswer(json: refusal(reason))
        case .known(let known):
            var json = JSONWriter(capacity: 256 + (known.value?.count ?? 0))
            json.object { json in
                json.member("at", seconds: known.measuredAt)
                json.member("limit", Freshness.limit)
                if let absence = known.absence(at: now) {
                    json.member("absence", OverviewMaker.line(absence))
                }
                if let value = known.value {
                    json.key("value")
                    json.literal(String(decoding: value, as: UTF8.self))
                }
            }
            return PageAnswer(json: json.bytes)
        }
    }

    private static func refusal(_ reason: String) -> [UInt8] {
        var json = JSONWriter()
        json.object { $0.member("refused", reason) }
        return json.bytes
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
            let page = try reader.page(symbol, source, series, from: from)
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
