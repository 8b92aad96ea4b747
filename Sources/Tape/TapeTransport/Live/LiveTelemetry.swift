import ServiceRuntime

/// Counters per packet, increased by the live thread; those of a full queue, by the offering
/// thread.
struct LiveMetrics: Sendable {
    let dropped: [LiveDrop: Counter]
    let packets: Gauge
    let subjects: Gauge
    let heard: Gauge
    let questions: Counter
    private let published: [LiveKind: Counter]

    init(_ metrics: MetricRegistry, packetsMax: Int) {
        var published: [LiveKind: Counter] = [:]
        for kind in LiveKind.allCases {
            published[kind] = metrics.counter(
                "mds_live_messages_total", "a message that the live fan-out sent",
                by: "kind: trade, quote, bar, provider-bar, node, indicator",
                labels: [("kind", kind.name)])
        }
        self.published = published
        var dropped: [LiveDrop: Counter] = [:]
        for reason in LiveDrop.allCases {
            dropped[reason] = metrics.counter(
                "mds_live_dropped_total",
                "a tick or bar that the live fan-out left out; the tape has it",
                "no_link: check NATS; full: the machine or the link is too slow",
                by: "reason: full, no_link, subject", labels: [("reason", reason.rawValue)])
        }
        self.dropped = dropped
        subjects = metrics.gauge(
            "mds_live_subjects", "subjects of the live fan-out that had a message")
        heard = metrics.gauge(
            "mds_live_subjects_heard", "those of `mds_live_subjects` that somebody hears")
        questions = metrics.counter(
            "mds_live_questions_total",
            "a live message that also asked NATS whether somebody hears its subject")
        packets = metrics.gauge(
            "mds_live_queue_packets", "packets that wait for the live fan-out",
            "near its capacity: see `mds_live_dropped_total`")
        metrics.gauge(
            "mds_live_queue_capacity_packets", "packets that may wait for the live fan-out"
        ).set(Double(packetsMax))
    }

    func sent(_ count: UInt64, _ kind: LiveKind) { published[kind]?.add(count) }
}

/// Why a tick was not sent live.
enum LiveDrop: String, CaseIterable {
    /// The queue was full: the link or this machine is too slow.
    case full
    /// There was no link to NATS.
    case noLink = "no_link"
    /// The symbol is too long for a subject.
    case subject
}

extension ServiceEvent {
    /// An error that NATS reported about the live connection: usually a missing permission.
    static func liveComplaint(text: String) -> Self {
        Self(
            .error, "live.complaint", "NATS refused something of the live fan-out",
            ("reason", .text(text))
        ) { $0.countNatsError(text) }
    }

    static func liveBegan() -> Self {
        Self(.info, "live.began", "ticks are sent to whoever listens live")
    }

    static func liveStopped(reason: String) -> Self {
        Self(
            .warning, "live.stopped",
            "nobody live hears of the ticks at the moment; the tape has them: \(reason)"
        ).counting(
            "mds_live_interruptions_total",
            "a time that the live fan-out began to leave messages out", "the log has the reason")
    }
}
