import Primitives
import ServiceRuntime

/// A queue has been high for a second: its worker is too slow. `thread` is the worker's number.
struct QueueHigh: TelemetryEvent {
    static let name = "writer.queue.high"
    let thread: Int
    let rows: Int
    let capacity: Int
    let policy: OverflowPolicy

    var level: LogLevel { .warning }
    var message: String {
        switch policy {
        case .block: "the worker does not keep up: its partitions are not read, the tape keeps them"
        case .drop: "the worker does not keep up: what finds no room in its queue is dropped"
        case .error: "the worker does not keep up: this process ends when its queue is full"
        }
    }
    var fields: [(String, LogValue)] {
        [
            ("thread", .integer(Int64(thread))), ("rows", .integer(Int64(rows))),
            ("capacity", .integer(Int64(capacity))),
        ]
    }
}

/// A queue that `QueueHigh` reported is down at its low mark.
struct QueueLow: TelemetryEvent {
    static let name = "writer.queue.low"
    let thread: Int
    let rows: Int

    var level: LogLevel { .info }
    var message: String { "the worker keeps up again" }
    var fields: [(String, LogValue)] {
        [("thread", .integer(Int64(thread))), ("rows", .integer(Int64(rows)))]
    }
}

/// Packets were dropped because a queue had no room (WRITER_OVERFLOW=drop): the number of their
/// records since the last such event.
struct QueueDropped: TelemetryEvent {
    static let name = "writer.queue.dropped"
    let thread: Int
    let ticks: UInt64

    var level: LogLevel { .warning }
    var message: String {
        "there was no room in the queue: these ticks become no rows, the table gaps names them"
    }
    var fields: [(String, LogValue)] {
        [("thread", .integer(Int64(thread))), ("ticks", .unsigned(ticks))]
    }
}

/// A queue had no room, so the process ends (WRITER_OVERFLOW=error).
struct QueueFull: TelemetryEvent {
    static let name = "writer.queue.full"
    let thread: Int
    let capacity: Int

    var level: LogLevel { .error }
    var message: String {
        "there is no room in the queue of this thread and WRITER_OVERFLOW=error: this process "
            + "ends; look at the database, or raise WRITER_QUEUE_ROWS and WRITER_QUEUE_BYTES"
    }
    var fields: [(String, LogValue)] {
        [("thread", .integer(Int64(thread))), ("capacity", .integer(Int64(capacity)))]
    }
}

/// A worker's life ended by a failure that no retry can remedy; the next one begins after `wait`.
struct WorkerRestarted: TelemetryEvent {
    static let name = "writer.worker.restarted"
    let thread: Int
    let reason: String
    let wait: Duration

    var level: LogLevel { .error }
    var message: String {
        "a worker died and is started again; it reads on from the positions in the database: "
            + reason
    }
    var fields: [(String, LogValue)] {
        [
            ("thread", .integer(Int64(thread))),
            ("wait_ms", .integer(Int64(wait / .milliseconds(1)))),
        ]
    }
}

/// A worker had not stopped when the process ended.
struct WorkerLeftBehind: TelemetryEvent {
    static let name = "writer.worker.left_behind"
    let thread: Int

    var level: LogLevel { .warning }
    var message: String {
        "a worker waits for the database and is not waited for; what it did not write is read "
            + "from the tape"
    }
    var fields: [(String, LogValue)] { [("thread", .integer(Int64(thread)))] }
}

/// The intake could not be made, for example because NATS is away.
struct WriterThreadFailed: TelemetryEvent {
    static let name = "writer.thread.failed"
    let reason: String

    var level: LogLevel { .error }
    var message: String { "the intake could not start; this process ends: \(reason)" }
}
