import ServiceRuntime

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
        metrics.counter("mds_cockpit_tokens_refused_total", "Wrong tokens that were given.").add()
    }
}
