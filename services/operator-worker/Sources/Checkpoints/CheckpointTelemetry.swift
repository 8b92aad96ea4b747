import MarketModel
import Primitives
import ServiceRuntime

/// An image was stored as a checkpoint.
struct CheckpointWritten: TelemetryEvent {
    static let name = "operator.checkpoint.written"
    let partition: Partition
    let number: UInt64
    let written: CheckpointAnswer.Written

    var level: LogLevel { .debug }
    var message: String { "a checkpoint was stored" }
    var fields: [(String, LogValue)] {
        [
            ("partition", .integer(Int64(partition.number))), ("checkpoint", .unsigned(number)),
            ("input.sequence", .unsigned(written.sequence)),
            ("bytes", .integer(Int64(written.byteCount))),
            ("seconds", .real(Double(written.nanoseconds) / 1e9)),
        ]
    }

    func count(in metrics: MetricRegistry) {
        metrics.counter(
            "mds_operator_checkpoints_total", "a checkpoint that was stored",
            "does not rise while ticks come: see `mds_operator_checkpoint_errors_total`"
        ).add()
    }
}

/// An image was not stored. The partition continues, and another image is made later.
struct CheckpointFailed: TelemetryEvent {
    static let name = "operator.checkpoint.failed"
    let partition: Partition
    let reason: String

    var level: LogLevel { .warning }
    var message: String { "a checkpoint was not stored: \(reason)" }
    var fields: [(String, LogValue)] { [("partition", .integer(Int64(partition.number)))] }

    func count(in metrics: MetricRegistry) { metrics.countCheckpointError("not_stored") }
}

/// A stored checkpoint, or the head, cannot be used. An earlier checkpoint or the tape replaces it.
struct CheckpointDamaged: TelemetryEvent {
    static let name = "operator.checkpoint.damaged"
    let partition: Partition
    let reason: String

    var level: LogLevel { .warning }
    var message: String { "a checkpoint cannot be used: \(reason)" }
    var fields: [(String, LogValue)] { [("partition", .integer(Int64(partition.number)))] }

    func count(in metrics: MetricRegistry) { metrics.countCheckpointError("damaged") }
}

/// Requests to rebuild partitions cannot be read from the bucket at the moment, or one is not
/// valid. They are read again soon.
struct RequestsNotRead: TelemetryEvent {
    static let name = "operator.requests.not_read"
    let reason: String

    var level: LogLevel { .warning }
    var message: String { "cannot look for requests to rebuild a partition: \(reason)" }
    var fields: [(String, LogValue)] { [] }

    func count(in metrics: MetricRegistry) {}
}

/// A partition that works begins a rebuild that a person requested.
struct RebuildBegun: TelemetryEvent {
    static let name = "operator.rebuild.begun"
    let partition: Partition

    var level: LogLevel { .info }
    var message: String { "a partition's bars are being made anew, as was asked for" }
    var fields: [(String, LogValue)] { [("partition", .integer(Int64(partition.number)))] }

    func count(in metrics: MetricRegistry) {}
}

extension MetricRegistry {
    fileprivate func countCheckpointError(_ reason: String) {
        counter(
            "mds_operator_checkpoint_errors_total",
            "a checkpoint that could not be stored (another one is tried), or could not be used "
                + "when a partition began",
            "not_stored continues: the log has the reason; damaged: check the disks of NATS",
            by: "reason: not_stored, damaged",
            labels: [("reason", reason)]
        ).add()
    }
}
