import MarketModel
import Primitives
import TapeCodec
import TapeTraces
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
    private let packets: PacketMetrics
    let refused: Counter
    let unrouted: Counter
    let booksVoided: Counter
    let booksVoid: Gauge
    let slowed: SlowedMetrics
    /// By the raw kind of data.
    private let leftOut: [Counter]
    private let gaps: (takeOver: Counter, dropped: Counter)

    init(_ metrics: MetricRegistry, source: SourceName, growth: PacketGrowth) {
        let labels = [("source", source.text)]
        received = metrics.counter(
            "mds_gateway_ticks_received_total", "a tick taken from the provider",
            "does not rise: the provider sends nothing", labels: labels)
        blocked = metrics.counter(
            "mds_gateway_blocked_total",
            "a turn of the loop in which a full packet made the provider wait",
            "rises for long: the tape is too slow", labels: labels)
        future = metrics.counter(
            "mds_gateway_future_ticks_total",
            "a tick stamped further ahead than GATEWAY_FUTURE_MAX",
            "above 0: check the provider's clock and this host's; `tapeline dlq list --reason "
                + "future`", labels: labels)
        leftOut = Self.kinds.map { Self.leftOut($0, metrics, labels) }
        refused = metrics.counter(
            "mds_gateway_refused_records_total",
            "a record whose text is too long for any packet, or whose instrument is not known or "
                + "missing; it is not on the tape",
            "the log has the reason: shorten the field that it names, or correct the provider's "
                + "instrument numbers", labels: labels)
        unrouted = metrics.counter(
            "mds_gateway_unrouted_records_total",
            "a record of a provider that did not feed the instrument at its time, and is not on "
                + "the tape",
            "normal while a provider of higher priority is watched; otherwise check "
                + "`gateway.provider_switched`", labels: labels)
        booksVoided = metrics.counter(
            "mds_gateway_books_voided_total",
            "a time that an order book lost a row: a reset was put on the tape, and the book was "
                + "requested again from the provider",
            "rises: the tape is nearly full, or accepts nothing; or rows are stamped ahead",
            labels: labels)
        booksVoid = metrics.gauge(
            "mds_gateway_books_void",
            "order books of which a row was left out and that have not begun again: their rows "
                + "are left out",
            "stays above 0: the provider cannot deliver a book again, or does not answer; the "
                + "log names the first", labels: labels)
        slowed = SlowedMetrics(metrics, source: source)
        func gaps(_ reason: String) -> Counter {
            metrics.counter(
                "mds_gateway_gap_records_total", "a gap record that was put on the tape",
                "read the table `gaps`: which symbols, from when to when",
                by: "source; reason: take_over, dropped", labels: labels + [("reason", reason)])
        }
        self.gaps = (gaps("take_over"), gaps("dropped"))
        watermark = metrics.gauge(
            "mds_gateway_watermark_timestamp_seconds",
            "newest watermark that is on the tape, in seconds since 1970",
            "lags the clock more and more: bars wait for it", labels: labels)
        ended = metrics.gauge(
            "mds_gateway_source_ended",
            "1 when all providers of the source have delivered everything and none of them lets "
                + "the watermark follow the clock, as after the end of a replay, else 0",
            "1: its watermark does not move any more, and WatermarkStalled does not fire",
            labels: labels)
        packets = PacketMetrics(metrics, labels, growth)
    }

    private static func leftOut(
        _ kind: String, _ metrics: MetricRegistry, _ labels: [(String, String)]
    ) -> Counter {
        metrics.counter(
            "mds_gateway_left_out_ticks_total",
            "a tick that a policy left out, or a row of an order book that is void; a gap "
                + "record names it", "raise the tape's limits, or purge",
            by: "source; kind: trade, quote, depth …", labels: labels + [("kind", kind)])
    }

    func waiting(longestPacketBytes bytes: Int) { packets.bytes.set(Double(bytes)) }

    func source(hasEnded: Bool) { ended.set(hasEnded ? 1 : 0) }

    /// Counts an acknowledged packet, whose first tick came `tickNanoseconds` ago; `nil` when that
    /// is not known. `trace`: the one that was sent.
    func acknowledged(
        _ packet: TapePublisher.Acknowledged, tickNanoseconds: Int64?, now: Timestamp,
        trace: TraceID? = nil
    ) {
        if let tickNanoseconds, let trace {
            packets.tickAge.observe(Double(tickNanoseconds) / 1e9, trace: "\(trace)", at: now)
        } else if let tickNanoseconds {
            packets.tickAge.observe(Double(tickNanoseconds) / 1e9)
        }
        let age = now.nanoseconds(since: packet.header.sendTime)
        packets.age.observe(Double(age) / 1e9)
        let seconds = Double(packet.header.watermark.nanoseconds) / 1e9
        if seconds > 0, seconds > watermark.value ?? 0 { watermark.set(seconds) }
    }
}

/// The gauges and histograms of packets.
private struct PacketMetrics {
    let bytes: Gauge
    let age: Histogram
    let tickAge: Histogram

    init(_ metrics: MetricRegistry, _ labels: [(String, String)], _ growth: PacketGrowth) {
        bytes = metrics.gauge(
            "mds_gateway_packet_bytes",
            "bytes of the longest packet that grows while the one before it is in flight",
            "at its capacity: the policies make the provider wait, or the spool fills",
            labels: labels)
        metrics.gauge(
            "mds_gateway_packet_capacity_bytes", "bytes at which a packet takes no further tick",
            labels: labels
        ).set(Double(growth.bytesMax))
        age = metrics.histogram(
            "mds_gateway_packet_age_seconds",
            "from the sealing of a packet to its acknowledgement, retries included, in seconds",
            labels: labels)
        tickAge = metrics.histogram(
            "mds_gateway_tick_age_seconds",
            "from the turn in which the gateway took a packet's first tick to the packet's "
                + "acknowledgement, in seconds; without packets of the spool",
            "above GATEWAY_LATENCY: the disk of NATS is too slow for that aim", labels: labels)
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

extension ServiceEvent {
    /// Reports that the source is open. `nextTick` is the number of records that providers handed
    /// out before.
    static func gatewayStarted(source: SourceName, nextTick: UInt64) -> Self {
        Self(
            .info, "gateway.started", "the source is open",
            ("source", .text(source.text)), ("next.tick", .unsigned(nextTick)))
    }

    /// Reports that the source was retired, and that this gateway takes that back.
    static func sourceReturned(source: SourceName, retired: Timestamp) -> Self {
        Self(
            .warning, "gateway.source_returned",
            "source \(source) was retired; this gateway takes that back, and what is derived from "
                + "several sources waits for it again: to retire it, stop the gateway, then "
                + "'tapeline source retire \(source)'",
            ("source", .text(source.text)), ("retired", .text(retired.description)))
    }

    /// Reports that the tape, a record or a provider could not be read or started; it is tried
    /// again.
    static func sourceNotRead(source: SourceName, reason: String) -> Self {
        Self(
            .warning, "gateway.not_resumed",
            "where the source left off cannot be read; trying again",
            ("source", .text(source.text)), ("reason", .text(reason)))
    }

    /// Reports that another gateway has opened an epoch above this one.
    static func sourceTakenOver(source: SourceName, epoch: UInt64) -> Self {
        Self(
            .warning, "gateway.taken_over",
            "another gateway owns this source now; this one stands by",
            ("source", .text(source.text)), ("epoch", .unsigned(epoch))
        ).counting(
            "mds_gateway_taken_over_total",
            "a time that the tape showed a higher epoch; this gateway stands by",
            "without `mds_gateway_dropped_total`: a process outside of the group writes there")
    }

    /// Reports that this gateway waits for the source.
    static func gatewayStandsBy(source: SourceName) -> Self {
        Self(
            .info, "gateway.standby", "standing by until the source is this gateway's own",
            ("source", .text(source.text)))
    }

    /// Reports a record that cannot be on the tape: it is too long, or its instrument is unknown.
    static func recordRefused(source: SourceName, reason: String) -> Self {
        Self(
            .warning, "gateway.record_refused", "a record is not put on the tape: \(reason)",
            ("source", .text(source.text)))
    }

    /// Reports that the group gave the source away without asking, because it treated this gateway
    /// as dead.
    static func sourceDropped(source: SourceName) -> Self {
        Self(
            .warning, "gateway.dropped",
            "the group has given the source away; this gateway stands by",
            ("source", .text(source.text))
        ).counting(
            "mds_gateway_dropped_total",
            "a time that its group gave the source to another gateway without asking",
            "often: it was taken for dead; check its machine")
    }

    /// Reports that the gateway may not publish, or may again.
    static func sourcePaused(source: SourceName, isPaused: Bool) -> Self {
        Self(
            isPaused ? .warning : .info, "gateway.paused",
            isPaused
                ? "the group does not hear this gateway: it publishes nothing meanwhile"
                : "the group hears this gateway again: it publishes",
            ("source", .text(source.text)), ("paused", .flag(isPaused))
        ) {
            guard isPaused else { return }
            $0.counter(
                "mds_gateway_pauses_total",
                "a time that the gateway published nothing because its group did not hear it",
                "often: check NATS and the network"
            ).add()
        }
    }

    /// Reports that the policies begin or cease to act, or act for another reason.
    static func backpressureChanged(
        source: SourceName, causes: BackpressureMachine.Causes,
        policies: BackpressureMachine.Policies
    ) -> Self {
        Self(
            causes.isEmpty ? .info : .warning, "gateway.backpressure", causes.text,
            ("source", .text(source.text)), ("trades", .text(policies.trades.rawValue)),
            ("quotes", .text(policies.quotes.rawValue))
        ) { metrics in
            let labels = [("source", source.text)]
            metrics.counter(
                "mds_gateway_backpressure_changes_total",
                "a time that the policies began or ended to act, or the cause changed",
                "the log has the cause", labels: labels
            ).add()
            metrics.gauge(
                "mds_gateway_backpressure", "1 while the policies of GATEWAY_POLICY act, else 0",
                "1: the tape is nearly full, or accepts nothing, or more ticks come than "
                    + "GATEWAY_TICKS_PER_SECOND", labels: labels
            ).set(causes.letPoliciesAct ? 1 : 0)
        }
    }

    /// Reports that the policy `error` ends the service.
    static func backpressureEnds(source: SourceName) -> Self {
        Self(
            .error, "gateway.backpressure.error",
            "there is no room, and the policy is to end the service",
            ("source", .text(source.text)))
    }

    /// Reports how a source was given back: the ticks that were taken, and those that were given
    /// up.
    /// `spooled`: the number of ticks in the spool, which wait for the next tenure of this gateway.
    static func gatewayDrained(ticks: UInt64, unpublished: UInt64, spooled: Int) -> Self {
        Self(
            unpublished == 0 ? .info : .error, "gateway.drained",
            unpublished == 0
                ? spooled == 0
                    ? "everything that was taken is on the tape"
                    : "everything that was taken is on the tape or in the spool"
                : "stopped with ticks that are not on the tape",
            ("ticks", .unsigned(ticks)), ("unpublished", .unsigned(unpublished)),
            ("spooled", .integer(Int64(spooled)))
        ) {
            $0.counter(
                "mds_gateway_unpublished_ticks_total",
                "a tick that was taken from the provider and given up when the service stopped",
                "above 0: the tape was away at the stop"
            ).add(unpublished)
        }
    }
}
