import MarketModel
import OperatorGraph
import Primitives
import StreamCore
import ServiceRuntime

/// Gauges and counters over all partitions of the worker. They are updated four times a second from
/// the machines' own accounts, so nothing is counted per tick.
struct OperatorMetrics {
    private let metrics: MetricRegistry
    // Each one's help text, in `init`, says what it shows.
    private let trades: Gauge
    private let symbolsRefused: Gauge
    private let daysRefused: Gauge
    private let listed: Counter
    private let revised: Counter
    private let duplicates: Counter
    private let undecidable: Counter
    private let paired: Counter
    private let conflated: Counter
    private let alone: Counter
    /// In the order of `BookCounters.states`.
    private let books: [Counter]
    private let forgotten: Counter
    private let settledEarly: Counter
    private let valuesLeftOut: Counter
    /// In the order of `ExcludedTicks.reasons`.
    private let excluded: [Counter]
    private let repair: Histogram
    private let barAge: Histogram
    private let published: Gauge
    private let suppressed: Gauge
    private let openWindows: Gauge
    private let watermark: Gauge
    private let stopped: Gauge
    private let checkpointAge: Gauge
    private let checkpointBytes: Gauge
    private let checkpointWrite: Histogram
    private let recovery: Histogram
    private let changes: OwnerChanges
    private let owned: Gauge
    /// The counts of partitions that ended here or began again. They stay counted.
    private var past = PartitionTally()
    /// By edge, how many of its drops are already in the counter. Only looked up, because the order
    /// of a dictionary is random.
    private var edgeDrops: [String: UInt64] = [:]
    /// The part of the partitions' counts that is already in the counters.
    private var counted = PartitionTally()

    init(_ metrics: MetricRegistry) {
        self.metrics = metrics
        trades = metrics.gauge(
            "mds_operator_trades",
            "trades counted for the worker's partitions; a partition's count moves with it")
        symbolsRefused = Self.refused(metrics, "symbols")
        daysRefused = Self.refused(metrics, "days")
        listed = Self.late(metrics, "listed")
        revised = Self.late(metrics, "revised")
        duplicates = Self.duplicates(metrics, "dropped")
        undecidable = Self.duplicates(metrics, "undecidable")
        paired = Self.joined(metrics, "paired")
        conflated = Self.joined(metrics, "conflated")
        alone = Self.joined(metrics, "none")
        books = BookCounters.states.map { Self.books(metrics, $0.name) }
        forgotten = Self.duplicates(metrics, "forgotten")
        settledEarly = Self.settledEarly(metrics)
        valuesLeftOut = Self.valuesLeftOut(metrics)
        excluded = ExcludedTicks.reasons.map { Self.excluded(metrics, $0.name) }
        repair = Self.repair(metrics)
        barAge = Self.barAge(metrics)
        published = metrics.gauge(
            "mds_operator_bars_published",
            "bars, late ticks and values published since the start")
        suppressed = metrics.gauge(
            "mds_operator_bars_suppressed",
            "bars, late ticks and values computed again after a start that were already on the "
                + "tape")
        openWindows = metrics.gauge(
            "mds_operator_open_windows", "windows that are not closed yet",
            "grows without end: no watermark comes")
        watermark = Self.watermark(metrics)
        stopped = metrics.gauge(
            "mds_operator_partitions_with_problem",
            "partitions that the worker owns and does not work on",
            "above 0 for long: `/status` has the reason")
        checkpointAge = metrics.gauge(
            "mds_operator_checkpoint_age_seconds",
            "time since the oldest of the partitions' newest checkpoints was stored",
            "rises without end: see `mds_operator_checkpoints_total`; that of an idle partition "
                + "may be old")
        checkpointBytes = metrics.gauge(
            "mds_operator_checkpoint_bytes", "bytes of the partitions' newest checkpoints together",
            "grows with symbols and open windows")
        checkpointWrite = metrics.histogram(
            "mds_operator_checkpoint_write_seconds",
            "time to store a checkpoint, its parts and its head, in seconds",
            "rises: check the disks of NATS",
            buckets: [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5])
        recovery = metrics.histogram(
            "mds_operator_recovery_seconds",
            "from the first read of a partition's state until all its stored output was computed "
                + "again, in seconds", "rises: checkpoints are too rare, or cannot be stored",
            buckets: [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60])
        changes = OwnerChanges(metrics)
        owned = metrics.gauge(
            "mds_operator_partitions", "partitions that this worker owns",
            "0 in all workers: none is a member, see `/status`")
    }

    private static func watermark(_ metrics: MetricRegistry) -> Gauge {
        metrics.gauge(
            "mds_operator_watermark_timestamp_seconds",
            "oldest watermark of the worker's partitions over their sources that are neither "
                + "silent (`silent_after`) nor retired, in seconds since 1970; nodes over all "
                + "partitions wait only for the sources that count in them",
            "its distance to the clock grows: see "
                + "`mds_operator_source_watermark_timestamp_seconds`")
    }

    private static func repair(_ metrics: MetricRegistry) -> Histogram {
        metrics.histogram(
            "mds_operator_repair_seconds",
            "time to read a part of the tape again and compute its bars from it, in seconds",
            "its partition waits meanwhile",
            buckets: [0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 1_800])
    }

    private static func barAge(_ metrics: MetricRegistry) -> Histogram {
        metrics.histogram(
            "mds_operator_bar_age_seconds",
            "from the end of a window to the tape's acknowledgement of its first bar, in "
                + "seconds; of a packet the oldest window counts, and of a window that a pause "
                + "ends the pause counts, too. After a time without a worker, and with a replay, "
                + "windows are as old as their ticks",
            "rises: `mds_operator_watermark_timestamp_seconds` shows whether a source is late; "
                + "otherwise check `mds_tape_ack_latency_seconds`")
    }

    private static func late(_ metrics: MetricRegistry, _ action: String) -> Counter {
        metrics.counter(
            "mds_operator_late_ticks_total",
            "revised: a bar that got another version by late ticks; listed: a tick that came too "
                + "late for its window, once per series: a row of late_ticks; duplicates are not "
                + "among them",
            "listed rises: the source's delay, or the series' lateness, is too short; `tapeline "
                + "repair` adds them to their bars", by: "action: revised, listed",
            labels: [("action", action)])
    }

    private static func duplicates(_ metrics: MetricRegistry, _ verdict: String) -> Counter {
        metrics.counter(
            "mds_operator_duplicate_ticks_total",
            "dropped: a tick that a `deduplicate` node of the graph left out as a duplicate: a "
                + "row of late_ticks; undecidable: a tick that such a node let through because "
                + "it has no id; forgotten: a tick that such a node forgot before its time, "
                + "because it has no room: its duplicates count as new ticks",
            "forgotten: give the node more `entries`, or a shorter `ttl`; dropped without "
                + "repeats of the provider: the node's key takes genuine trades for one; "
                + "undecidable: the source has no ids, and the node does nothing for it",
            by: "verdict: dropped, undecidable, forgotten", labels: [("verdict", verdict)])
    }

    private static func joined(_ metrics: MetricRegistry, _ quote: String) -> Counter {
        metrics.counter(
            "mds_operator_join_trades_total",
            "a trade that came to a `join` node of the graph; conflated: a paired one whose quote "
                + "stands for several",
            "none rises: quotes are missing; conflated rises: the tape is slow",
            by: "quote: paired, conflated, none", labels: [("quote", quote)])
    }

    private static func books(_ metrics: MetricRegistry, _ state: String) -> Counter {
        metrics.counter(
            "mds_operator_book_changes_total",
            "a change of a book that a `book` node of the graph saw; unknown: it has no numbers, "
                + "because the book is not known yet; lost: a book that is not known any more",
            "unknown goes on for minutes: the gateway does not repeat its books",
            by: "book: known, unknown, lost", labels: [("book", state)])
    }

    private static func excluded(_ metrics: MetricRegistry, _ reason: String) -> Counter {
        metrics.counter(
            "mds_operator_ticks_excluded_total",
            "a tick or a provider's bar that a series left out, counted once per series, and per "
                + "window where windows overlap: in the order of the reasons: of a symbol for "
                + "which there was no room, or that another member of the source's group feeds; "
                + "fetched later, which only repairs count; held back by an earlier node, or a "
                + "correction, cancel or snapshot; without a price, size or usable time; left "
                + "out by the node's sale conditions or odd lots; in no session of the calendar; "
                + "too late, when the list of late ticks was full",
            "outside_session in trading hours: check the calendar; unlisted: far too many late "
                + "ticks; unknown_symbol: a symbol moves between members of a group, or there "
                + "are too many",
            by: "reason: unknown_symbol, backfilled, filter, undefined, rule, outside_session, "
                + "unlisted", labels: [("reason", reason)])
    }

    private static func settledEarly(_ metrics: MetricRegistry) -> Counter {
        metrics.counter(
            "mds_operator_bars_settled_early_total",
            "a finer bar that a `resample` node settled early, because it has no room for more "
                + "bars that may still change: later versions of it are not in the coarser bars",
            "rises: no watermark comes, or the finer series takes late ticks for too long")
    }

    private static func valuesLeftOut(_ metrics: MetricRegistry) -> Counter {
        metrics.counter(
            "mds_operator_values_left_out_total",
            "a value of a custom operator that was left out, because it was one of more than 16 "
                + "of a tick, or its name was longer than 64 bytes",
            "rises: correct the operator")
    }

    private static func refused(_ metrics: MetricRegistry, _ what: String) -> Gauge {
        metrics.gauge(
            "mds_operator_breadth_refused",
            "symbols, and days reported by a provider, for which nodes over all partitions have "
                + "no room; a count of the worker's partitions, which moves with them",
            "above 0: name a smaller universe in the graph", by: "what: symbols, days",
            labels: [("what", what)])
    }

    func repaired(nanoseconds: Int64) { repair.observe(Double(nanoseconds) / 1e9) }

    /// Notes that first bars of windows, of which the oldest ended at this time, are on the tape.
    /// If this machine's clock is behind the ticks' times, the age is 0.
    func stored(windowEnd: Timestamp, now: Timestamp) {
        barAge.observe(max(0, Double(now.nanoseconds(since: windowEnd)) / 1e9))
    }

    func tookOver(nanoseconds: Int64) { changes.takeover.observe(Double(nanoseconds) / 1e9) }

    func restored(nanoseconds: Int64) { changes.restore.observe(Double(nanoseconds) / 1e9) }

    func handedOver(nanoseconds: Int64) { changes.handover.observe(Double(nanoseconds) / 1e9) }

    /// Keeps the counts of a partition that ended here or begins again; `nil` when it has none.
    mutating func left(_ core: PartitionOperator?) {
        guard let core else { return }
        past.add(core.tally)
    }

    func wrote(nanoseconds: Int64) { checkpointWrite.observe(Double(nanoseconds) / 1e9) }

    func caughtUp(nanoseconds: Int64) { recovery.observe(Double(nanoseconds) / 1e9) }

    /// Shows the sums over the owned partitions.
    mutating func update(_ lines: [OperatorReport.Line]) {
        let tally = lines.reduce(into: past) { $0.add($1.tally) }
        count(tally)
        func sum(_ value: (OperatorReport.Line) -> UInt64) -> Double {
            Double(lines.reduce(0) { $0 &+ value($1) })
        }
        owned.set(Double(lines.count))
        trades.set(sum { $0.counters?.received ?? 0 })
        symbolsRefused.set(sum { $0.symbolsRefused })
        daysRefused.set(sum { $0.daysRefused })
        published.set(Double(tally.published))
        suppressed.set(Double(tally.suppressed))
        openWindows.set(sum { UInt64($0.openWindows) })
        stopped.set(sum { $0.problem == nil ? 0 : 1 })
        checkpointBytes.set(sum { UInt64($0.checkpoint?.byteCount ?? 0) })
        checkpointAge.show(lines.compactMap(\.checkpointAge).max())
        let marks = lines.map(\.watermark).filter { $0 != SourceTable.noWatermark }
        watermark.show(marks.min().map { Double($0.nanoseconds) / 1e9 })
    }
}

/// How long the steps take in which a partition changes its owner.
private struct OwnerChanges {
    let takeover: Histogram
    let restore: Histogram
    let handover: Histogram

    init(_ metrics: MetricRegistry) {
        takeover = metrics.histogram(
            "mds_operator_takeover_seconds",
            "from the order to take a partition until the marker of its epoch is stored, in "
                + "seconds", "above 0.25: the tape is slow",
            buckets: Self.seconds)
        restore = metrics.histogram(
            "mds_operator_restore_seconds",
            "from the marker of a partition's epoch until its ticks are read, in seconds",
            "rises: checkpoints have grown, or the bucket is slow",
            buckets: Self.seconds)
        handover = metrics.histogram(
            "mds_operator_handover_seconds",
            "from the last tick of a partition that is handed to another worker until that "
                + "worker may take it, in seconds", "above 0.1: the tape or the bucket is slow",
            buckets: Self.seconds)
    }

    private static let seconds = [
        0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1, 2, 5,
    ]
}

extension OperatorMetrics {
    /// Shows the queues between the graph and its readers. Their names are bounded labels: those of
    /// a graph's nodes, 64 at most, and one for computed output.
    mutating func update(_ levels: [EdgeLevel]) {
        for level in levels {
            let labels = [("edge", level.edge)]
            metrics.gauge(
                "mds_operator_edge_depth", "how much waits in it",
                "near its capacity: NATS is too slow; a node that blocks delays its partitions",
                labels: labels
            ).set(Double(level.depth))
            metrics.gauge(
                "mds_operator_edge_capacity",
                "how much may wait in it; bars.tape: computed output of all partitions that "
                    + "waits for the tape",
                by: "edge: a node of the graph with a `live` queue, or bars.tape", labels: labels
            ).set(Double(level.capacity))
            let known = edgeDrops[level.edge] ?? 0
            metrics.counter(
                "mds_operator_edge_dropped_total",
                "a tick of a node that its queue left out, as the graph defines; the tape has it",
                "the link to NATS is too slow for that node: throttle it", labels: labels
            ).add(level.dropped - min(level.dropped, known))
            edgeDrops[level.edge] = level.dropped
        }
    }

    /// Raises the counters to the counts of all partitions, past ones included.
    private mutating func count(_ tally: PartitionTally) {
        func raise(_ counter: Counter, _ value: KeyPath<PartitionTally, UInt64>) {
            let now = tally[keyPath: value]
            counter.add(now - min(now, counted[keyPath: value]))
        }
        raise(listed, \.late)
        raise(revised, \.revised)
        raise(duplicates, \.duplicates)
        raise(undecidable, \.machine.undecidable)
        raise(forgotten, \.machine.forgotten)
        raise(paired, \.machine.joined.paired)
        raise(conflated, \.machine.joined.conflated)
        raise(alone, \.machine.joined.alone)
        for (counter, state) in zip(books, BookCounters.states) {
            raise(counter, (\PartitionTally.machine.books).appending(path: state.count))
        }
        raise(settledEarly, \.machine.settledEarly)
        raise(valuesLeftOut, \.machine.valuesLeftOut)
        for (counter, reason) in zip(excluded, ExcludedTicks.reasons) {
            raise(counter, (\PartitionTally.machine.excluded).appending(path: reason.count))
        }
        counted = tally
    }
}

extension Gauge {
    /// Shows a value. An unknown one is removed, because it is not 0.
    fileprivate func show(_ value: Double?) {
        if let value { set(value) } else { remove() }
    }
}

/// A partition's core was made, and its reader opens soon.
struct PartitionStarted {
    let partition: Partition
    let epoch: UInt64
    /// The ordinal of the last output on the tape; 0 for none.
    let published: UInt64
    /// `start`, `checkpoint` or `base`.
    let way: String
    /// The number of the restored checkpoint; 0 for none.
    let checkpoint: UInt64
    /// The sequence after which reading begins; 0 for the start of the tape.
    let input: UInt64

    var event: ServiceEvent {
        ServiceEvent(
            .info, "operator.partition.started", "a partition is being worked on",
            ("partition", .integer(Int64(partition.number))), ("epoch", .unsigned(epoch)),
            ("standing.ordinal", .unsigned(published)), ("recovery", .text(way)),
            ("checkpoint", .unsigned(checkpoint)), ("input.sequence", .unsigned(input))
        ).counting(
            "mds_operator_partition_starts_total",
            "a partition that was started: from the start of the tape, from a checkpoint, or "
                + "with a new generation of bars",
            "\"start\" with a long tape: its checkpoints were lost",
            by: "recovery: start, checkpoint, base", labels: [("recovery", way)])
    }
}

extension ServiceEvent {
    /// The facts with which a partition begins could not be read. It is tried again.
    static func partitionNotStarted(partition: Partition, reason: String) -> Self {
        Self(
            .warning, "operator.partition.not_started",
            "a partition could not be begun with; trying again",
            ("partition", .integer(Int64(partition.number))), ("reason", .text(reason)))
    }

    /// A partition makes no bars until a person acts.
    static func partitionStopped(partition: Partition, reason: String) -> Self {
        Self(
            .error, "operator.partition.stopped", "a partition stopped: \(reason)",
            ("partition", .integer(Int64(partition.number))))
    }

    /// The service ends. `isComplete` is true when all partitions were handed over.
    static func operatorDrained(isComplete: Bool) -> Self {
        Self(
            isComplete ? .info : .warning, "operator.drained",
            isComplete
                ? "every computed bar is on the tape"
                : "stopped with bars that are not on the tape; the next start computes them again")
    }
}
