internal import ServiceRuntime

struct DeadLettersFiled: TelemetryEvent {
    static let name = "dead_letters.filed"
    let count: Int
    let reason: String

    var level: LogLevel { .warning }
    var message: String { "NATS takes no dead letters, so they lie in a file: \(reason)" }
    var fields: [(String, LogValue)] { [("count", .integer(Int64(count)))] }
}

struct DeadLettersDelivered: TelemetryEvent {
    static let name = "dead_letters.delivered"
    let file: String
    let count: Int

    var level: LogLevel { .info }
    var message: String { "a file of dead letters was published" }
    var fields: [(String, LogValue)] {
        [("file", .text(file)), ("count", .integer(Int64(count)))]
    }
}

struct DeadLettersStuck: TelemetryEvent {
    static let name = "dead_letters.stuck"
    let reason: String

    var level: LogLevel { .warning }
    var message: String {
        "dead letters have no stream, or files of them cannot be published; it is tried again: "
            + reason
    }
}
