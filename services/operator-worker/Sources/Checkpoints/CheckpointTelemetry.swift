import MarketModel
import Primitives
import ServiceRuntime

extension ServiceEvent {
    /// An image was stored as a checkpoint.
    static func checkpointWritten(
        partition: Partition, number: UInt64, written: CheckpointAnswer.Written
    ) -> Self {
        Self(
            .debug, "operator.checkpoint.written", "a checkpoint was stored",
            ("partition", .integer(Int64(partition.number))), ("checkpoint", .unsigned(number)),
            ("input.sequence", .unsigned(written.sequence)),
            ("bytes", .integer(Int64(written.byteCount))),
            ("seconds", .real(Double(written.nanoseconds) / 1e9))
        ).counting(
            "mds_operator_checkpoints_total", "a checkpoint that was stored",
            "does not rise while ticks come: see `mds_operator_checkpoint_errors_total`")
    }

    /// An image was not stored. The partition continues, and another image is made later.
    static func checkpointFailed(partition: Partition, reason: String) -> Self {
        Self(
            .warning, "operator.checkpoint.failed", "a checkpoint was not stored: \(reason)",
            ("partition", .integer(Int64(partition.number)))
        ) { $0.countCheckpointError("not_stored") }
    }

    /// A stored checkpoint, or the head, cannot be used. An earlier checkpoint or the tape replaces
    /// it.
    static func checkpointDamaged(partition: Partition, reason: String) -> Self {
        Self(
            .warning, "operator.checkpoint.damaged", "a checkpoint cannot be used: \(reason)",
            ("partition", .integer(Int64(partition.number)))
        ) { $0.countCheckpointError("damaged") }
    }

    /// Requests to rebuild partitions cannot be read from the bucket at the moment, or one is not
    /// valid. They are read again soon.
    static func requestsNotRead(reason: String) -> Self {
        Self(
            .warning, "operator.requests.not_read",
            "cannot look for requests to rebuild a partition: \(reason)")
    }

    /// A partition that works begins a rebuild that a person requested.
    static func rebuildBegun(partition: Partition) -> Self {
        Self(
            .info, "operator.rebuild.begun",
            "a partition's bars are being made anew, as was asked for",
            ("partition", .integer(Int64(partition.number))))
    }
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
