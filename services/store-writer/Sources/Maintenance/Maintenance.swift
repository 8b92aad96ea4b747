import PostgresClient
import Primitives
import ServiceRuntime
import Telemetry

/// The thread that keeps the tables in order beside the writing: it looks after what kind of
/// database this is, makes the partitions that come, and drops what is too old.
///
/// It has a session of its own, made anew for each look, so that settings which changed since are
/// seen. Nothing that fails here disturbs the writing; it is told, and tried again.
final class Maintenance {
    /// Between two looks at the database.
    static let lookEvery = Duration.seconds(30)
    static let keepEvery = Duration.seconds(3_600)
    /// After a failure, growing up to `lookEvery`.
    private static let retryFirst = Duration.seconds(1)
    private static let connectTimeout = Duration.seconds(5)
    /// Of one table in one turn: what is more waits for the next one.
    static let dropsMax = 1_000

    private let postgres: PostgresConfiguration
    private let retention: RetentionPlan
    private let context: ServiceContext
    private let report: DatabaseReport
    private let lookEvery: Duration
    private var backoff: Backoff
    private var random = SystemRandomNumberGenerator()
    /// Monotonic; nil: at once.
    private var keepAt: Timestamp?

    init(
        _ settings: WriterSettings, context: ServiceContext, report: DatabaseReport,
        lookEvery: Duration = Maintenance.lookEvery
    ) {
        var postgres = settings.postgres
        postgres.applicationName += " maintenance"
        postgres.statementTimeout = StoreKeeping.dropTimeout
        self.postgres = postgres
        retention = settings.retention
        self.context = context
        self.report = report
        self.lookEvery = lookEvery
        backoff = Backoff(first: min(Self.retryFirst, lookEvery), limit: lookEvery)
    }

    /// Starts it. Nobody waits for its end for long: a day that is being dropped may take minutes,
    /// and is rolled back by the server when the process has gone.
    static func start(
        _ settings: WriterSettings, context: ServiceContext
    ) throws(ServiceError) -> ServiceThread {
        let report = DatabaseReport(retention: settings.retention)
        context.operations.addStatusSection("database") { report.write(into: &$0) }
        return try ServiceThread(name: "maintenance") {
            Maintenance(settings, context: context, report: report).run()
        }
    }

    /// Until the service is to end.
    func run() {
        var wait = Duration.zero
        while !context.shutdown.wait(timeout: wait) {
            do throws(PostgresError) {
                try turn()
                backoff.reset()
                wait = lookEvery
            } catch {
                report.failed("\(error)")
                context.telemetry.emit(MaintenanceFailed(reason: "\(error)"))
                wait = backoff.next(using: &random)
            }
        }
    }

    private func turn() throws(PostgresError) {
        let database = try PostgresConnection(postgres, timeout: Self.connectTimeout)
        defer { database.close() }
        look(try DatabaseProfile.read(on: database, timeout: StoreKeeping.timeout))
        if let keepAt, context.clock.monotonic() < keepAt { return }
        try keep(StoreKeeping(database: database))
        keepAt = context.clock.deadline(after: Self.keepEvery)
        report.kept(at: context.clock.now())
    }

    private func look(_ profile: DatabaseProfile) {
        context.telemetry.metrics.gauge(
            "mds_store_durable", "1 when a COMMIT of the database outlives a crash, else 0."
        ).set(profile.isDurable ? 1 : 0)
        guard let before = report.found(profile) else { return }
        context.telemetry.emit(DatabaseFound(profile: profile))
        guard profile.broken != before else { return }
        context.telemetry.emit(DurabilityChanged(broken: profile.broken))
    }

    private func keep(_ keeping: StoreKeeping) throws(PostgresError) {
        let made = try keeping.makePartitions()
        if made > 0 { context.telemetry.emit(PartitionsMade(count: made)) }
        guard !retention.rules.isEmpty, try keeping.takeTurn() else { return }
        var failure: PostgresError?
        for rule in retention.rules {
            do throws(PostgresError) {
                try drop(rule, keeping)
            } catch {
                // A table that is locked now holds none of the others back.
                guard keeping.database.isUsable else { throw error }
                failure = failure ?? error
            }
        }
        if let failure { throw failure }
    }

    private func drop(_ rule: RetentionPlan.Rule, _ keeping: StoreKeeping) throws(PostgresError) {
        var turns = 0
        while turns < Self.dropsMax, !context.shutdown.wait(timeout: .zero) {
            let dropped = try keeping.dropOldest(rule)
            for day in dropped { context.telemetry.emit(DayDropped(day: day, rule: rule)) }
            if dropped.isEmpty { return }
            turns += 1
        }
    }
}
