internal import ServiceRuntime

struct StreamPurged: TelemetryEvent {
    static let name = "keeper.purged"
    let stream: String
    let messages: UInt64
    let outcome: PurgePass.Outcome

    var level: LogLevel { .debug }
    var message: String { "took what everybody has read off the stream" }
    var fields: [(String, LogValue)] {
        [
            ("stream", .text(stream)), ("messages", .unsigned(messages)),
            ("outcome", .text(outcome.rawValue)),
        ]
    }

    func count(in metrics: MetricRegistry) {
        let labels = [("stream", stream)]
        metrics.counter(
            "mds_keeper_purged_messages_total",
            "a message that was removed from the stream, because all groups had read it",
            labels: labels
        ).add(messages)
        metrics.counter(
            "mds_keeper_purges_total", "a purge that ended", "held for long: as `mds_keeper_held`",
            by: "stream, outcome: reached, held", labels: labels + [("outcome", outcome.rawValue)]
        ).add()
    }
}

struct PurgeHeld: TelemetryEvent {
    static let name = "keeper.held"
    let stream: String
    let holder: String

    var level: LogLevel { .warning }
    var message: String {
        "the stream fills up, because not everybody has read it: \(holder)"
    }
    var fields: [(String, LogValue)] { [("stream", .text(stream))] }
}

struct PurgeFailed: TelemetryEvent {
    static let name = "keeper.failed"
    let stream: String
    let reason: String

    var level: LogLevel { .warning }
    var message: String { "a purge was not finished; it will be tried again" }
    var fields: [(String, LogValue)] {
        [("stream", .text(stream)), ("reason", .text(reason))]
    }

    func count(in metrics: MetricRegistry) {
        metrics.counter(
            "mds_keeper_failures_total",
            "a purge, or a record of positions, that failed and is tried again",
            "often: check the server and its rights: [KeeperFailing](runbooks/KeeperFailing.md)"
        ).add()
    }
}

struct KeeperChanged: TelemetryEvent {
    static let name = "keeper.changed"
    let isKeeper: Bool

    var level: LogLevel { .info }
    var message: String {
        isKeeper
            ? "this process keeps the tape in bounds now" : "another process keeps the tape now"
    }
    var fields: [(String, LogValue)] { [] }
}
