import LatestValues
import MarketModel
import PostgresClient
import Primitives
import ServiceRuntime
import StoredBars
import Synchronization
import ValkeyClient

/// Reads the last values of all symbols from Valkey while a page shows the market.
final class MarketDesk: Sendable {
    private let board = Mutex(MarketBoard())
    private let rounds = Question<Void>()
    private let askedAt = Atomic<Int64>(Int64.min)

    /// Returns the rows that are asked for, as they were read last. `nil` if the path is none of
    /// the market. It does not block on a server.
    func answer(
        _ path: String, _ parameters: [String: String], at now: MonotonicTime
    ) -> PageAnswer? {
        guard path == MarketQuestion.path else { return nil }
        do throws(QuestionRefusal) {
            let question = try MarketQuestion(parameters)
            askedAt.store(now.nanoseconds, ordering: .relaxed)
            let problem = rounds.known.problem
            let json = board.withLock { board in
                MarketDocument(
                    page: board.page(question), question: question, all: board.rows.count,
                    hidden: board.hidden, readAt: board.readAt, problem: problem,
                    dayProblem: board.dayProblem
                ).json
            }
            return PageAnswer(json: json)
        } catch {
            return PageAnswer(refused: error.description, status: 400)
        }
    }

    private func isWanted(at now: MonotonicTime) -> Bool {
        let asked = MonotonicTime(nanoseconds: askedAt.load(ordering: .relaxed))
        return now - asked < PageDocuments.graceNanoseconds
    }

    func start(_ collector: Collector) throws(ServiceError) -> ServiceThread {
        try rounds.start(
            "market", collector.context, collector.audience,
            while: { [self] in isWanted(at: $0) }
        ) { [self] beat in
            let reading = MarketReading(collector, beat)
            return { [self] in
                try reading.round { change in board.withLock { change(&$0) } }
            }
        }
    }
}

/// One thread calls it.
private final class MarketReading {
    typealias Change = ((inout MarketBoard) -> Void) -> Void

    /// One request to Valkey waits at most so long.
    private static let valkeyTimeout = Duration.milliseconds(1_000)
    /// Symbols come rarely, and to find them reads the sources of all.
    private static let symbolsNanoseconds: Int64 = 15_000_000_000
    /// So many symbols are read together.
    private static let symbolsOfPart = 500
    /// A round rests for so many times of what it took, so that it leaves the servers room.
    private static let restFactor: Int64 = 2
    /// So many first prices of the day are read in a round.
    private static let daysOfRound = 20
    /// A database that has failed is left alone for so long.
    private static let databaseRest: Int64 = 30_000_000_000

    private let collector: Collector
    private let beat: ThreadBeat
    private let database: DatabaseSession
    private let valkey: ValkeyConfiguration
    private var session: ValkeyConnection?
    private var symbols: [Symbol] = []
    private var symbolsAt = MonotonicTime.distantPast
    private var restsUntil = MonotonicTime.distantPast
    private var databaseRestsUntil = MonotonicTime.distantPast

    init(_ collector: Collector, _ beat: ThreadBeat) {
        self.collector = collector
        self.beat = beat
        database = DatabaseSession(collector.settings.postgres, beat)
        var valkey = collector.settings.valkey
        valkey.connectTimeout = Self.valkeyTimeout
        valkey.commandTimeout = Self.valkeyTimeout
        self.valkey = valkey
    }

    private var clock: SystemClock { collector.context.clock }

    /// Reads all symbols once. A page calls its rows old after some of these rounds.
    func round(_ change: Change) throws {
        let begun = clock.monotonic()
        guard begun >= restsUntil else { return }
        do {
            let own = try session ?? ValkeyConnection(valkey)
            session = own
            try read(own, change)
        } catch {
            session?.close()
            session = nil
            throw error
        }
        readDays(change)
        let took = clock.monotonic() - begun
        restsUntil = clock.monotonic() + took * Self.restFactor
    }

    private func read(_ own: ValkeyConnection, _ change: Change) throws {
        let namespace = collector.settings.namespace
        if clock.monotonic() - symbolsAt > Self.symbolsNanoseconds {
            symbols = try MarketSymbols(namespace: namespace, own, at: clock.now()) { [beat] in
                beat.beat(before: Self.valkeyTimeout * 2)
            }.found
            symbolsAt = clock.monotonic()
        }
        let reader = LatestReader(namespace: namespace, own)
        let series = SeriesName(MarketBoard.series).map { [$0] } ?? []
        let (begun, begunTime) = (clock.monotonic(), clock.now())
        change { $0.begin(at: begun, begunTime) }
        for first in stride(from: 0, to: symbols.count, by: Self.symbolsOfPart) {
            beat.beat(before: Self.valkeyTimeout * 4)
            let part = Array(symbols[first..<min(first + Self.symbolsOfPart, symbols.count)])
            let time = clock.now()
            let values = try reader.values(.init(part, of: nil, series), now: time)
            let now = clock.monotonic()
            change { $0.take(values, at: now, time) }
        }
        change { $0.end() }
    }

    /// Reads first prices of the day. Rows are worth showing without them.
    private func readDays(_ change: Change) {
        guard clock.monotonic() >= databaseRestsUntil else { return }
        var missing: [MarketBoard.Key] = []
        change { missing = $0.withoutDay(Self.daysOfRound) }
        guard !missing.isEmpty, let series = SeriesName(MarketBoard.series) else { return }
        let dayNanoseconds: Int64 = 86_400_000_000_000
        let midnight = Timestamp(
            nanoseconds: clock.now().nanoseconds / dayNanoseconds * dayNanoseconds)
        let end = clock.deadline(after: DatabaseSession.timeout)
        let reader = BarReader { [database, clock] sql, parameters throws(PostgresError) in
            try database.rows(sql, parameters, until: end, clock)
        }
        do throws(PostgresError) {
            for key in missing where clock.remaining(until: end) > .milliseconds(200) {
                let page = try reader.page(key.symbol, key.source, series, from: midnight)
                let open = page.items.first?.row.standing.values.open
                let number = open.flatMap { $0.isDefined ? Double("\($0)") : nil }
                change { $0.note(dayOpen: number, of: key) }
            }
            change { $0.dayProblem = nil }
        } catch {
            let problem = "\(error)"
            change { $0.dayProblem = problem }
            databaseRestsUntil = clock.monotonic() + Self.databaseRest
        }
    }
}

/// The symbols of which Valkey has a source.
private struct MarketSymbols {
    /// So many symbols are in one answer.
    private static let symbolsOfStep = 2_000
    /// More steps are not taken: what they would find is not shown.
    private static let stepsMax = 5_000

    private(set) var found: [Symbol] = []

    private struct Refused: Error, CustomStringConvertible {
        let reason: String
        var description: String { "Valkey does not name its symbols: \(reason)" }
    }

    /// `beforeStep` is called before each answer that is waited for.
    init(
        namespace: String, _ session: ValkeyConnection, at now: Timestamp, beforeStep: () -> Void
    ) throws {
        var (cursor, seen) = ("0", Set<Symbol>())
        for _ in 0..<Self.stepsMax {
            beforeStep()
            let reply = try session.command([
                "HSCAN", .text("\(namespace):sources"), .text(cursor), "COUNT",
                .integer(Int64(Self.symbolsOfStep)),
            ])
            guard case .array(let parts) = reply, parts.count == 2, let next = parts[0].text,
                case .array(let fields) = parts[1]
            else { throw Refused(reason: reply.errorMessage ?? "it names no symbols") }
            for number in stride(from: 1, to: fields.count, by: 2) {
                guard let symbol = fields[number - 1].text.flatMap({ Symbol($0) }),
                    let sources = fields[number].text,
                    !LatestReader.sources(sources, at: now).isEmpty
                else { continue }
                if seen.count < MarketBoard.rowsMax { seen.insert(symbol) }
            }
            cursor = next
            if cursor == "0" { break }
        }
        found = seen.sorted { $0.text < $1.text }
    }
}
