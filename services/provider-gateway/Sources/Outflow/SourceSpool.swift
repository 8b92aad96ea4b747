import MarketModel
import Primitives
import ServiceRuntime
import TapeCodec
import TapeProtocol
import TickSpool

/// The spool of this gateway's source over all tenures, with its decisions, events and metrics. The
/// gateway's thread owns it; `SpoolTraffic` is its use in one tenure. Calls block on the disk.
///
/// The *holder* is the owner that spooled the packets, known by its epochs. A spool that may not be
/// published any more is *set aside* for a person.
final class SourceSpool {
    let spool: Spool
    let metrics: SpoolMetrics
    private let telemetry: TelemetryHub
    private let source: SourceName
    private let clock = SystemClock()

    /// Opens the spool; returns `nil` when none is configured.
    static func open(
        _ settings: GatewaySettings, _ telemetry: TelemetryHub
    ) throws(SpoolError) -> SourceSpool? {
        guard let folder = settings.spoolFolder else { return nil }
        let spool = try Spool(
            Spool.Settings(
                folder: folder, source: settings.source, bytesMax: settings.spoolBytesMax,
                // One queue for the partitions of each stream, because streams fail separately.
                queues: TapeNames.tickStreams))
        return SourceSpool(
            spool, in: folder, source: settings.source, bytesMax: settings.spoolBytesMax, telemetry)
    }

    private init(
        _ spool: Spool, in folder: String, source: SourceName, bytesMax: Int,
        _ telemetry: TelemetryHub
    ) {
        self.spool = spool
        self.source = source
        self.telemetry = telemetry
        metrics = SpoolMetrics(telemetry.metrics, source: source, bytesMax: bytesMax)
        telemetry.metrics.addDisk(of: folder, purpose: "spool")
        telemetry.emit(.spoolOpened(source: source, opening: spool.opening))
        show()
    }

    /// Decides whether the packets of an earlier tenure in the spool may go onto the tape. `onTape`
    /// has `SourceLanes.Predecessor.epochs`: the epochs of each partition's last packets on the
    /// tape.
    func decide(_ onTape: [Partition: [UInt64]]) -> SpoolDecision {
        var standing: [Partition: SpoolDecision.Standing] = [:]
        for (partition, epochs) in onTape {
            standing[partition] = SpoolDecision.Standing(
                ticks: spool.tail(partition)?.ticks ?? 0, held: spool.epochs(partition),
                onTape: epochs)
        }
        return SpoolDecision(
            ticks: spool.ticks, isEmpty: spool.isEmpty,
            isHolderUnknown: spool.opening.isHolderUnknown && !hasHeld, standing)
    }

    /// Whether this process has recorded itself as the holder. Then the holder is known, even if it
    /// was unknown when the spool was opened.
    private var hasHeld = false

    /// Records on the disk that the owner of these epochs is the spool's holder. Call it before
    /// anything is spooled in them.
    func hold(_ epochs: [(partition: Partition, epoch: UInt64)]) throws(SpoolError) {
        try spool.hold(epochs)
        hasHeld = true
    }

    /// Sets the spool aside, if it is not empty. From then on only a person can have its packets
    /// published. If this throws, they must not be published either, and it has to be called again.
    func setAside(reason: String) throws(SpoolError) {
        defer { show() }
        guard let aside = try spool.setAside(reason: reason, now: clock.now()) else { return }
        telemetry.emit(.spoolSetAside(source: source, reason: reason, aside: aside))
    }

    /// Sets the spool aside when a tenure ends because another gateway owns the source. If the disk
    /// fails, the next opening of the source decides about the spool.
    func lose(reason: String) {
        do throws(SpoolError) {
            try setAside(reason: reason)
        } catch {
            trouble(error)
        }
    }

    /// Reports that the disk failed.
    func trouble(_ error: SpoolError) {
        telemetry.emit(.spoolTrouble(source: source, reason: "\(error)"))
    }

    /// Reports that ticks go into the spool from now on.
    func begun() { telemetry.emit(.spoolBegun(source: source)) }

    /// Reports that everything that was spooled is on the tape, and that ticks go past the spool
    /// again.
    func drained() { telemetry.emit(.spoolEmptied(source: source)) }

    /// Reports frames (packets in the spool) that cannot be read.
    func damaged(_ damage: SpoolDamage) {
        telemetry.emit(.spoolDamaged(source: source, damage: damage))
    }

    /// Brings the gauges up to date.
    func show() { metrics.show(bytes: spool.bytes, ticks: spool.ticks) }
}

/// The metrics of a spool.
struct SpoolMetrics {
    /// Counts the ticks that went into the spool.
    let spooled: Counter
    private let bytes: Gauge
    private let ticks: Gauge

    init(_ metrics: MetricRegistry, source: SourceName, bytesMax: Int) {
        let labels = [("source", source.text)]
        spooled = metrics.counter(
            "mds_gateway_spooled_ticks_total", "a tick that went into the spool", labels: labels)
        bytes = metrics.gauge(
            "mds_gateway_spool_bytes", "bytes of the spool on disk",
            "rises towards GATEWAY_SPOOL_BYTES: the tape accepts nothing", labels: labels)
        metrics.gauge(
            "mds_gateway_spool_capacity_bytes",
            "bytes that the spool may hold on disk (GATEWAY_SPOOL_BYTES)", labels: labels
        ).set(Double(bytesMax))
        ticks = metrics.gauge(
            "mds_gateway_spool_ticks", "ticks that wait in the spool",
            "falls when the tape accepts them", labels: labels)
    }

    func show(bytes: Int, ticks: Int) {
        self.bytes.set(Double(bytes))
        self.ticks.set(Double(ticks))
    }
}

// MARK: events

extension ServiceEvent {
    /// Reports the state in which the spool was found when the process started.
    static func spoolOpened(source: SourceName, opening: Spool.Opening) -> Self {
        Self(
            opening.damagedFrames > 0 ? .warning : .info, "gateway.spool.opened",
            opening.frames == 0
                ? "the spool is empty" : "the spool holds what could not be put on the tape",
            ("source", .text(source.text)), ("frames", .unsigned(opening.frames)),
            ("ticks", .unsigned(opening.ticks)), ("torn.bytes", .integer(Int64(opening.tornBytes))),
            ("damaged.frames", .unsigned(opening.damagedFrames)))
    }

    /// Reports that ticks go into the spool from now on.
    static func spoolBegun(source: SourceName) -> Self {
        Self(
            .warning, "gateway.spool.begun",
            "the tape takes nothing at the moment: ticks go into the spool",
            ("source", .text(source.text))
        ).counting(
            "mds_gateway_spool_begun_total", "a time that ticks began to go into the spool",
            "often: check NATS")
    }

    /// Reports that everything that was spooled is on the tape.
    static func spoolEmptied(source: SourceName) -> Self {
        Self(
            .info, "gateway.spool.drained", "everything that was spooled is on the tape",
            ("source", .text(source.text)))
    }

    /// Reports that a spool was set aside, and which older ones were removed to keep the limits.
    static func spoolSetAside(source: SourceName, reason: String, aside: SpoolAside) -> Self {
        Self(
            .error, "gateway.spool.set_aside",
            "the spool was set aside as \(aside.name): see tapeline spool list; what lies in gaps "
                + "can be replayed",
            ("source", .text(source.text)), ("reason", .text(reason)),
            ("ticks", .integer(Int64(aside.ticks))),
            ("removed", .text(aside.removed.joined(separator: " ")))
        ) {
            $0.counter(
                "mds_gateway_spool_aside_ticks_total",
                "a tick in a spool that was set aside, because another gateway owns the source",
                "`tapeline spool list`: replay the ticks that lie in gaps",
                labels: [("source", source.text)]
            ).add(UInt64(aside.ticks))
        }
    }

    /// Reports frames that cannot be read. Their ticks are lost, unless they are on the tape
    /// already.
    static func spoolDamaged(source: SourceName, damage: SpoolDamage) -> Self {
        Self(
            .error, "gateway.spool.damaged",
            "spooled packets cannot be read and are left out: \(damage)",
            ("source", .text(source.text))
        ) {
            $0.counter(
                "mds_gateway_spool_damaged_frames_total",
                "a spooled packet that could not be read any more",
                "check the disk; gap records cover its ticks", labels: [("source", source.text)]
            ).add(UInt64(damage.frames.count))
        }
    }

    /// Reports that a call to the spool's disk failed. The disk is tried again.
    static func spoolTrouble(source: SourceName, reason: String) -> Self {
        Self(
            .error, "gateway.spool.failed", "the spool cannot be used at the moment: \(reason)",
            ("source", .text(source.text))
        ).counting(
            "mds_gateway_spool_failures_total",
            "a call to the spool's disk that failed; it is tried again a second later",
            "[SpoolFilling](runbooks/Spool.md)", labels: [("source", source.text)])
    }
}
