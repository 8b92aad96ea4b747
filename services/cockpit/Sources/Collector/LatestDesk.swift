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

    private let collector: Collector
    private let beat: ThreadBeat
    private let database: DatabaseSession
    private let valkey: ValkeyConfiguration
    private var session: ValkeyConnection?
    private var memory = LatestMemory()

    init(_ collector: Collector, _ beat: ThreadBeat) {
        self.collector = collector
        self.beat = beat
        database = DatabaseSession(collector.settings.postgres, beat)
        var valkey = collector.settings.valkey
        valkey.connectTimeout = Self.valkeyTimeout
        valkey.commandTimeout = Self.valkeyTimeout
        self.valkey = valkey
    }

    func document(_ question: LatestQuestion) throws -> LatestDocument {
        var values = try read(question)
        memory.admit(&values)
        var problems: [String] = []
        if values.contains(where: { $0.unknown == nil }) {
            do {
                try collector.withTape(beat) { client, _ in try values.addFeeds(client) }
            } catch {
                problems.append("the feeds: \(error)")
            }
            do {
                let gaps = try OpenGaps(
                    collector.settings.namespace, of: question.wanted.symbols
                ) { [database] sql, given throws(PostgresError) in try database.rows(sql, given) }
                values.add(gaps)
            } catch {
                problems.append("the gaps: \(error)")
            }
        }
        return LatestDocument(
            values: values, problems: problems, time: collector.context.clock.now())
    }

    private func read(_ question: LatestQuestion) throws -> [LatestValue] {
        beat.beat(before: Self.valkeyTimeout * 4)
        do {
            let own = try session ?? ValkeyConnection(valkey)
            session = own
            return try LatestReader(namespace: collector.settings.namespace, own)
                .values(question.wanted, now: collector.context.clock.now())
        } catch {
            session?.close()
            session = nil
            throw error
        }
    }
}
