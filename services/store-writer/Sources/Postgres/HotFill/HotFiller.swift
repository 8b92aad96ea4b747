import Membership
import HotState
import MarketModel
import PostgresClient
import Primitives
import ServiceRuntime
import StoreSinks
import TapeCodec

/// The thread that reads from the database what the hot state lacks: the newest values of
/// partitions that this process did not own before, so that it does not know them.
///
/// A *pass* goes over the symbols of the last `WRITER_HOT_TTL`, some at a time, with a session of
/// its own. A failure disturbs nothing else. What failed is tried again, and given up after
/// `attemptsMax` failures in a row.
final class HotFiller {
    /// The symbols of one step.
    static let symbolsPerStep: Int64 = 200
    /// The rows of a symbol that are looked at, where one source is known: of those with the last
    /// time, the last one on the tape is taken. With several sources more rows are looked at, so
    /// that a source is found that sends less than others.
    static let rowsOfOneSource: Int64 = 32
    static let rowsOfSources: Int64 = 256
    /// The rows of a symbol that are looked at for bars of a provider, which may have many lengths.
    static let rowsOfProviderBars: Int64 = 256
    /// The same for its long bars, of which only those at round times are looked at.
    static let rowsOfLongBars: Int64 = 4_096
    /// The most failures in a row.
    static let attemptsMax = 8
    private static let retryFirst = Duration.seconds(1)
    /// The longest wait before the next attempt, as a multiple of the first one.
    private static let retryFactor = 60
    /// The interval at which orders are looked for, and room in the queue.
    private static let lookEvery = Duration.milliseconds(100)
    private static let roomEvery = Duration.milliseconds(10)
    /// The shortest pause after a step. After a longer step the pause is as long as the step, so
    /// that the database is busy with this for half of the time at most.
    private static let pauseMin = Duration.milliseconds(20)
    private static let connectTimeout = Duration.seconds(5)
    private static let statementTimeout = Duration.seconds(20)

    private let store: PostgresStore
    private let hot: HotOutput
    private let context: ServiceContext
    private let beat: ThreadBeat
    private let metrics: HotFillMetrics
    private let life: Int64
    /// As the constant; tests set a shorter one.
    private let retryFirst: Duration
    private var session: PostgresConnection?
    private var random = SystemRandomNumberGenerator()

    /// How far a pass is.
    struct Progress {
        var partitions = 0
        /// The last symbol of the last step.
        var symbol = ""
        var symbols = 0
        var values = 0
        /// Rows that could not be read as values.
        var unreadable = 0
        /// The rows of a symbol that are looked at; 0 when the sources were not counted yet.
        var rows: Int64 = 0
        var isDone = false
    }

    private init(
        _ store: PostgresStore, _ hot: HotOutput, life: Duration, retryFirst: Duration
    ) {
        let context = store.context
        self.store = store
        self.hot = hot
        self.context = context
        self.life = life.clampedNanoseconds
        self.retryFirst = retryFirst
        beat = context.threads.thread("hot-fill", within: ThreadWatch.callLimit)
        metrics = HotFillMetrics(context.telemetry.metrics)
    }

    static func start(
        _ store: PostgresStore, _ hot: HotOutput, life: Duration,
        retryFirst: Duration = HotFiller.retryFirst
    ) throws(ServiceError) -> ServiceThread {
        try ServiceThread(name: "hot-fill") {
            HotFiller(store, hot, life: life, retryFirst: retryFirst).run()
        }
    }

    /// Runs until shutdown is requested.
    private func run() {
        defer { beat.retire() }
        while !isOver(after: Self.lookEvery) {
            let partitions = hot.fills.begin()
            metrics.waiting.set(Double(hot.fills.count))
            if partitions.isEmpty { continue }
            pass(over: partitions)
            hot.fills.end()
            session?.close()
            session = nil
        }
    }

    /// Waits, and returns whether shutdown is requested.
    private func isOver(after time: Duration) -> Bool {
        beat.beat(before: time)
        return context.shutdown.wait(timeout: time)
    }

    private func pass(over partitions: Set<Int>) {
        var progress = Progress(partitions: partitions.count)
        var backoff = Backoff(first: retryFirst, limit: retryFirst * Self.retryFactor)
        let start = context.clock.monotonic()
        while !progress.isDone {
            let began = context.clock.monotonic()
            var pause = Self.pauseMin
            do throws(PostgresError) {
                try step(&progress)
                backoff.reset()
                pause = max(pause, context.clock.monotonic().duration(since: began))
            } catch {
                session?.close()
                session = nil
                metrics.failures.add()
                pause = backoff.next(using: &random)
                guard backoff.attempt < Self.attemptsMax else {
                    context.telemetry.emit(.hotFillEnded(progress: progress, failure: "\(error)"))
                    return
                }
            }
            metrics.waiting.set(Double(hot.fills.count))
            if isOver(after: pause) { return }
        }
        context.telemetry.emit(
            .hotFillEnded(
                progress: progress, took: context.clock.monotonic().duration(since: start)))
    }

    /// Reads the values of the next symbols, and hands them over.
    private func step(_ progress: inout Progress) throws(PostgresError) {
        let present = hot.fills.present
        if present.isEmpty { progress.isDone = true }
        guard !progress.isDone else { return }
        let database = try connected()
        let known = try symbols(after: progress.symbol, on: database)
        guard let last = known.last else {
            progress.isDone = true
            return
        }
        let own = known.filter { text in
            Symbol(text).map {
                present.contains(Partition(of: $0, count: store.writer.partitions).number)
            } ?? false
        }
        if progress.rows == 0 { progress.rows = try rowsPerSymbol(on: database) }
        for table in HotFillTable.allCases
        where !own.isEmpty && store.writer.sinks.sinks.contains(where: { $0.name == table.sink }) {
            try read(table, own, on: database, &progress)
        }
        // Only now: after a failure the step is done again.
        progress.symbol = last
        progress.symbols += own.count
    }

    private func connected() throws(PostgresError) -> PostgresConnection {
        if let session, session.isUsable { return session }
        var postgres = store.settings.connection
        postgres.applicationName += " hot state"
        postgres.statementTimeout = Self.statementTimeout
        // The planner underestimates symbols with many rows. Then it would read all of them and
        // sort, where the index has their order.
        postgres.settings += [
            ("enable_bitmapscan", "off"), ("jit", "off"), ("max_parallel_workers_per_gather", "0"),
        ]
        beat.beat(before: ThreadWatch.systemTime)
        let opened = try PostgresConnection.newest(
            of: postgres, timeout: Self.connectTimeout, onWait: { [beat] in beat.beat() })
        session = opened
        return opened
    }

    private func symbols(
        after symbol: String, on database: PostgresConnection
    ) throws(PostgresError) -> [String] {
        beat.beat()
        // The beginning of a day: chunks begin there, too, and in a chunk that is cut by the time
        // every row before it would be looked at.
        let from = context.clock.now()
            .advanced(byNanoseconds: -life - HotFillTable.shortBars.windowNanoseconds)
            .floored(toNanoseconds: 86_400_000_000_000)
        let result = try database.execute(
            HotFillTable.symbols,
            [.text(symbol), .timestamp(from), .integer(Self.symbolsPerStep)],
            timeout: Self.statementTimeout)
        return (0..<result.rowCount).compactMap { result[$0, 0] }
    }

    private func rowsPerSymbol(
        on database: PostgresConnection
    ) throws(PostgresError) -> Int64 {
        let result = try database.execute(
            HotFillTable.sources, [.text(store.writer.store.text)], timeout: Self.statementTimeout)
        let sources = result.rowCount > 0 ? result.integer(0, 0) ?? 0 : 0
        return sources > 1 ? Self.rowsOfSources : Self.rowsOfOneSource
    }

    /// Reads the newest rows of these symbols from a table, and hands them over. Waits while the
    /// queue of the hot state has no room for them.
    private func read(
        _ table: HotFillTable, _ symbols: [String], on database: PostgresConnection,
        _ progress: inout Progress
    ) throws(PostgresError) {
        beat.beat()
        let readAt = context.clock.now()
        let receivedAt = context.clock.monotonic()
        let from = readAt.advanced(byNanoseconds: -life - table.windowNanoseconds)
        let result = try database.execute(
            table.newest,
            [
                .textArray(symbols), .timestamp(from), .integer(Self.rows(table, progress)),
                .text(store.writer.store.text),
            ], timeout: Self.statementTimeout)
        var builders: [Int: HotFillBuilder] = [:]
        for index in 0..<result.rowCount {
            let row = HotFillRow(columns: result.columns.indices.map { result[index, $0] })
            guard let place = row.place, let value = Self.value(row, table) else {
                progress.unreadable += 1
                continue
            }
            guard readAt.nanoseconds(since: value.time) < life else { continue }
            let number = place.partition.number
            if builders[number] == nil {
                builders[number] = HotFillBuilder(
                    table.kind, place.partition, place.order, readAt: readAt,
                    receivedAt: receivedAt)
            }
            builders[number]?.add(
                value, symbol: place.symbol, source: place.source, at: row.tapePlace(table))
            progress.values += 1
            metrics.values.add()
        }
        for partition in builders.keys.sorted() { handOver(&builders[partition]) }
    }

    /// Returns how many rows of a symbol are looked at.
    private static func rows(_ table: HotFillTable, _ progress: Progress) -> Int64 {
        switch table {
        case .trades, .quotes, .shortBars, .longBars, .books: progress.rows
        case .providerBars: rowsOfProviderBars
        case .longProviderBars: rowsOfLongBars
        }
    }

    private static func value(_ row: HotFillRow, _ table: HotFillTable) -> HotFillValue? {
        do throws(FixedPoint.ParseError) {
            return try row.value(table)
        } catch {
            return nil
        }
    }

    private func handOver(_ builder: inout HotFillBuilder?) {
        for fill in builder?.finish() ?? [] {
            while !hot.queue.offer(fill) { if isOver(after: Self.roomEvery) { return } }
        }
    }
}
