import Primitives
import ServiceRuntime

extension ServiceEvent {
    /// A queue has been high for a second: its worker is too slow. `thread` is the worker's number.
    static func queueHigh(thread: Int, rows: Int, capacity: Int, policy: OverflowPolicy) -> Self {
        let message: String =
            switch policy {
            case .block:
                "the worker does not keep up: its partitions are not read, the tape keeps them"
            case .drop: "the worker does not keep up: what finds no room in its queue is dropped"
            case .error: "the worker does not keep up: this process ends when its queue is full"
            }
        return Self(
            .warning, "writer.queue.high", message,
            ("thread", .integer(Int64(thread))), ("rows", .integer(Int64(rows))),
            ("capacity", .integer(Int64(capacity))))
    }

    /// A queue that `queueHigh` reported is down at its low mark.
    static func queueLow(thread: Int, rows: Int) -> Self {
        Self(
            .info, "writer.queue.low", "the worker keeps up again",
            ("thread", .integer(Int64(thread))), ("rows", .integer(Int64(rows))))
    }

    /// Packets were dropped because a queue had no room (WRITER_OVERFLOW=drop): the number of their
    /// records since the last such event.
    static func queueDropped(thread: Int, ticks: UInt64) -> Self {
        Self(
            .warning, "writer.queue.dropped",
            "there was no room in the queue: these ticks become no rows, the table gaps names them",
            ("thread", .integer(Int64(thread))), ("ticks", .unsigned(ticks)))
    }

    /// A queue had no room, so the process ends (WRITER_OVERFLOW=error).
    static func queueFull(thread: Int, capacity: Int) -> Self {
        Self(
            .error, "writer.queue.full",
            "there is no room in the queue of this thread and WRITER_OVERFLOW=error: this process "
                + "ends; look at the database, or raise WRITER_QUEUE_ROWS and WRITER_QUEUE_BYTES",
            ("thread", .integer(Int64(thread))), ("capacity", .integer(Int64(capacity))))
    }

    /// A worker's life ended by a failure that no retry can remedy; the next one begins after
    /// `wait`.
    static func workerRestarted(thread: Int, reason: String, wait: Duration) -> Self {
        Self(
            .error, "writer.worker.restarted",
            "a worker died and is started again; it reads on from the positions in the database: "
                + reason,
            ("thread", .integer(Int64(thread))),
            ("wait_ms", .integer(Int64(wait / .milliseconds(1)))))
    }

    /// A worker had not stopped when the process ended.
    static func workerLeftBehind(thread: Int) -> Self {
        Self(
            .warning, "writer.worker.left_behind",
            "a worker waits for the database and is not waited for; what it did not write is read "
                + "from the tape",
            ("thread", .integer(Int64(thread))))
    }

    /// The intake could not be made, for example because NATS is away.
    static func writerThreadFailed(reason: String) -> Self {
        Self(
            .error, "writer.thread.failed",
            "the intake could not start; this process ends: \(reason)")
    }
}
