import MarketModel
import OperatorGraph
import Primitives
import ServiceRuntime
import StreamCore

/// Watches how far each source of the tape has come in this worker's partitions, and which one has
/// stopped while others continue. Values over all partitions wait for such a source until it is
/// silent (`silent_after` of the graph).
struct SourceWatch {
    /// What is known of one source.
    struct Entry: Sendable {
        /// The least and the greatest of the partitions' watermarks.
        var least: Timestamp
        var greatest: Timestamp
        /// When `greatest` last rose, monotonic.
        var movedAt: MonotonicTime
        /// Whether `greatest` has not risen for the patience, while that of another source is later
        /// and rises.
        var standsStill = false
        /// Whether it is silent or retired in each of the partitions, so that nothing waits for it.
        var isSilent = true
        /// Whether it is retired in each of the partitions. Then it has no metric of its watermark.
        var isRetired = true
    }

    private(set) var entries: [SourceName: Entry] = [:]
    private var gauges: [SourceName: Gauge] = [:]
    private var retiredGauges: [SourceName: Gauge] = [:]
    private let metrics: MetricRegistry
    /// The patience: how long a source may send nothing before it counts as stopped.
    private let patienceNanoseconds: Int64

    init(_ metrics: MetricRegistry, patienceNanoseconds: Int64) {
        self.metrics = metrics
        self.patienceNanoseconds = patienceNanoseconds
    }

    /// Takes the sources of each owned partition, as its machine knows them.
    mutating func update(_ partitions: [[GraphMachine.HeardSource]], now: MonotonicTime) {
        var present: [SourceName: Entry] = [:]
        for sources in partitions {
            for (source, isSilent) in sources where source.watermark != SourceTable.noWatermark {
                var entry =
                    present[source.name]
                    ?? Entry(
                        least: source.watermark, greatest: source.watermark, movedAt: now)
                entry.least = min(entry.least, source.watermark)
                entry.greatest = max(entry.greatest, source.watermark)
                entry.isSilent = entry.isSilent && (isSilent || source.isRetired)
                entry.isRetired = entry.isRetired && source.isRetired
                present[source.name] = entry
            }
        }
        for (name, entry) in present {
            // The watermarks also change when the worker takes or loses a partition. Only a higher
            // greatest watermark counts as a move.
            guard let before = entries[name], entry.greatest <= before.greatest else { continue }
            present[name]?.movedAt = before.movedAt
        }
        let moving = present.values.filter {
            !$0.isRetired && now - $0.movedAt < patienceNanoseconds
        }
        for (name, entry) in present {
            present[name]?.standsStill =
                !entry.isRetired && now - entry.movedAt >= patienceNanoseconds
                && moving.contains { $0.greatest > entry.greatest }
        }
        entries = present
        show()
    }

    private mutating func show() {
        let retired = entries.filter(\.value.isRetired)
        for (name, gauge) in gauges where entries[name] == nil || retired[name] != nil {
            gauge.remove()
        }
        for (name, gauge) in retiredGauges where retired[name] == nil { gauge.remove() }
        for name in retired.keys {
            let gauge =
                retiredGauges[name]
                ?? metrics.gauge(
                    "mds_operator_source_retired",
                    "1 while a source is retired in all of the worker's partitions",
                    labels: [("source", name.text)])
            gauge.set(1)
            retiredGauges[name] = gauge
        }
        for (name, entry) in entries where !entry.isRetired {
            let gauge =
                gauges[name]
                ?? metrics.gauge(
                    "mds_operator_source_watermark_timestamp_seconds",
                    "oldest watermark of the source (1,024 at most) in the worker's partitions, "
                        + "in seconds since 1970",
                    "its distance to `mds_gateway_watermark_timestamp_seconds` of the same "
                        + "source grows: check the lag; it does not move: the source has ended",
                    labels: [("source", name.text)])
            gauge.set(Double(entry.least.nanoseconds) / 1e9)
            gauges[name] = gauge
        }
    }

    private var sorted: [(key: SourceName, value: Entry)] {
        entries.sorted { $0.key < $1.key }
    }

    /// A text that names the sources for which values over all partitions wait; `nil` when there
    /// are none.
    var problem: String? {
        let still = sorted.filter { $0.value.standsStill && !$0.value.isSilent }
        guard let first = still.first else { return nil }
        let more = still.count > 1 ? " and \(still.count - 1) more" : ""
        return "they wait for source \(first.key)\(more), whose time has stood still since "
            + "\(first.value.greatest) while others go on: start its gateway again"
    }

    func write(into json: inout JSONWriter) {
        json.member("sources", each: sorted) { source, json in
            json.member("source", source.key.text)
            json.member("watermark", source.value.least.description)
            json.member("stands_still", source.value.standsStill)
            json.member("silent", source.value.isSilent)
            json.member("retired", source.value.isRetired)
        }
    }
}
