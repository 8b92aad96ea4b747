import MarketModel
import Primitives
import ServiceRuntime

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
        metrics.counter("mds_operator_checkpoints_total", "Checkpoints that were stored.").add()
    }
}

struct CheckpointFailed: TelemetryEvent {
    static let name = "operator.checkpoint.failed"
    let partition: Partition
    let reason: String

    var level: LogLevel { .warning }
    var message: String { "a checkpoint was not stored: \(reason)" }
    var fields: [(String, LogValue)] { [("partition", .integer(Int64(partition.number)))] }

    func count(in metrics: MetricRegistry) {
        metrics.counter(
            "mds_operator_checkpoint_errors_total",
            "Checkpoints that could not be stored, or not be used when they were needed.",
            labels: [("reason", "not_stored")]
        ).add()
    }
}

struct CheckpointDamaged: TelemetryEvent {
    static let name = "operator.checkpoint.damaged"
    let partition: Partition
    let reason: String

    var level: LogLevel { .warning }
    var message: String { "a checkpoint cannot be used: \(reason)" }
    var fields: [(String, LogValue)] { [("partition", .integer(Int64(partition.number)))] }

    func count(in metrics: MetricRegistry) {
        metrics.counter(
            "mds_operator_checkpoint_errors_total",
            "Checkpoints that could not be stored, or not be used when they were needed.",
            labels: [("reason", "damaged")]
        ).add()
    }
}

/// The bucket cannot be read at the moment. It is read again soon.
struct RequestsNotRead: TelemetryEvent {
    static let name = "operator.requests.not_read"
    let reason: String

    var level: LogLevel { .warning }
    var message: String { "cannot look for requests to rebuild a partition: \(reason)" }
    var fields: [(String, LogValue)] { [] }

    func count(in metrics: MetricRegistry) {}
}

struct RebuildBegun: TelemetryEvent {
    static let name = "operator.rebuild.begun"
    let partition: Partition

    var level: LogLevel { .info }
    var message: String { "a partition's bars are being made anew, as was asked for" }
    var fields: [(String, LogValue)] { [("partition", .integer(Int64(partition.number)))] }

    func count(in metrics: MetricRegistry) {}
}
