import MarketModel
import NatsTransport
import Primitives
import ServiceRuntime
import Synchronization
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
    /// By which requests are proven.
    let key: ActionKey
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
                client.names.actions, pendingMessagesMax: Self.waitingMax, queue: "actions",
                onMessage: taking(into: waiting, for: deployment, client))
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

    /// What is done with each message: a request waits, and what is none is told.
    private func taking(
        into waiting: Mailbox<Asked>, for deployment: Deployment, _ client: TapeClient
    ) -> @Sendable (NatsMessage) -> Void {
        // Without a user the answers of nobody are private.
        let inbox = deployment.nats.user == nil ? "_INBOX." : "_INBOX_\(ActionRequest.user)."
        let carrier = UInt64.random(in: 1 ... .max)
        let door = Mutex(
            ActionDoor(
                subject: client.names.actions, inbox: inbox, key: key, carrier: carrier))
        let strangers = Atomic<UInt64>(0)
        let telemetry = client.telemetry
        return { [weak connection = client.connection, terminal] message in
            let (subject, replyTo, payload) = (message.subject, message.replyTo, message.payload)
            let verdict = door.withLock {
                $0.judge(on: subject, replyTo: replyTo, payload, at: SystemClock().now())
            }
            var answer: ActionAnswer?
            switch verdict {
            case .look:
                answer = ActionAnswer(
                    .done, "actions are carried out here", carrier: carrier,
                    notTaken: strangers.load(ordering: .relaxed))
            case .take(let request):
                guard !waiting.send(Asked(request: request, replyTo: replyTo ?? "")) else { break }
                answer = ActionAnswer(
                    .refused, "\(Self.waitingMax) actions wait already: try it later")
            case .refuse(let reason, let isAnswered):
                let count = strangers.add(1, ordering: .relaxed).newValue
                telemetry.emit(
                    ActionNotTaken(
                        subject: subject, replyTo: replyTo, reason: reason, count: count))
                if isAnswered { answer = ActionAnswer(.refused, reason) }
            }
            guard let answer, let replyTo, let connection else { return }
            Self.send(answer, to: replyTo, connection, terminal)
        }
    }

    private static func send(
        _ answer: ActionAnswer, to replyTo: String, _ connection: NatsConnection,
        _ terminal: Terminal
    ) {
        do throws(NatsError) {
            try connection.publish(answer.json, to: replyTo)
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
            return ActionAnswer(.refused, ActionDoor.late)
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
