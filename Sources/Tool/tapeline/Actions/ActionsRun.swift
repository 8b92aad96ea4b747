import MarketModel
import NatsTransport
import Primitives
import ServiceRuntime
import TapeProtocol
import TapeTransport

/// Waits for requests on NATS, and carries them out one after the other.
struct ActionsRun {
    /// The most requests that wait. Further ones are refused.
    private static let waitingMax = 16
    private static let turn = Duration.milliseconds(500)
    /// The characters of a line of the log.
    private static let lineMax = 1_000
    static let work = Deployment.TapeWork(
        failure: "requests for actions cannot be heard", right: "hear requests for actions")

    let command: ActionsCommand
    let environment: [String: String]
    /// The path of this program.
    let program: String
    let terminal: Terminal
    let shutdown: ShutdownSignal

    private struct Asked: Sendable {
        let request: ActionRequest
        let replyTo: String
    }

    func run(_ deployment: Deployment) throws(ToolError) -> ExitCode {
        try deployment.onTape(Self.work) { client in
            let waiting = Mailbox<Asked>(capacity: Self.waitingMax)
            let connection = client.connection
            let subscription = try connection.subscribe(
                client.names.actions, pendingMessagesMax: Self.waitingMax, queue: "actions"
            ) { [weak connection] message in
                guard let connection, let replyTo = message.replyTo else { return }
                guard let answer = Self.take(message, replyTo, waiting) else { return }
                Self.send(answer, to: replyTo, connection, terminal)
            }
            defer { subscription.unsubscribe() }
            let mailbox = TapeMailbox(capacity: 16)
            client.notify(mailbox)
            terminal.line("actions are carried out for \(deployment.title)")
            while !shutdown.isRequested {
                try Self.requireLink(mailbox)
                var taken: [Asked] = []
                _ = waiting.receive(into: &taken, max: 1, timeout: Self.turn)
                for asked in taken {
                    let answer = carryOut(asked.request, deployment)
                    Self.send(answer, to: asked.replyTo, connection, terminal)
                }
            }
            // Nobody else hears of these, so they say themselves that nothing was done.
            var left: [Asked] = []
            _ = waiting.receive(into: &left, max: Self.waitingMax, timeout: .zero)
            for asked in left {
                Self.send(
                    ActionAnswer(
                        .refused, "it was not begun: the process that carries it out ends"),
                    to: asked.replyTo, connection, terminal)
            }
            return .success
        }
    }

    private static func requireLink(_ mailbox: TapeMailbox) throws(ToolError) {
        var events: [TapeEvent] = []
        _ = mailbox.receive(into: &events, max: 16, timeout: .zero)
        for case .closed(let reason) in events { throw .unreachable("NATS is gone: \(reason)") }
    }

    /// Takes a message. Returns what can be answered now; `nil`: the answer comes later.
    private static func take(
        _ message: NatsMessage, _ replyTo: String, _ waiting: Mailbox<Asked>
    ) -> ActionAnswer? {
        do throws(VersionedJSON.Refusal) {
            let request = try ActionRequest(json: message.payload)
            guard !request.words.isEmpty else {
                return ActionAnswer(.done, "actions are carried out here")
            }
            let isTaken = waiting.send(Asked(request: request, replyTo: replyTo))
            return isTaken
                ? nil : ActionAnswer(.refused, "\(waitingMax) actions wait already: try it later")
        } catch {
            return ActionAnswer(.refused, "the request cannot be read: \(error)")
        }
    }

    private static func send(
        _ answer: ActionAnswer, to replyTo: String, _ connection: NatsConnection,
        _ terminal: Terminal
    ) {
        do throws(NatsError) {
            try answer.json.withRawSpan { span throws(NatsError) in
                try connection.publish(span, to: replyTo)
            }
        } catch {
            terminal.problem("an outcome could not be told: \(error)")
        }
    }

    // MARK: one action

    private func carryOut(_ request: ActionRequest, _ deployment: Deployment) -> ActionAnswer {
        let answer = outcome(of: request, deployment)
        let last = answer.outcome.split(separator: "\n").last ?? ""
        let person = request.person.isEmpty ? "somebody" : request.person
        terminal.line(
            "\(SystemClock().now()) "
                + Self.plain(
                    "\(person) from \(request.origin): \(request.command): \(answer.stage): \(last)"
                ))
        return answer
    }

    /// What a person has typed may hold anything, and a line of the log is one line.
    private static func plain(_ text: String) -> String {
        let kept = text.unicodeScalars.prefix(lineMax).map {
            $0.properties.generalCategory == .control ? "?" : $0
        }
        return String(String.UnicodeScalarView(kept))
    }

    private func outcome(of request: ActionRequest, _ deployment: Deployment) -> ActionAnswer {
        guard request.isDue(at: SystemClock().now()) else {
            return ActionAnswer(
                .refused,
                "it was not begun: it was asked for more than "
                    + "\(ActionRequest.beginNanosecondsMax / 1_000_000_000) s ago, or the clocks "
                    + "of this process and of the cockpit differ; ask again")
        }
        let plan: ActionPlan
        do throws(ToolError) {
            plan = try ActionPlan(request, on: command.target, now: SystemClock().now())
        } catch {
            return ActionAnswer(.refused, "\(error)")
        }
        let carrier = ActionCarrier(
            program: program, environment: environment, shutdown: shutdown)
        guard plan.isRecorded else { return carrier.carryOut(plan, of: request.person) }
        let log = ActionLog(deployment: deployment)
        do throws(ToolError) {
            try log.note(request, .asked)
        } catch {
            return ActionAnswer(
                .refused,
                "it was not carried out, because it could not be recorded on the tape: \(error)")
        }
        var answer = carrier.carryOut(plan, of: request.person)
        do throws(ToolError) {
            try log.note(request, answer.stage, answer.outcome)
        } catch {
            answer.outcome += "\nthis outcome is not on the tape: \(error)"
        }
        return answer
    }
}
