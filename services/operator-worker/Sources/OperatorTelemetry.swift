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
    private let takeover: Histogram
    private let restore: Histogram
    private let handover: Histogram
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
            "Trades in the accounts of the worker's partitions, which move with them.")
        symbolsRefused = Self.refused(metrics, "symbols")
        daysRefused = Self.refused(metrics, "days")
        listed = Self.late(metrics, "listed")
        revised = Self.late(metrics, "revised")
        duplicates = Self.duplicates(metrics, "dropped")
        undecidable = Self.duplicates(metrics, "undecidable")
        forgotten = Self.duplicates(metrics, "forgotten")
        settledEarly = Self.settledEarly(metrics)
        valuesLeftOut = Self.valuesLeftOut(metrics)
        excluded = ExcludedTicks.reasons.map { Self.excluded(metrics, $0.name) }
        repair = Self.repair(metrics)
        barAge = Self.barAge(metrics)
        published = metrics.gauge(
            "mds_operator_bars_published",
            "Bars, late ticks and values published since the start.")
        suppressed = metrics.gauge(
            "mds_operator_bars_suppressed",
            "Bars, late ticks and values computed again after a start that were on the tape "
                + "already.")
        openWindows = metrics.gauge("mds_operator_open_windows", "Windows that are not closed yet.")
        watermark = metrics.gauge(
            "mds_operator_watermark_timestamp_seconds",
            "The oldest watermark of the worker's partitions, in seconds since 1970.")
        stopped = metrics.gauge(
            "mds_operator_partitions_with_problem", "Partitions that are not being worked on.")
        checkpointAge = metrics.gauge(
            "mds_operator_checkpoint_age_seconds",
            "Time since the oldest of the partitions' newest checkpoints was stored.")
        checkpointBytes = metrics.gauge(
            "mds_operator_checkpoint_bytes", "Bytes of the partitions' newest checkpoints.")
        checkpointWrite = metrics.histogram(
            "mds_operator_checkpoint_write_seconds",
            "Time to store a checkpoint, its parts and its head.",
            buckets: [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5])
        recovery = metrics.histogram(
            "mds_operator_recovery_seconds",
            "Time from looking at a partition until all that stands was met again.",
            buckets: [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60])
        takeover = metrics.histogram(
            "mds_operator_takeover_seconds",
            "Time from the order to take a partition until the marker of its epoch stands.",
            buckets: Self.changeSeconds)
        restore = metrics.histogram(
            "mds_operator_restore_seconds",
            "Time from the marker of a partition's epoch until its ticks are read.",
            buckets: Self.changeSeconds)
        handover = metrics.histogram(
            "mds_operator_handover_seconds",
            "Time from the last tick of a partition that is given to another worker until it may "
                + "have it.",
            buckets: Self.changeSeconds)
        owned = metrics.gauge("mds_operator_partitions", "Partitions that this worker owns.")
    }

    private static let changeSeconds = [
        0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1, 2, 5,
    ]

    private static func repair(_ metrics: MetricRegistry) -> Histogram {
        metrics.histogram(
            "mds_operator_repair_seconds",
            "Time to read a part of the tape again and compute its bars from it.",
            buckets: [0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 1_800])
    }

    private static func barAge(_ metrics: MetricRegistry) -> Histogram {
        metrics.histogram(
            "mds_operator_bar_age_seconds",
            "From the oldest end of a packet's windows to the acknowledgement of their bars.",
            buckets: Histogram.latencySeconds)
    }

    private static func late(_ metrics: MetricRegistry, _ action: String) -> Counter {
        metrics.counter(
            "mds_operator_late_ticks_total",
            "Ticks that no window of a series takes any more, each listed on the tape once per "
                + "series, and bars of which late ticks made another version.",
            labels: [("action", action)])
    }

    private static func duplicates(_ metrics: MetricRegistry, _ verdict: String) -> Counter {
        metrics.counter(
            "mds_operator_duplicate_ticks_total",
            "Ticks that a node of the graph left out and listed because they were there already, "
                + "ticks that passed it because they have no id to tell that by, and ticks that it "
                + "forgot early, so that it does not find their duplicates.",
            labels: [("verdict", verdict)])
    }

    private static func excluded(_ metrics: MetricRegistry, _ reason: String) -> Counter {
        metrics.counter(
            "mds_operator_ticks_excluded_total",
            "Ticks that a series left out, once per series, and per window where windows overlap.",
            labels: [("reason", reason)])
    }

    private static func settledEarly(_ metrics: MetricRegistry) -> Counter {
        metrics.counter(
            "mds_operator_bars_settled_early_total",
            "Finer bars that a resampling node settled early, because it has no room for more that "
                + "may still change.")
    }

    private static func valuesLeftOut(_ metrics: MetricRegistry) -> Counter {
        metrics.counter(
            "mds_operator_values_left_out_total",
            "Values of custom operators that were left out: too many of one tick, or too long a "
                + "name.")
    }

    private static func refused(_ metrics: MetricRegistry, _ what: String) -> Gauge {
        metrics.gauge(
            "mds_operator_breadth_refused",
            "What nodes over all partitions have no room for, in the accounts of the worker's "
                + "partitions, which move with them.",
            labels: [("what", what)])
    }

    func repaired(nanoseconds: Int64) { repair.observe(Double(nanoseconds) / 1e9) }

    /// Notes that first bars of windows, of which the oldest ended at this time, are on the tape.
    /// If this machine's clock is behind the ticks' times, the age is 0.
    func stored(windowEnd: Timestamp, now: Timestamp) {
        barAge.observe(max(0, Double(now.nanoseconds(since: windowEnd)) / 1e9))
    }

    func tookOver(nanoseconds: Int64) { takeover.observe(Double(nanoseconds) / 1e9) }

    func restored(nanoseconds: Int64) { restore.observe(Double(nanoseconds) / 1e9) }

    func handedOver(nanoseconds: Int64) { handover.observe(Double(nanoseconds) / 1e9) }

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

extension OperatorMetrics {
    /// Shows the queues between the graph and its readers. Their names are bounded labels: those of
    /// a graph's nodes, 64 at most, and one for computed output.
    mutating func update(_ levels: [EdgeLevel]) {
        for level in levels {
            let labels = [("edge", level.edge)]
            metrics.gauge(
                "mds_operator_edge_depth", "What waits in a bounded queue of the graph.",
                labels: labels
            ).set(Double(level.depth))
            metrics.gauge(
                "mds_operator_edge_capacity", "What may wait in a bounded queue of the graph.",
                labels: labels
            ).set(Double(level.capacity))
            let known = edgeDrops[level.edge] ?? 0
            metrics.counter(
                "mds_operator_edge_dropped_total",
                "Ticks of a node that its queue left out, as the graph says.", labels: labels
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
struct PartitionStarted: TelemetryEvent {
    static let name = "operator.partition.started"
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

    var level: LogLevel { .info }
    var message: String { "a partition is being worked on" }
    var fields: [(String, LogValue)] {
        [
            ("partition", .integer(Int64(partition.number))), ("epoch", .unsigned(epoch)),
            ("standing.ordinal", .unsigned(published)), ("recovery", .text(way)),
            ("checkpoint", .unsigned(checkpoint)), ("input.sequence", .unsigned(input)),
        ]
    }

    func count(in metrics: MetricRegistry) {
        metrics.counter(
            "mds_operator_partition_starts_total", "Partitions that were begun with.",
            labels: [("recovery", way)]
        ).add()
    }
}

/// The facts with which a partition begins could not be read. It is tried again.
struct PartitionNotStarted: TelemetryEvent {
    static let name = "operator.partition.not_started"
    let partition: Partition
    let reason: String

    var level: LogLevel { .warning }
    var message: String { "a partition could not be begun with; trying again" }
    var fields: [(String, LogValue)] {
        [("partition", .integer(Int64(partition.number))), ("reason", .text(reason))]
    }

    func count(in metrics: MetricRegistry) {}
}

/// A partition makes no bars until a person acts.
struct PartitionStopped: TelemetryEvent {
    static let name = "operator.partition.stopped"
    let partition: Partition
    let reason: String

    var level: LogLevel { .error }
    var message: String { "a partition stopped: \(reason)" }
    var fields: [(String, LogValue)] { [("partition", .integer(Int64(partition.number)))] }

    func count(in metrics: MetricRegistry) {}
}

/// The service ends. `isComplete` is true when all partitions were handed over.
struct OperatorDrained: TelemetryEvent {
    static let name = "operator.drained"
    let isComplete: Bool

    var level: LogLevel { isComplete ? .info : .warning }
    var message: String {
        isComplete
            ? "every computed bar is on the tape"
            : "stopped with bars that are not on the tape; the next start computes them again"
    }
    var fields: [(String, LogValue)] { [] }

    func count(in metrics: MetricRegistry) {}
}
