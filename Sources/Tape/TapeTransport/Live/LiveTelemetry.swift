import ServiceRuntime

/// Counters per packet, increased by the live thread; those of a full queue, by the offering
/// thread.
struct LiveMetrics: Sendable {
    let dropped: [LiveDrop: Counter]
    let packets: Gauge
    private let published: [LiveEncoder.Kind: Counter]

    init(_ metrics: MetricRegistry, packetsMax: Int) {
        var published: [LiveEncoder.Kind: Counter] = [:]
        for kind in LiveEncoder.Kind.allCases {
            published[kind] = metrics.counter(
                "mds_live_messages_total", "Messages of the live fan-out that were sent, by kind.",
                labels: [("kind", kind.rawValue)])
        }
        self.published = published
        var dropped: [LiveDrop: Counter] = [:]
        for reason in LiveDrop.allCases {
            dropped[reason] = metrics.counter(
                "mds_live_dropped_total", "Ticks and bars that the live fan-out left out.",
                labels: [("reason", reason.rawValue)])
        }
        self.dropped = dropped
        packets = metrics.gauge(
            "mds_live_queue_packets", "Packets that wait for the live fan-out.")
        metrics.gauge(
            "mds_live_queue_capacity_packets", "Packets that may wait for the live fan-out."
        ).set(Double(packetsMax))
    }

    func sent(_ count: UInt64, _ kind: LiveEncoder.Kind) { published[kind]?.add(count) }
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

/// An error that NATS reported about the live connection: usually a missing permission.
struct LiveComplaint: TelemetryEvent {
    static let name = "live.complaint"
    let text: String

    var level: LogLevel { .error }
    var message: String { "NATS refused something of the live fan-out" }
    var fields: [(String, LogValue)] { [("reason", .text(text))] }

    func count(in metrics: MetricRegistry) {
        metrics.counter(
            "mds_nats_errors_total", "Errors that NATS reported by itself, permissions included."
        ).add()
    }
}

struct LiveBegan: TelemetryEvent {
    static let name = "live.began"

    var level: LogLevel { .info }
    var message: String { "ticks are sent to whoever listens live" }
}

struct LiveStopped: TelemetryEvent {
    static let name = "live.stopped"
    let reason: String

    var level: LogLevel { .warning }
    var message: String {
        "nobody live hears of the ticks at the moment; the tape has them: \(reason)"
    }

    func count(in metrics: MetricRegistry) {
        metrics.counter(
            "mds_live_interruptions_total", "Times that the live fan-out began to leave out."
        ).add()
    }
}
