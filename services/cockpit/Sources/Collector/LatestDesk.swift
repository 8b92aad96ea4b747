import LatestValues
import PostgresClient
import Primitives
import ServiceRuntime
import ValkeyClient

/// Answers what the page Latest asks, with what its thread has read of Valkey, the tape and the
/// database.
final class LatestDesk: Sendable {
    private let desk = QuestionDesk<LatestQuestion, [UInt8]>()

    /// Returns the newest document at this path. `nil` if it is none of latest values. It does not
    /// block.
    func answer(
        _ path: String, _ parameters: [String: String], at now: MonotonicTime
    ) -> PageAnswer? {
        guard path == LatestQuestion.path else { return nil }
        do throws(QuestionRefusal) {
            return PageAnswer(desk.look(try LatestQuestion(parameters), at: now), at: now)
        } catch {
            return PageAnswer(refused: error.description, status: 400)
        }
    }

    func start(_ collector: Collector) throws(ServiceError) -> ServiceThread {
        try desk.start("latest", collector.context) { beat in
            let reading = LatestReading(collector, beat)
            return { try reading.document($0).json }
        }
    }
}

/// One thread calls it.
private final class LatestReading {
    /// One request to Valkey waits at most so long.
    private static let valkeyTimeout = Duration.milliseconds(500)
    /// A round of requests to the tape waits at most so long.
    private static let tapeTimeout = Duration.milliseconds(400)
    /// To connect to the database, and a statement, take at most so long. With the others it is
    /// less than a page waits before it calls its values old.
    private static let databaseTimeout = Duration.milliseconds(800)
    /// The gaps are asked for once in this time, for all questions.
    private static let gapsNanoseconds: Int64 = 1_000_000_000

    private let collector: Collector
    private let beat: ThreadBeat
    private let database: DatabaseSession
    private let valkey: ValkeyConfiguration
    private var session: ValkeyConnection?
    private var memory = LatestMemory()
    private var feeds = LaneFeeds()
    private var tapePause = Pause()
    private var gaps: OpenGaps?
    private var gapsAt = MonotonicTime.distantPast
    private var databasePause = Pause()

    init(_ collector: Collector, _ beat: ThreadBeat) {
        self.collector = collector
        self.beat = beat
        database = DatabaseSession(
            collector.settings.postgres, beat, timeout: Self.databaseTimeout)
        var valkey = collector.settings.valkey
        valkey.connectTimeout = Self.valkeyTimeout
        valkey.commandTimeout = Self.valkeyTimeout
        self.valkey = valkey
    }

    func document(_ question: LatestQuestion) throws -> LatestDocument {
        let (found, more) = try read(question)
        var values = found
        memory.admit(&values)
        var problems: [String] = []
        if values.contains(where: { $0.unknown == nil }) {
            let clock = collector.context.clock
            let silent = tapePause.ask(clock) {
                try collector.withTape(beat) { client, _ in
                    try feeds.add(to: &values, client, within: Self.tapeTimeout) {
                        clock.monotonic()
                    }
                }
            }
            if let silent { problems.append("the feeds: \(silent)") }
            let away = databasePause.ask(clock) { values.add(try openGaps(at: clock.monotonic())) }
            if let away { problems.append("the gaps: \(away)") }
        }
        return LatestDocument(
            values: values, more: more, problems: problems,
            time: collector.context.clock.now())
    }

    /// Those of all symbols, at most a second old.
    private func openGaps(at now: MonotonicTime) throws -> OpenGaps {
        if let gaps, now - gapsAt < Self.gapsNanoseconds { return gaps }
        let read = try OpenGaps(collector.settings.namespace, of: nil) {
            [database] sql, given throws(PostgresError) in try database.rows(sql, given)
        }
        gaps = read
        gapsAt = now
        return read
    }

    private func read(
        _ question: LatestQuestion
    ) throws -> (values: [LatestValue], more: Int) {
        beat.beat(before: Self.valkeyTimeout * 4)
        do {
            let own = try session ?? ValkeyConnection(valkey)
            session = own
            return try LatestReader(namespace: collector.settings.namespace, own)
                .first(
                    LatestDocument.valuesMax, of: question.wanted,
                    now: collector.context.clock.now())
        } catch {
            session?.close()
            session = nil
            throw error
        }
    }
}

/// Leaves a server that has failed alone for a while, whatever question comes, so that one that
/// hangs does not hold up all pages.
private struct Pause {
    private static let nanoseconds: Int64 = 5_000_000_000

    private var end = MonotonicTime.distantPast
    private var problem = ""

    /// Returns why there is no answer; `nil` when there is one.
    mutating func ask(_ clock: SystemClock, _ ask: () throws -> Void) -> String? {
        guard clock.monotonic() >= end else { return problem }
        do {
            try ask()
            return nil
        } catch {
            problem = "\(error)"
            end = clock.monotonic() + Self.nanoseconds
            return problem
        }
    }
}
