internal import TapeProtocol
package import ServiceRuntime

// The events of the tape's edge: each is one log line and its counters.

struct ConnectionLost: TelemetryEvent {
    static let name = "nats.connection.lost"
    let reason: String

    var level: LogLevel { .warning }
    var message: String { "lost the connection to NATS; reconnecting" }
    var fields: [(String, LogValue)] { [("reason", .text(reason))] }

    func count(in metrics: MetricRegistry) {
        metrics.counter(
            "mds_nats_disconnects_total",
            "a connection to NATS that was lost; the process tries to reconnect for ever",
            "often: check the server and the network"
        ).add()
    }
}

struct ConnectionRestored: TelemetryEvent {
    static let name = "nats.connection.restored"

    var level: LogLevel { .info }
    var message: String { "connected to NATS again" }
    var fields: [(String, LogValue)] { [] }

    func count(in metrics: MetricRegistry) {
        metrics.counter(
            "mds_nats_reconnects_total", "a connection to NATS that was restored"
        ).add()
    }
}

struct ConnectionRefused: TelemetryEvent {
    static let name = "nats.connection.refused"
    let reason: String

    var level: LogLevel { .error }
    var message: String { "NATS is there, and the connection is refused; trying again" }
    var fields: [(String, LogValue)] { [("reason", .text(reason))] }

    func count(in metrics: MetricRegistry) {
        metrics.counter(
            "mds_nats_refusals_total",
            "a link to NATS that could not be restored although a server was there, because of "
                + "TLS",
            "read the log line: usually a certificate has changed or expired: "
                + "[NatsRefused](runbooks/NatsRefused.md)"
        ).add()
    }
}

struct ServerLeaving: TelemetryEvent {
    static let name = "nats.server.leaving"

    var level: LogLevel { .info }
    var message: String { "the NATS server is about to stop; waiting for another one" }
    var fields: [(String, LogValue)] { [] }

    func count(in metrics: MetricRegistry) {}
}

struct ConnectionComplaint: TelemetryEvent {
    static let name = "nats.connection.complaint"
    let text: String

    var level: LogLevel { .error }
    var message: String { "NATS refused something that this service did" }
    var fields: [(String, LogValue)] { [("reason", .text(text))] }

    func count(in metrics: MetricRegistry) { metrics.countNatsError() }
}

extension MetricRegistry {
    /// Counts an error that NATS reported without a request.
    package func countNatsError() {
        counter(
            "mds_nats_errors_total",
            "an error that NATS reported without a request, including missing permissions",
            "read the log line: usually a right is missing: [NatsErrors](runbooks/NatsErrors.md)"
        ).add()
    }
}

/// Reports that a packet was not acknowledged, with the reason; `label` is its label in metrics.
struct PublishUnsettled: TelemetryEvent {
    static let name = "tape.publish.unsettled"
    let subject: String
    let reason: String
    let label: String
    let level: LogLevel

    var message: String { "a packet was not acknowledged; it will be settled and sent again" }
    var fields: [(String, LogValue)] {
        [("subject", .text(subject)), ("reason", .text(reason))]
    }

    func count(in metrics: MetricRegistry) {
        metrics.counter(
            "mds_tape_publish_unsettled_total",
            "a packet whose first publish was not acknowledged; it is settled and sent again "
                + "(\"in_process\": the server is still busy with a write to the subject; a "
                + "warning only after 10 s)", "\"refused\" continues: the stream is full",
            by: "reason: timeout, out_of_sequence, in_process, no_responders, refused, "
                + "malformed, connection", labels: [("reason", label)]
        ).add()
    }
}

/// Reports that a higher epoch owns a subject.
struct PublisherFenced: TelemetryEvent {
    static let name = "tape.publish.fenced"
    let subject: String
    let ours: UInt64
    let theirs: UInt64

    var level: LogLevel { .error }
    var message: String { "another owner publishes on this subject; nothing more is published" }
    var fields: [(String, LogValue)] {
        [
            ("subject", .text(subject)), ("epoch", .unsigned(ours)),
            ("owner.epoch", .unsigned(theirs)),
        ]
    }

    func count(in metrics: MetricRegistry) {
        metrics.counter(
            "mds_tape_fenced_total", "a subject that another owner took over",
            "unwanted: two processes have the same configuration"
        ).add()
    }
}

/// Reports that a subject was restored from a backup; `lost` is `nil` when only markers are lost.
struct TapeRolledBack: TelemetryEvent {
    static let name = "tape.rolled_back"
    let subject: String
    let lost: ClosedRange<UInt64>?
    let sequence: UInt64
    /// False for watermarks, which are numbered, too, but are no ticks.
    let holdsTicks: Bool

    var level: LogLevel { .error }
    var message: String {
        holdsTicks
            ? "the tape lost ticks that it had acknowledged"
            : "the tape lost watermarks that it had acknowledged"
    }
    var fields: [(String, LogValue)] {
        [
            ("subject", .text(subject)), ("sequence", .unsigned(sequence)),
            ("lost.first", .unsigned(lost?.lowerBound ?? 0)),
            ("lost.last", .unsigned(lost?.upperBound ?? 0)),
        ]
    }

    func count(in metrics: MetricRegistry) {
        metrics.counter(
            "mds_tape_rollbacks_total", "a time that the tape was found in an older state",
            "as `mds_tape_lost_ticks_total`"
        ).add()
        metrics.counter(
            "mds_tape_lost_ticks_total", "an acknowledged tick that the tape no longer holds",
            "the store was restored from a backup: restore a newer one, or accept the gap"
        ).add(holdsTicks ? lost?.ordinalCount ?? 0 : 0)
    }
}

/// Reports that a reader makes its consumer again.
struct ReaderDoubted: TelemetryEvent {
    static let name = "tape.reader.renewed"
    let reader: String
    let doubt: ReaderDoubt

    var level: LogLevel { .warning }
    var message: String { "a reader makes its consumer anew at its position" }
    var fields: [(String, LogValue)] {
        [("reader", .text(reader)), ("reason", .text(doubt.description))]
    }

    func count(in metrics: MetricRegistry) {
        metrics.counter(
            "mds_tape_reader_renewals_total",
            "a consumer that was made again at its position, or a stream whose reported end was "
                + "before the position and is read again; nothing is lost by it",
            "often without reconnects: check the server",
            by: "reason: reconnected, stalled, missed_delivery, missing_ordinals, refused_pull, "
                + "ends_early", labels: [("reason", doubt.label)]
        ).add()
    }
}

/// Reports that the tape lacks ordinals of a source.
struct TapeHole: TelemetryEvent {
    static let name = "tape.hole"
    let reader: String
    let source: String
    let ordinals: ClosedRange<UInt64>

    var level: LogLevel { .error }
    var message: String { "ordinals are missing on the tape itself" }
    var fields: [(String, LogValue)] {
        [
            ("reader", .text(reader)), ("source", .text(source)),
            ("first", .unsigned(ordinals.lowerBound)), ("last", .unsigned(ordinals.upperBound)),
        ]
    }

    func count(in metrics: MetricRegistry) {
        metrics.counter(
            "mds_tape_missing_ticks_total", "an ordinal that the tape itself does not hold",
            "find out how it was purged or lost"
        ).add(ordinals.ordinalCount)
    }
}

/// Reports that a reader stopped and waits for a person.
struct ReaderStopped: TelemetryEvent {
    static let name = "tape.reader.stopped"
    let reader: String
    let problem: ReaderProblem

    var level: LogLevel { .error }
    var message: String { "a reader stopped: \(problem)" }
    var fields: [(String, LogValue)] { [("reader", .text(reader))] }

    func count(in metrics: MetricRegistry) {
        metrics.counter(
            "mds_tape_readers_stopped_total", "a reader that stopped",
            "as `mds_tape_stopped_readers`"
        ).add()
    }
}

/// Reports that a request failed, which will be repeated.
struct TapeCallFailed: TelemetryEvent {
    static let name = "tape.call.failed"
    let reason: String

    var level: LogLevel { .warning }
    var message: String { "a request to JetStream failed; it will be repeated" }
    var fields: [(String, LogValue)] { [("reason", .text(reason))] }

    func count(in metrics: MetricRegistry) {
        metrics.counter(
            "mds_tape_call_failures_total", "a request to JetStream that failed and is repeated",
            "often: check the server"
        ).add()
    }
}

extension ClosedRange<UInt64> {
    /// The number of ordinals. They come from outside, and `count` would trap on more than an `Int`
    /// holds.
    fileprivate var ordinalCount: UInt64 {
        let (sum, overflow) = (upperBound - lowerBound).addingReportingOverflow(1)
        return overflow ? UInt64.max : sum
    }
}

/// The connection is closed permanently, and libnats does not reconnect. The service reports it
/// before it ends.
package struct ConnectionGone: TelemetryEvent {
    package static let name = "nats.connection.gone"
    let reason: String

    package init(reason: String) { self.reason = reason }

    package var level: LogLevel { .error }
    package var message: String {
        "the connection to NATS is closed for good; this process ends"
    }
    package var fields: [(String, LogValue)] { [("reason", .text(reason))] }
}
