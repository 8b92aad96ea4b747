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

extension ServiceEvent {
    /// Reports the gaps from before this tenure, and what was done with them.
    static func gapsTaken(source: SourceName, handedOver: Int, settled: Int, packets: Int) -> Self {
        Self(
            .info, "gateway.gaps", "\(handedOver) gaps from before are handed to the provider",
            ("source", .text(source.text)), ("gaps", .integer(Int64(handedOver))),
            ("settled", .integer(Int64(settled))), ("packets", .integer(Int64(packets))))
    }

    /// There are more gaps than the gateway keeps; the oldest are given up.
    static func gapsGivenUp(source: SourceName, count: Int, max: Int) -> Self {
        Self(
            .error, "gateway.gaps_given_up",
            "\(count) gaps, the oldest ones, are given up: more than \(max) wait to be filled in",
            ("source", .text(source.text)), ("gaps", .integer(Int64(count)))
        ) {
            $0.counter(
                "mds_gateway_gaps_given_up_total",
                "a gap that was given up because more than 4,096 wait",
                "above 0: check the provider's answers to requests for history",
                labels: [("source", source.text)]
            ).add(UInt64(count))
        }
    }

    /// Part of the tape was purged, lost or damaged before its gaps were stored.
    static func gapsUnknown(source: SourceName, partitions: Int) -> Self {
        Self(
            .warning, "gateway.gaps_unknown",
            "packets of \(partitions) partitions are gone whose gaps nobody has noted: those that "
                + "only they tell of are not filled in",
            ("source", .text(source.text)), ("partitions", .integer(Int64(partitions))))
    }

    static func gapsRefused(
        source: SourceName, partition: Partition, refusal: VersionedJSON.Refusal
    ) -> Self {
        Self(
            .error, "gateway.gaps_damaged",
            "the record of the gaps of partition \(partition) cannot be read"
                + "\(refusal.isNewer ? " and is left alone" : ""); the tape is read again: "
                + "\(refusal)",
            ("source", .text(source.text)))
    }

    static func gapsNotStored(source: SourceName, reason: String) -> Self {
        Self(
            .warning, "gateway.gaps_not_stored",
            "the source's gaps were not stored; ticks go on, it is tried again, and a successor "
                + "reads more of the tape",
            ("source", .text(source.text)), ("reason", .text(reason))
        ).counting(
            "mds_gateway_gap_store_failures_total",
            "a write of the source's gaps into the bucket of sources that failed; it is tried "
                + "again",
            "rises: check NATS; the log has the reason: "
                + "[GapsNotRecorded](runbooks/Gaps.md)", labels: [("source", source.text)])
    }
}
