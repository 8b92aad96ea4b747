import MarketModel
import ServiceRuntime
import TapeProtocol

extension ServiceEvent {
    static func cockpitCannotListen(reason: String) -> Self {
        Self(.error, "cockpit.deaf", "NATS cannot be listened to", ("reason", .text(reason)))
    }

    static func membersNotHeard(reason: String) -> Self {
        Self(
            .warning, "cockpit.members.not_heard", "the heartbeats of the services cannot be heard",
            ("reason", .text(reason)))
    }

    static func pagesServed(address: String) -> Self {
        Self(.info, "cockpit.open", "the pages are at \(address)", ("address", .text(address)))
    }

    static func tokenRefused(peer: String) -> Self {
        Self(.warning, "cockpit.token.refused", "a wrong token was given", ("peer", .text(peer)))
            .counting(
                "mds_cockpit_tokens_refused_total", "a wrong token that was given",
                "many: somebody guesses; look at the log for the peer")
    }

    static var tokensRead: Self {
        Self(.info, "cockpit.tokens.new", "other tokens count now: those without end")
    }

    static func tokensKept(problem: String) -> Self {
        Self(
            .warning, "cockpit.tokens.kept",
            "the tokens of before count on, as the file of people cannot be used",
            ("problem", .text(problem)))
    }

    /// Reports what a person has asked the database.
    static func sqlAnswered(person: String, origin: String, sql: String, outcome: String) -> Self {
        Self(
            .info, "cockpit.sql", "the database was asked in SQL", ("person", .text(person)),
            ("from", .text(origin)), ("sql", .text(String(sql.prefix(300)))),
            ("outcome", .text(outcome)))
    }

    /// Reports what came of an action, whoever asked for it.
    static func actionAnswered(request: ActionRequest, answer: ActionAnswer) -> Self {
        Self(
            answer.stage == .done ? .info : .warning, "cockpit.action", "an action was asked for",
            ("person", .text(request.person)), ("from", .text(request.origin)),
            ("command", .text(request.command)), ("reason", .text(request.reason)),
            ("stage", .text("\(answer.stage)")), ("outcome", .text(answer.outcome))
        ).counting(
            "mds_cockpit_actions_total", "an action that a person asked for",
            "failed: look at it on the page Actions", by: "outcome: done, refused, failed",
            labels: [("outcome", "\(answer.stage)")])
    }
}
