import MarketModel
import Primitives
import StoreSinks
import ServiceRuntime

/// The metrics of the writer; what each one counts is its help text below. Those of the queue
/// change per packet, the others per batch. Some have the names that dashboards of the predecessor
/// query.
struct WriterMetrics: Sendable {
    let errors: Counter
    let submitted: Counter
    let dropped: Counter
    let restarts: Counter
    let retries: Retries
    let tails: Gauge
    private let metrics: MetricRegistry
    private let batches: Counter
    private let latency: Histogram
    private let sinkLatency: Histogram
    private let rows: [(SinkName, Counter)]
    private let ignored: Counter
    private let skipped: [(SinkName, Counter)]
    private let age: Histogram
    let takeover: Histogram

    init(_ metrics: MetricRegistry) {
        self.metrics = metrics
        batches = metrics.counter(
            "mds_worker_batches_written_total", "a transaction that was committed",
            "does not rise: check the database")
        errors = metrics.counter(
            "mds_worker_write_errors_total", "a transaction that failed, whatever the reason",
            "rises for long: `/status` has the reason")
        submitted = metrics.counter(
            "mds_coord_items_submitted_total", "a row (tick or bar) that was put into the queue",
            "its rate is the writer's rate")
        dropped = metrics.counter(
            "mds_writer_queue_dropped_ticks_total",
            "a tick for which there was no room, with WRITER_OVERFLOW=drop",
            "rises: the database is too slow; the table `gaps` names them")
        restarts = metrics.counter(
            "mds_worker_restarts_total",
            "a worker that ended with an error that no retry can fix, and was started again",
            "rises: the log has the reason")
        retries = Retries(metrics)
        tails = metrics.gauge(
            "mds_hot_state_tails",
            "inputs (ticks or bars of a partition) whose ends are read for the hot state alone, "
                + "because their rows do not keep up",
            "above 0 for long: the database is away or too slow")
        latency = metrics.histogram(
            "mds_worker_write_latency_seconds", "duration of a committed transaction, in seconds",
            "rises: check the database's disks and locks")
        sinkLatency = metrics.histogram(
            "sink_write_latency_seconds", "the older name of `mds_worker_write_latency_seconds`",
            "as `mds_worker_write_latency_seconds`", labels: [("sink", "timescale")])
        rows = SinkName.allCases.map { name in
            let counter = metrics.counter(
                "sink_writes_total", "a row that was committed", by: "sink: a table",
                labels: [("sink", name.rawValue)])
            return (name, counter)
        }
        ignored = metrics.counter(
            "mds_writer_bars_ignored_total",
            "a bar that the table held in the same or a later revision")
        skipped = SinkName.allCases.map { name in
            let counter = metrics.counter(
                "mds_writer_ticks_skipped_total",
                "a tick of a table that `STORE_TABLES` leaves out", by: "sink: a table",
                labels: [("sink", name.rawValue)])
            return (name, counter)
        }
        takeover = metrics.histogram(
            "mds_writer_takeover_seconds",
            "from the order to take a partition until the database has its new owner, in seconds",
            "rises: check the database")
        age = metrics.histogram(
            "mds_writer_tick_age_seconds",
            "from the receipt of a batch's oldest tick to its COMMIT, in seconds",
            "rises: the writer is too slow")
        waited(0)
    }

    /// Counts rows that waited for a table of another group.
    func waited(_ rows: UInt64) {
        metrics.counter(
            "mds_store_group_waits_total",
            "a row of another table group that waited for a table: for its lock, or for a slow "
                + "statement; once that group waits apart, none does"
        ).add(rows)
    }

    /// The counters of a worker's transactions after a failed one. The share that succeeded shows
    /// whether trying again helps.
    struct Retries: Sendable {
        let succeeded: Counter
        let failed: Counter

        init(_ metrics: MetricRegistry) {
            func counter(_ outcome: String) -> Counter {
                metrics.counter(
                    "mds_worker_retries_total",
                    "a transaction of a worker whose last one had failed",
                    "only failed rises: retries do not help; `/status` has the reason",
                    by: "outcome: succeeded, failed", labels: [("outcome", outcome)])
            }
            succeeded = counter("succeeded")
            failed = counter("failed")
        }
    }

    /// Counts a committed batch. `seconds` is the length of its transaction, `now` the wall clock.
    func written(
        _ batch: WriteBatch, _ outcome: BatchOutcome, seconds: Double, now: Timestamp
    ) {
        batches.add()
        latency.observe(seconds)
        sinkLatency.observe(seconds)
        for (name, counter) in rows {
            counter.add(
                UInt64(max(0, outcome.rows[name, default: 0] - outcome.ignored[name, default: 0])))
        }
        ignored.add(UInt64(max(0, outcome.ignored[.bars, default: 0])))
        for (name, counter) in skipped { counter.add(outcome.skipped[name, default: 0]) }
        if outcome.oldestReceiveTime.isDefined {
            age.observe(Double(now.nanoseconds(since: outcome.oldestReceiveTime)) / 1e9)
        }
    }

    /// Shows the number of partitions that this process owns, of those of one worker.
    func held(_ count: Int, thread: Int) {
        metrics.gauge(
            "mds_writer_partitions", "partitions that this writer owns",
            "the sum over all writers is below the tape's number for long: check the members",
            labels: [("thread", String(thread))]
        ).set(Double(count))
    }

    /// Shows what waits in a worker's queue, and how much may wait.
    func queue(_ waiting: WorkerQueue.Waiting, _ limits: WorkerQueue.Packets.Limits, thread: Int) {
        let labels = [("thread", String(thread))]
        metrics.gauge(
            "mds_coord_queue_depth", "rows that were read and wait for the worker",
            "at the capacity for long: the database is too slow; add threads or writers",
            labels: labels
        ).set(Double(waiting.rows))
        metrics.gauge(
            "mds_coord_queue_capacity", "rows that may wait in the worker's lane", labels: labels
        ).set(Double(limits.rows))
        metrics.gauge(
            "mds_coord_queue_depth_bytes", "bytes that were read and wait for the worker",
            "as `mds_coord_queue_depth`", labels: labels
        ).set(Double(waiting.bytes))
        metrics.gauge(
            "mds_coord_queue_capacity_bytes", "bytes that may wait in the worker's lane",
            labels: labels
        ).set(Double(limits.bytes))
    }

    /// Shows how long after their sending the tape took packets; `nil`: nothing was read of late.
    func delayed(_ nanoseconds: Int64?, of input: SinkInput) {
        let gauge = metrics.gauge(
            "mds_writer_tape_delay_seconds",
            "from the sending of a packet to the time at which the tape took it, by the clocks "
                + "of the sender and of NATS, in seconds; of the packets that were read in the "
                + "last minute or two, the one farthest from zero; absent when there was none",
            "below -1: one of the two clocks is wrong; above 1: that, or packets wait for the "
                + "tape: [ClocksDisagree](runbooks/ClocksDisagree.md)",
            labels: [("input", input.rawValue)])
        if let nanoseconds { gauge.set(Double(nanoseconds) / 1e9) } else { gauge.remove() }
    }

    /// Shows how a group of tables waits apart; `nil`: it does not.
    func apart(_ group: TableGroup, _ line: ApartBoard.Line?) {
        metrics.gauge(
            "mds_store_group_apart",
            "inputs (ticks or bars of a partition) at which a group of tables waits apart, because "
                + "one of its tables was blocked; the others are written",
            "above 0 for long: [TableBlocked](runbooks/TableBlocked.md)",
            labels: [("group", group.rawValue)]
        ).set(Double(line?.inputs.count ?? 0))
        metrics.gauge(
            "mds_store_group_behind_seconds",
            "how far a group of tables that waits apart is behind the others, in seconds",
            "as `mds_store_group_apart`", labels: [("group", group.rawValue)]
        ).set(Double(line?.behindNanoseconds ?? 0) / 1e9)
    }

    /// Shows the number of workers that write or try to, and are not dead.
    func alive(_ workers: Int) {
        metrics.gauge(
            "mds_coord_workers_alive", "workers that write, or try to",
            "below WRITER_THREADS: the log has the reason"
        ).set(Double(workers))
    }

    /// Shows whether COMMITs wait for a standby, where WRITER_PURGE_AFTER is `standby`.
    func synchronous(_ isSynchronous: Bool) {
        metrics.gauge(
            "mds_store_synchronous",
            "with `WRITER_PURGE_AFTER=standby`: 1 when a COMMIT waits until a standby has "
                + "flushed it, else 0",
            "0: [DatabaseNotDurable](runbooks/DatabaseNotDurable.md)"
        ).set(isSynchronous ? 1 : 0)
    }

    /// Counts a mark that a queue has passed.
    func passed(_ mark: WorkerQueue.Packets.Mark) {
        metrics.counter(
            "mds_writer_queue_marks_total",
            "a time that a worker's queue passed its high or its low mark",
            "often while it catches up: these are its batches; a minute without `low`: check the "
                + "database", by: "mark: high, low", labels: [("mark", mark.rawValue)]
        ).add()
    }
}

extension ServiceEvent {
    /// A worker has connected to the database.
    static func storeOpened(thread: Int, server: String) -> Self {
        Self(
            .info, "writer.database.opened",
            "connected to the database; reading goes on from the positions there",
            ("thread", .integer(Int64(thread))), ("server", .text(server))
        ).counting(
            "mds_writer_database_connects_total", "a session with the database")
    }

    /// A worker has given up its session, because the database failed or the batch was withheld.
    static func storeFailed(thread: Int, reason: String) -> Self {
        Self(
            .warning, "writer.database.failed",
            "the database does not take the rows; the tape keeps them: \(reason)",
            ("thread", .integer(Int64(thread)))
        ).counting(
            "mds_writer_database_failures_total", "a session that was given up",
            "rises for long: `/status` has the reason")
    }

    /// A table does not take its rows, so its group waits apart from now on.
    static func groupLeft(
        thread: Int, group: TableGroup, _ reason: ApartGroup.Reason
    ) -> Self {
        Self(
            .warning, "writer.group.apart",
            "the table \(reason.table.rawValue) does not take its rows; its group waits apart, and "
                + "the others are written: \(reason.text)",
            ("thread", .integer(Int64(thread))), ("group", .text(group.rawValue)),
            ("table", .text(reason.table.rawValue))
        ).counting(
            "mds_store_groups_left_total", "a time that a group of tables was left to wait apart")
    }

    /// A group of tables that waited apart is written with the others again.
    static func groupJoined(group: TableGroup) -> Self {
        Self(
            .info, "writer.group.joined",
            "the tables of this group have caught up, and are written with the others again",
            ("group", .text(group.rawValue)))
    }

    /// The database shows another writer as the owner of a partition, so this process gives it up.
    static func partitionFenced(partition: Partition, reason: String) -> Self {
        Self(
            .warning, "writer.partition.fenced",
            "another writer owns this partition now; its rows are left to it",
            ("partition", .integer(Int64(partition.number))), ("reason", .text(reason))
        ).counting(
            "mds_writer_fenced_total",
            "a partition that another writer claimed in the database before this one was informed",
            "often: members come and go, or a process outside of the group claims partitions")
    }

    /// A partition is owned, and its claim has to be repeated later.
    static func partitionWaits(partition: Partition, reason: String) -> Self {
        Self(
            .warning, "writer.partition.waits", "a partition is not written yet; others are",
            ("partition", .integer(Int64(partition.number))), ("reason", .text(reason)))
    }

    /// The process is not steady any more, and owns partitions.
    static func writerPaused() -> Self {
        Self(
            .warning, "writer.paused",
            "this process did not hear itself for a lease: others may own its partitions, so it "
                + "neither reads nor writes until it knows"
        ).counting(
            "mds_writer_pauses_total",
            "a time that the writer paused because it did not hear itself",
            "as `mds_member_pauses_total`")
    }

    /// The writer ends before all its partitions were handed over.
    static func writerLeftBehind() -> Self {
        Self(
            .warning, "writer.left_behind",
            "not every partition was handed over in time; others take them when this lease has run "
                + "out"
        )
    }

    /// A person has accepted another position for an input (`tapeline position accept`).
    static func positionAccepted(input: String, sequence: UInt64) -> Self {
        Self(
            .warning, "writer.position.accepted",
            "a person accepted another position; reading goes on there",
            ("input", .text(input)), ("sequence", .unsigned(sequence))
        ).counting(
            "mds_writer_positions_accepted_total", "a position that a person changed")
    }

    /// The ordinals that are missing of a declared batch: an event for each source and reason, of
    /// which there may be thousands of gaps.
    static func batchLost(input: String, gaps: [SinkGap]) -> [Self] {
        Dictionary(grouping: gaps) { "\($0.source) \($0.reason)" }.sorted { $0.key < $1.key }
            .compactMap { _, own in
                guard var all = own.first else { return nil }
                let last = own.map(\.ordinals.upperBound).max() ?? all.ordinals.upperBound
                all.ordinals = all.ordinals.lowerBound...last
                return gapStored(
                    input: input, gap: all, ordinals: own.reduce(0) { $0 + $1.ordinalCount })
            }
    }

    /// A gap that the writer found was committed as a row of `gaps`. `ordinals`: so many of it are
    /// missing; `nil`: all.
    static func gapStored(input: String, gap: SinkGap, ordinals: UInt64? = nil) -> Self {
        let level: LogLevel =
            switch gap.reason {
            case .hole, .tapeLost: .error
            case .givenTwice: .warning
            // `queueDropped` reports it once a second.
            case .dropped: .debug
            }
        let message: String =
            switch gap.reason {
            case .dropped: "there was no room in the queue for these; the table gaps names them"
            case .hole: "ordinals are missing on the tape; the table gaps names them"
            case .tapeLost:
                "the tape was purged of a declared batch; ordinal_gaps names with the next batch "
                    + "what the store does not have of it"
            case .givenTwice: "the tape gave out stored ordinals again; their ticks are left out"
            }
        return Self(
            level, "writer.gap.stored", message,
            ("input", .text(input)), ("source", .text(gap.source.text)),
            ("first", .unsigned(gap.ordinals.lowerBound)),
            ("last", .unsigned(gap.ordinals.upperBound)),
            ("ordinals", .unsigned(ordinals ?? gap.ordinalCount)),
            ("reason", .text(gap.reason.rawValue))
        ) {
            $0.counter(
                "mds_writer_gap_ticks_total",
                "an ordinal that a worker noted in `gaps` or `ordinal_gaps` (one that ends right "
                    + "then misses it): `hole`, `given_twice`, `tape_lost` or `dropped`",
                "hole, given_twice, tape_lost: tape data were destroyed; `tapeline position show`",
                labels: [("reason", gap.reason.rawValue)]
            ).add(ordinals ?? gap.ordinalCount)
        }
    }
}
