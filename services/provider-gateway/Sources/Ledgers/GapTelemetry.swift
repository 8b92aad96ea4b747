import MarketModel
import Primitives
import ServiceRuntime

/// Metrics of gaps that outlive a process.
struct GapMetrics {
    let missing: Gauge
    private let handedOver: Counter
    private let metrics: MetricRegistry
    private let labels: [(String, String)]

    init(_ metrics: MetricRegistry, source: SourceName) {
        self.metrics = metrics
        labels = [("source", source.text)]
        missing = metrics.gauge(
            "mds_gateway_gaps",
            "gaps of the source that are on the tape and neither filled nor given up, including "
                + "lasting ones",
            "stays: the provider does not fill them; `/status` has the oldest", by: "source",
            labels: labels)
        handedOver = metrics.counter(
            "mds_gateway_gaps_handed_over_total",
            "a gap from before a tenure that was handed to the provider", by: "source",
            labels: labels)
    }

    func handed(_ count: Int) { handedOver.add(UInt64(count)) }

    func settled(_ settlement: GapHandOver.Settlement) {
        let state = settlement.state == .filled ? "filled" : "abandoned"
        guard settlement.state != .open else { return }
        metrics.counter(
            "mds_gateway_gaps_settled_total",
            "a gap, or a part of one, that the gateway itself recorded as settled",
            "the table `gaps` has the reason", by: "source; state: filled, abandoned",
            labels: labels + [("state", state)]
        ).add()
    }
}

/// Reports the gaps from before this tenure, and what was done with them.
struct GapsTaken: TelemetryEvent {
    static let name = "gateway.gaps"
    let source: SourceName
    let handedOver: Int
    let settled: Int
    let packets: Int

    var level: LogLevel { .info }
    var message: String {
        "\(handedOver) gaps from before are handed to the provider"
    }
    var fields: [(String, LogValue)] {
        [
            ("source", .text(source.text)), ("gaps", .integer(Int64(handedOver))),
            ("settled", .integer(Int64(settled))), ("packets", .integer(Int64(packets))),
        ]
    }
}

/// There are more gaps than the gateway keeps; the oldest are given up.
struct GapsGivenUp: TelemetryEvent {
    static let name = "gateway.gaps_given_up"
    let source: SourceName
    let count: Int
    let max: Int

    var level: LogLevel { .error }
    var message: String {
        "\(count) gaps, the oldest ones, are given up: more than \(max) wait to be filled in"
    }
    var fields: [(String, LogValue)] {
        [("source", .text(source.text)), ("gaps", .integer(Int64(count)))]
    }

    func count(in metrics: MetricRegistry) {
        metrics.counter(
            "mds_gateway_gaps_given_up_total",
            "a gap that was given up because more than 4,096 wait",
            "above 0: check the provider's answers to requests for history",
            labels: [("source", source.text)]
        ).add(UInt64(count))
    }
}

/// Part of the tape was purged, lost or damaged before its gaps were stored.
struct GapsUnknown: TelemetryEvent {
    static let name = "gateway.gaps_unknown"
    let source: SourceName
    let partitions: Int

    var level: LogLevel { .warning }
    var message: String {
        "packets of \(partitions) partitions are gone whose gaps nobody has noted: those that only "
            + "they tell of are not filled in"
    }
    var fields: [(String, LogValue)] {
        [("source", .text(source.text)), ("partitions", .integer(Int64(partitions)))]
    }
}

struct GapsRefused: TelemetryEvent {
    static let name = "gateway.gaps_damaged"
    let source: SourceName
    let partition: Partition
    let refusal: VersionedJSON.Refusal

    var level: LogLevel { .error }
    var message: String {
        "the record of the gaps of partition \(partition) cannot be read"
            + "\(refusal.isNewer ? " and is left alone" : ""); the tape is read again: \(refusal)"
    }
    var fields: [(String, LogValue)] { [("source", .text(source.text))] }
}

struct GapsNotStored: TelemetryEvent {
    static let name = "gateway.gaps_not_stored"
    let source: SourceName
    let reason: String

    var level: LogLevel { .warning }
    var message: String {
        "the source's gaps were not stored; ticks go on, it is tried again, and a successor reads "
            + "more of the tape"
    }
    var fields: [(String, LogValue)] {
        [("source", .text(source.text)), ("reason", .text(reason))]
    }

    func count(in metrics: MetricRegistry) {
        metrics.counter(
            "mds_gateway_gap_store_failures_total",
            "a write of the source's gaps into the bucket of sources that failed; it is tried "
                + "again",
            "rises: check NATS; the log has the reason: "
                + "[GapsNotStored](runbooks/GapsNotStored.md)", labels: [("source", source.text)]
        ).add()
    }
}
