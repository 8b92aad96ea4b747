import MarketModel
import ServiceRuntime
import TapeProtocol

struct CockpitCannotListen: TelemetryEvent {
    static let name = "cockpit.deaf"
    let reason: String

    var level: LogLevel { .error }
    var message: String { "NATS cannot be listened to" }
    var fields: [(String, LogValue)] { [("reason", .text(reason))] }
}

struct MembersNotHeard: TelemetryEvent {
    static let name = "cockpit.members.not_heard"
    let reason: String

    var level: LogLevel { .warning }
    var message: String { "the heartbeats of the services cannot be heard" }
    var fields: [(String, LogValue)] { [("reason", .text(reason))] }
}

struct PagesServed: TelemetryEvent {
    static let name = "cockpit.open"
    let address: String

    var level: LogLevel { .info }
    var message: String { "the pages are at \(address)" }
    var fields: [(String, LogValue)] { [("address", .text(address))] }
}

struct TokenRefused: TelemetryEvent {
    static let name = "cockpit.token.refused"
    let peer: String

    var level: LogLevel { .warning }
    var message: String { "a wrong token was given" }
    var fields: [(String, LogValue)] { [("peer", .text(peer))] }

    func count(in metrics: MetricRegistry) {
        metrics.counter(
            "mds_cockpit_tokens_refused_total", "a wrong token that was given",
            "many: somebody guesses; look at the log for the peer"
        ).add()
    }
}

/// Reports what came of an action, whoever asked for it.
struct ActionAnswered: TelemetryEvent {
    static let name = "cockpit.action"
    let request: ActionRequest
    let answer: ActionAnswer

    var level: LogLevel { answer.stage == .done ? .info : .warning }
    var message: String { "an action was asked for" }
    var fields: [(String, LogValue)] {
        [
            ("person", .text(request.person)), ("from", .text(request.origin)),
            ("command", .text(request.command)), ("reason", .text(request.reason)),
            ("stage", .text("\(answer.stage)")), ("outcome", .text(answer.outcome)),
        ]
    }

    func count(in metrics: MetricRegistry) {
        metrics.counter(
            "mds_cockpit_actions_total", "an action that a person asked for",
            "failed: look at it on the page Actions", by: "outcome: done, refused, failed",
            labels: [("outcome", "\(answer.stage)")]
        ).add()
    }
}
