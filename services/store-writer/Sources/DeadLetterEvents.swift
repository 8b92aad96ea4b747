import DeadLetters
import StoreSinks
import Telemetry

/// Rows that were committed as set aside.
struct DeadLettersKept: TelemetryEvent {
    static let name = "writer.dead_letters.kept"

    struct Kind: Hashable {
        let sink: String
        let reason: DeadLetter.Reason
    }

    let kind: Kind
    let count: UInt64
    let first: String

    var level: LogLevel { .error }
    var message: String {
        "rows were refused and set aside, the rest is written: see 'tapeline dlq list'"
    }
    var fields: [(String, LogValue)] {
        [
            ("sink", .text(sink)), ("reason", .text(kind.reason.rawValue)),
            ("count", .unsigned(count)), ("first", .text(first)),
        ]
    }

    /// Labels are never empty.
    private var sink: String { kind.sink.isEmpty ? "unknown" : kind.sink }

    func count(in metrics: MetricRegistry) {
        metrics.counter(
            "mds_dead_letters_total", "Ticks and bars that were set aside as dead letters.",
            labels: [("sink", sink), ("reason", kind.reason.rawValue)]
        ).add(count)
    }
}

struct DeadLettersFiled: TelemetryEvent {
    static let name = "writer.dead_letters.filed"
    let count: Int
    let reason: String

    var level: LogLevel { .warning }
    var message: String { "NATS takes no dead letters, so they lie in a file: \(reason)" }
    var fields: [(String, LogValue)] { [("count", .integer(Int64(count)))] }
}

struct DeadLettersDelivered: TelemetryEvent {
    static let name = "writer.dead_letters.delivered"
    let file: String
    let count: Int

    var level: LogLevel { .info }
    var message: String { "a file of dead letters was published" }
    var fields: [(String, LogValue)] {
        [("file", .text(file)), ("count", .integer(Int64(count)))]
    }
}

struct DeadLettersStuck: TelemetryEvent {
    static let name = "writer.dead_letters.stuck"
    let reason: String

    var level: LogLevel { .warning }
    var message: String {
        "dead letters have no stream, or files of them cannot be published; it is tried again: "
            + reason
    }
}
