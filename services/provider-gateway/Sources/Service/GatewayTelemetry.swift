import MarketModel
import Primitives
import TapeCodec
import TapeTransport
import ServiceRuntime

/// The gateway's counters, which are increased per tick (one atomic add) and per packet. The texts
/// in `init` say what each of them counts.
struct GatewayMetrics {
    let received: Counter
    let blocked: Counter
    let future: Counter
    private let watermark: Gauge
    private let ended: Gauge
    private let packetBytes: Gauge
    let refused: Counter
    let unrouted: Counter
    let booksVoided: Counter
    let booksVoid: Gauge
    let slowed: SlowedMetrics
    /// By the raw kind of data.
    private let leftOut: [Counter]
    private let gaps: (takeOver: Counter, dropped: Counter)
    private let ageAtAcknowledgement: Histogram
    private let tickAge: Histogram

    init(_ metrics: MetricRegistry, source: SourceName, growth: PacketGrowth) {
        let labels = [("source", source.text)]
        received = metrics.counter(
            "mds_gateway_ticks_received_total", "Ticks taken from the provider.", labels: labels)
        blocked = metrics.counter(
            "mds_gateway_blocked_total", "Turns in which a full packet held the provider up.",
            labels: labels)
        future = metrics.counter(
            "mds_gateway_future_ticks_total", "Ticks stamped too far ahead of the time.",
            labels: labels)
        func leftOut(_ kind: String) -> Counter {
            metrics.counter(
                "mds_gateway_left_out_ticks_total", "Ticks that a policy left out.",
                labels: labels + [("kind", kind)])
        }
        self.leftOut = Self.kinds.map(leftOut)
        refused = metrics.counter(
            "mds_gateway_refused_records_total",
            "Records that were refused: a text is too long, or the instrument is not known.",
            labels: labels)
        unrouted = metrics.counter(
            "mds_gateway_unrouted_records_total",
            "Records of a provider that did not feed the instrument.", labels: labels)
        booksVoided = metrics.counter(
            "mds_gateway_books_voided_total", "Times that a book lost a row and became void.",
            labels: labels)
        booksVoid = metrics.gauge(
            "mds_gateway_books_void", "Books that are void until they begin anew.", labels: labels)
        slowed = SlowedMetrics(metrics, source: source)
        func gaps(_ reason: String) -> Counter {
            metrics.counter(
                "mds_gateway_gap_records_total", "Gap records that were written.",
                labels: labels + [("reason", reason)])
        }
        self.gaps = (gaps("take_over"), gaps("dropped"))
        packetBytes = metrics.gauge(
            "mds_gateway_packet_bytes", "Bytes of the longest packet that waits for its turn.",
            labels: labels)
        metrics.gauge(
            "mds_gateway_packet_capacity_bytes",
            "Bytes from which on a packet takes no further tick.", labels: labels
        ).set(Double(growth.bytesMax))
        watermark = metrics.gauge(
            "mds_gateway_watermark_timestamp_seconds",
            "The newest watermark on the tape, in seconds since 1970.", labels: labels)
        ended = metrics.gauge(
            "mds_gateway_source_ended",
            "1 when all providers have ended and the watermark does not rise any more, else 0.",
            labels: labels)
        ageAtAcknowledgement = metrics.histogram(
            "mds_gateway_packet_age_seconds",
            "From the sealing of a packet to the tape's acknowledgement, retries included.",
            buckets: Histogram.latencySeconds, labels: labels)
        tickAge = metrics.histogram(
            "mds_gateway_tick_age_seconds",
            "From the receipt of a packet's first tick to the tape's acknowledgement.",
            buckets: Histogram.latencySeconds, labels: labels)
    }

    func waiting(longestPacketBytes bytes: Int) { packetBytes.set(Double(bytes)) }

    func source(hasEnded: Bool) { ended.set(hasEnded ? 1 : 0) }

    /// Counts an acknowledged packet, whose first tick came `tickNanoseconds` ago; `nil` when that
    /// is not known.
    func acknowledged(
        _ packet: TapePublisher.Acknowledged, tickNanoseconds: Int64?, now: Timestamp
    ) {
        if let tickNanoseconds { tickAge.observe(Double(tickNanoseconds) / 1e9) }
        let age = now.nanoseconds(since: packet.header.sendTime)
        ageAtAcknowledgement.observe(Double(age) / 1e9)
        let seconds = Double(packet.header.watermark.nanoseconds) / 1e9
        if seconds > 0, seconds > watermark.value ?? 0 { watermark.set(seconds) }
    }
}

extension GatewayMetrics {
    /// In the order of `DataKind`.
    private static let kinds = [
        "any", "trade", "quote", "depth", "provider_bar", "option", "news", "fundamental",
        "indicator",
    ]

    func leftOut(_ kind: DataKind) -> Counter { leftOut[Int(kind.rawValue)] }

    /// Counts a gap record.
    func wrote(_ gap: PendingGaps.Gap) {
        if gap.reason == .dropped { gaps.dropped.add() } else { gaps.takeOver.add() }
    }
}

/// Reports that the source is open. `nextTick` is the number of records that providers handed out
/// before.
struct GatewayStarted: TelemetryEvent {
    static let name = "gateway.started"
    let source: SourceName
    let nextTick: UInt64

    var level: LogLevel { .info }
    var message: String { "the source is open" }
    var fields: [(String, LogValue)] {
        [("source", .text(source.text)), ("next.tick", .unsigned(nextTick))]
    }

    func count(in metrics: MetricRegistry) {}
}

/// Reports that the source was retired, and that this gateway takes that back.
struct SourceReturned: TelemetryEvent {
    static let name = "gateway.source_returned"
    let source: SourceName
    let retired: Timestamp

    var level: LogLevel { .warning }
    var message: String {
        "source \(source) was retired; this gateway takes that back, and what is derived from "
            + "several sources waits for it again: to retire it, stop the gateway, then 'tapeline "
            + "source retire \(source)'"
    }
    var fields: [(String, LogValue)] {
        [("source", .text(source.text)), ("retired", .text(retired.description))]
    }

    func count(in metrics: MetricRegistry) {}
}

/// Reports that the tape, a record or a provider could not be read or started; it is tried again.
struct SourceNotRead: TelemetryEvent {
    static let name = "gateway.not_resumed"
    let source: SourceName
    let reason: String

    var level: LogLevel { .warning }
    var message: String { "where the source left off cannot be read; trying again" }
    var fields: [(String, LogValue)] {
        [("source", .text(source.text)), ("reason", .text(reason))]
    }
}

/// Reports that another gateway has opened an epoch above this one.
struct SourceTakenOver: TelemetryEvent {
    static let name = "gateway.taken_over"
    let source: SourceName
    let epoch: UInt64

    var level: LogLevel { .warning }
    var message: String { "another gateway owns this source now; this one stands by" }
    var fields: [(String, LogValue)] {
        [("source", .text(source.text)), ("epoch", .unsigned(epoch))]
    }

    func count(in metrics: MetricRegistry) {
        metrics.counter("mds_gateway_taken_over_total", "How often another gateway took over.")
            .add()
    }
}

/// Reports that this gateway waits for the source.
struct GatewayStandsBy: TelemetryEvent {
    static let name = "gateway.standby"
    let source: SourceName

    var level: LogLevel { .info }
    var message: String { "standing by until the source is this gateway's own" }
    var fields: [(String, LogValue)] { [("source", .text(source.text))] }
}

/// Reports a record that cannot be on the tape: it is too long, or its instrument is unknown.
struct RecordRefused: TelemetryEvent {
    static let name = "gateway.record_refused"
    let source: SourceName
    let reason: String

    var level: LogLevel { .warning }
    var message: String { "a record is not put on the tape: \(reason)" }
    var fields: [(String, LogValue)] { [("source", .text(source.text))] }
}

/// Reports that the group gave the source away without asking, because it treated this gateway as
/// dead.
struct SourceDropped: TelemetryEvent {
    static let name = "gateway.dropped"
    let source: SourceName

    var level: LogLevel { .warning }
    var message: String { "the group has given the source away; this gateway stands by" }
    var fields: [(String, LogValue)] { [("source", .text(source.text))] }

    func count(in metrics: MetricRegistry) {
        metrics.counter(
            "mds_gateway_dropped_total",
            "How often the group gave the source away without asking."
        ).add()
    }
}

/// Reports that the gateway may not publish, or may again.
struct SourcePaused: TelemetryEvent {
    static let name = "gateway.paused"
    let source: SourceName
    let isPaused: Bool

    var level: LogLevel { isPaused ? .warning : .info }
    var message: String {
        isPaused
            ? "the group does not hear this gateway: it publishes nothing meanwhile"
            : "the group hears this gateway again: it publishes"
    }
    var fields: [(String, LogValue)] {
        [("source", .text(source.text)), ("paused", .flag(isPaused))]
    }

    func count(in metrics: MetricRegistry) {
        guard isPaused else { return }
        metrics.counter(
            "mds_gateway_pauses_total",
            "How often the gateway published nothing because its group did not hear it."
        ).add()
    }
}

/// Reports that the policies begin or cease to act, or act for another reason.
struct BackpressureChanged: TelemetryEvent {
    static let name = "gateway.backpressure"
    let source: SourceName
    let causes: BackpressureMachine.Causes
    let policies: BackpressureMachine.Policies

    var level: LogLevel { causes.isEmpty ? .info : .warning }
    var message: String { causes.text }
    var fields: [(String, LogValue)] {
        [
            ("source", .text(source.text)), ("trades", .text(policies.trades.rawValue)),
            ("quotes", .text(policies.quotes.rawValue)),
        ]
    }

    func count(in metrics: MetricRegistry) {
        let labels = [("source", source.text)]
        metrics.counter(
            "mds_gateway_backpressure_changes_total",
            "How often the policies of backpressure began or ended to act.", labels: labels
        ).add()
        metrics.gauge(
            "mds_gateway_backpressure", "1 while the policies of backpressure act, else 0.",
            labels: labels
        ).set(causes.isEmpty ? 0 : 1)
    }
}

/// Reports that the policy `error` ends the service.
struct BackpressureEnds: TelemetryEvent {
    static let name = "gateway.backpressure.error"
    let source: SourceName

    var level: LogLevel { .error }
    var message: String { "there is no room, and the policy is to end the service" }
    var fields: [(String, LogValue)] { [("source", .text(source.text))] }
}

/// Reports how a source was given back: the ticks that were taken, and those that were given up.
struct GatewayDrained: TelemetryEvent {
    static let name = "gateway.drained"
    let ticks: UInt64
    let unpublished: UInt64
    /// The number of ticks in the spool, which wait for the next tenure of this gateway.
    let spooled: Int

    var level: LogLevel { unpublished == 0 ? .info : .error }
    var message: String {
        unpublished == 0
            ? spooled == 0
                ? "everything that was taken is on the tape"
                : "everything that was taken is on the tape or in the spool"
            : "stopped with ticks that are not on the tape"
    }
    var fields: [(String, LogValue)] {
        [
            ("ticks", .unsigned(ticks)), ("unpublished", .unsigned(unpublished)),
            ("spooled", .integer(Int64(spooled))),
        ]
    }

    func count(in metrics: MetricRegistry) {
        metrics.counter(
            "mds_gateway_unpublished_ticks_total", "Ticks given up when the service stopped."
        ).add(unpublished)
    }
}
