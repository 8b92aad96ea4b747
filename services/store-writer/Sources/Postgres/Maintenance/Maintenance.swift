import PostgresClient
import Primitives
import ServiceRuntime
import StoreSinks

/// The thread that maintains the tables: it checks the database's kind and settings, makes the days
/// of the next week (time partitions), and drops days that are too old.
///
/// It opens a new session for each check, so that changed settings are seen. Its failures do not
/// disturb the writing. They are reported, and what failed is tried again.
final class Maintenance {
    /// The time between two checks of the database.
    static let checkEvery = Duration.seconds(30)
    /// The time between two turns of making partitions and dropping days.
    static let keepEvery = Duration.seconds(3_600)
    /// The time between two measurements of the tables' sizes, which query every chunk.
    static let measureEvery = Duration.seconds(300)
    /// The first wait after a failure, growing up to `checkEvery`.
    private static let retryFirst = Duration.seconds(1)
    /// The first wait after a failure to drop a table's days, growing up to `keepEvery`: a query
    /// may read those days for hours, and they cannot be dropped meanwhile.
    static let dropRetryFirst = Duration.seconds(120)
    private static let connectTimeout = Duration.seconds(5)
    /// The maximum number of days of one table that one turn drops. The rest waits for the next
    /// turn.
    static let dropsMax = 1_000

    private let postgres: PostgresConfiguration
    private let retention: RetentionPlan
    private let fence: ServerFence
    private let context: ServiceContext
    private let report: DatabaseReport
    private let pace: Pace
    private var backoff: Backoff
    private var random = SystemRandomNumberGenerator()
    /// When partitions are made next, monotonic; `nil` means immediately.
    private var keepAt: MonotonicTime?
    /// When sizes are measured next, monotonic; `nil` means immediately.
    private var measureAt: MonotonicTime?
    /// By table with a retention, when its days are dropped next.
    private var drops: [String: DropTurn] = [:]

    /// The waits, which are shorter in tests.
    struct Pace {
        var check = Maintenance.checkEvery
        var dropRetryFirst = Maintenance.dropRetryFirst
    }

    /// The next turn of one table's retention.
    private struct DropTurn {
        var at: MonotonicTime
        var backoff: Backoff
        /// Why the last turn failed; `nil` when it did not.
        var problem: String?
    }

    init(
        _ settings: PostgresSettings, _ fence: ServerFence, context: ServiceContext,
        report: DatabaseReport, pace: Pace = Pace()
    ) {
        var postgres = settings.connection
        postgres.applicationName += " maintenance"
        postgres.statementTimeout = StoreKeeping.dropTimeout
        self.postgres = postgres
        self.fence = fence
        retention = settings.retention
        context.telemetry.metrics.gauge(
            "mds_store_durability_promised",
            "1 when `WRITER_DATABASE_DURABLE` says that a COMMIT of the database survives a "
                + "crash, else 0"
        ).set(context.configuration.flag("WRITER_DATABASE_DURABLE") ? 1 : 0)
        let backups = context.configuration.text("WRITER_BACKUPS")
        if backups != "unknown" {
            context.telemetry.metrics.gauge(
                "mds_store_backups_expected",
                "1: `WRITER_BACKUPS` says that somebody makes backups of the database; absent "
                    + "when it is `unknown`", by: "by: noted, cloudnative-pg",
                labels: [("by", backups)]
            ).set(1)
        }
        if let room = settings.databaseBytes {
            context.telemetry.metrics.gauge(
                "mds_store_capacity_bytes",
                "bytes that the database may take, from `WRITER_DATABASE_BYTES`; absent without "
                    + "it", "absent: [DiskFilling](runbooks/Disk.md)"
            ).set(Double(room))
        }
        self.context = context
        self.report = report
        self.pace = pace
        backoff = Backoff(first: min(Self.retryFirst, pace.check), limit: pace.check)
    }

    /// Starts the thread. A stopping process does not wait long for it: dropping a day may take
    /// minutes, and the server rolls it back when the process has ended.
    static func start(
        _ settings: PostgresSettings, _ fence: ServerFence, context: ServiceContext
    ) throws(ServiceError) -> ServiceThread {
        let report = DatabaseReport(retention: settings.retention)
        context.operations.addStatusSection("database") { report.write(into: &$0) }
        context.telemetry.metrics.addCertificate(of: "postgres-server") { report.certificateEnd }
        return try ServiceThread(name: "maintenance") {
            Maintenance(settings, fence, context: context, report: report).run()
        }
    }

    /// Runs until shutdown is requested.
    func run() {
        var wait = Duration.zero
        let beat = context.threads.thread("maintenance", within: ThreadWatch.callLimit)
        defer { beat.retire() }
        while !context.shutdown.wait(timeout: wait) {
            do throws(PostgresError) {
                try turn(beat)
                backoff.reset()
                wait = pace.check
            } catch {
                report.checked(problem: "\(error)")
                context.telemetry.emit(.maintenanceFailed(reason: "\(error)"))
                wait = backoff.next(using: &random)
            }
            beat.beat(before: wait)
        }
    }

    /// Does one check with a new session, and whatever else is due.
    private func turn(_ beat: ThreadBeat) throws(PostgresError) {
        beat.beat(before: ThreadWatch.systemTime)
        let database = try PostgresConnection(
            postgres, timeout: Self.connectTimeout, onWait: { beat.beat() }
        ) { session throws(PostgresError) in
            _ = try fence.admit(session)
        }
        defer { database.close() }
        report.connected(certificateEnd: database.certificateEnd)
        note(try DatabaseProfile.read(on: database, timeout: StoreKeeping.timeout))
        let keeping = StoreKeeping(database: database)
        try keep(keeping)
        try applyRetention(keeping)
        try measure(keeping)
        try noteBackups(keeping)
        // The problem of a table whose retention waits for its next try outlives a good check.
        report.checked(problem: drops.values.compactMap(\.problem).min())
    }

    /// Reports the database's kind and settings when they have changed.
    private func note(_ profile: DatabaseProfile) {
        context.telemetry.metrics.gauge(
            "mds_store_durable", "1 when a COMMIT of the database survives a crash, else 0",
            "0: `/status` names the settings; `WRITER_DATABASE_DURABLE=false` if it is meant to "
                + "be so"
        ).set(profile.isDurable ? 1 : 0)
        guard let before = report.found(profile) else { return }
        context.telemetry.emit(.databaseFound(profile: profile))
        guard profile.broken != before else { return }
        context.telemetry.emit(.durabilityChanged(broken: profile.broken))
    }

    /// Makes the time partitions of coming days, when it is due.
    private func keep(_ keeping: StoreKeeping) throws(PostgresError) {
        if let keepAt, context.clock.monotonic() < keepAt { return }
        let made = try keeping.makePartitions()
        if made > 0 { context.telemetry.emit(.partitionsMade(count: made)) }
        keepAt = context.clock.deadline(after: Self.keepEvery)
        report.kept(at: context.clock.now())
    }

    /// Measures the sizes of tables, when it is due.
    private func measure(_ keeping: StoreKeeping) throws(PostgresError) {
        if let measureAt, context.clock.monotonic() < measureAt { return }
        let sizes = try keeping.sizes()
        for (table, bytes) in sizes {
            context.telemetry.metrics.gauge(
                "mds_store_bytes",
                "bytes of a table on disk with its indexes, read every 5 minutes; `other`: the "
                    + "rest of the database; every writer shows the same",
                "grows towards `mds_store_capacity_bytes`: `WRITER_RETENTION`, "
                    + "`WRITER_COMPRESS_AFTER`, or a larger disk", by: "table: a table, or other",
                labels: [("table", table)]
            ).set(Double(bytes))
        }
        report.measured(sizes, at: context.clock.now())
        measureAt = context.clock.deadline(after: Self.measureEvery)
    }

    /// Shows when the last backups succeeded. Without a note there is no metric: a database may be
    /// backed up by means that note nothing.
    private func noteBackups(_ keeping: StoreKeeping) throws(PostgresError) {
        for (kind, time) in try keeping.backups() {
            context.telemetry.metrics.gauge(
                "mds_backup_last_success_timestamp_seconds",
                "when the last backup of that kind succeeded, in seconds since 1970, from the "
                    + "table `backups`, read every 30 s; absent until one is noted; every writer "
                    + "shows the same",
                "old: [Backups](runbooks/Backups.md)",
                by: "kind: base, log, dump, tape", labels: [("kind", kind)]
            ).set(Double(time))
        }
    }

    /// Applies the retention of every table that is due. A locked table does not delay the others,
    /// and is tried again some minutes later.
    private func applyRetention(_ keeping: StoreKeeping) throws(PostgresError) {
        let now = context.clock.monotonic()
        let due = retention.rules.filter { rule in drops[rule.table].map { now >= $0.at } ?? true }
        guard !due.isEmpty else { return }
        // Another writer may be dropping days at present. Then this one does nothing, and has its
        // next turn as usual.
        let isOurs = try keeping.takeTurn()
        for rule in due {
            var turn =
                drops[rule.table]
                ?? DropTurn(
                    at: now, backoff: Backoff(first: pace.dropRetryFirst, limit: Self.keepEvery))
            turn.problem = nil
            turn.at = context.clock.deadline(after: Self.keepEvery)
            do throws(PostgresError) {
                if isOurs { try drop(rule, keeping) }
                turn.backoff.reset()
            } catch {
                guard keeping.database.isUsable else { throw error }
                turn.problem = "\(error)"
                turn.at = context.clock.deadline(after: turn.backoff.next(using: &random))
                context.telemetry.emit(.maintenanceFailed(reason: "\(error)"))
            }
            drops[rule.table] = turn
        }
    }

    /// Drops the days of a table that are too old, the oldest first, until shutdown is requested.
    private func drop(_ rule: RetentionPlan.Rule, _ keeping: StoreKeeping) throws(PostgresError) {
        var turns = 0
        while turns < Self.dropsMax, !context.shutdown.wait(timeout: .zero) {
            let dropped = try keeping.dropOldest(rule)
            for day in dropped { context.telemetry.emit(.dayDropped(day: day, rule: rule)) }
            if dropped.isEmpty { return }
            turns += 1
        }
    }
}
