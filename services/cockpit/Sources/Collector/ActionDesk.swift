import MarketModel
import NatsTransport
import Primitives
import ServiceRuntime
import Synchronization
import TapeProtocol
import TapeTransport

/// Sends what people ask for to the process that carries it out, one action after the other, and
/// keeps what came of the last ones.
final class ActionDesk: Sendable {
    /// The most actions that wait. Further ones are refused.
    static let waitingMax = 8
    /// The most actions of which the outcome is kept.
    static let keptMax = 32
    /// Longer than the process may take for one: until it begins, for both records, and for the
    /// command itself.
    private static let timeout = Duration.seconds(240)

    /// One action that was sent from here.
    struct Sent: Equatable, Sendable {
        let request: ActionRequest
        let time: Timestamp
        /// `nil`: it waits, or is being carried out.
        var answer: ActionAnswer?
    }

    /// Whether actions are switched on.
    let isOn: Bool
    private let sent = Mutex<[Sent]>([])
    private let calls = Mailbox<UInt64>(capacity: waitingMax)
    private let carrier = Question<String>()
    private let history = Question<ActionHistory>()

    init(isOn: Bool) { self.isOn = isOn }

    /// Takes an action. Returns why it is refused; `nil`: it is under way.
    func submit(_ request: ActionRequest, at time: Timestamp) -> String? {
        guard request.json.count <= ActionRequest.bytesMax,
            request.words.count <= ActionRequest.wordsMax
        else { return "this is too much for one action" }
        return sent.withLock { sent in
            let open = sent.count { $0.answer == nil }
            guard open < Self.waitingMax, calls.send(request.number) else {
                return "\(open) actions wait already: try it later"
            }
            if sent.count >= Self.keptMax, let oldest = sent.firstIndex(where: { $0.answer != nil })
            {
                sent.remove(at: oldest)
            }
            sent.append(Sent(request: request, time: time))
            return nil
        }
    }

    func document(at now: MonotonicTime) -> ActionsDocument {
        ActionsDocument(
            isOn: isOn, carrier: carrier.known, sent: sent.withLock { $0 }, history: history.known,
            now: now)
    }

    /// Starts the threads: that of the actions, and those that ask who carries them out, and what
    /// the database knows of earlier ones.
    func start(_ collector: Collector) throws(ServiceError) -> [ServiceThread] {
        let (context, settings) = (collector.context, collector.settings)
        let (audience, documents) = (collector.audience, collector.documents)
        let isWanted = { @Sendable (now: MonotonicTime) in documents.isWanted(.actions, at: now) }
        let asked = try history.start("actions", context, audience, while: isWanted) { beat in
            let session = DatabaseSession(settings.postgres, beat)
            return { try ActionHistory(session) }
        }
        guard isOn else { return [asked] }
        let beat = context.threads.thread("actions", within: Self.timeout * 2)
        return [
            asked,
            try carrier.start("carrier", context, audience, while: isWanted) { beat in
                {
                    try collector.withTape(beat) { client, _ in
                        try Self.ask(ActionRequest(), client, CockpitLimits.natsTimeout).outcome
                    }
                }
            },
            try ServiceThread(name: "actions") { [self] in
                while !context.shutdown.isRequested {
                    beat.beat()
                    var taken: [UInt64] = []
                    _ = calls.receive(into: &taken, max: 1, timeout: CockpitLimits.questionInterval)
                    for number in taken { carryOut(number, collector, beat) }
                }
                beat.retire()
            },
        ]
    }

    private func carryOut(_ number: UInt64, _ collector: Collector, _ beat: ThreadBeat) {
        let asked = sent.withLock { $0.first { $0.request.number == number }?.request }
        guard let asked else { return }
        var answer: ActionAnswer
        do {
            answer = try collector.withTape(beat) { client, _ in
                guard client.connection.isConnected else { throw NotConnected() }
                return try Self.ask(asked, client, Self.timeout)
            }
        } catch NatsError.noResponders {
            answer = ActionAnswer(.refused, Self.nobody)
        } catch let error as NotConnected {
            answer = ActionAnswer(.refused, "nothing was sent: \(error)")
        } catch {
            answer = ActionAnswer(
                .failed, "what came of it is not known, so look at the records below: \(error)")
        }
        collector.context.telemetry.emit(ActionAnswered(request: asked, answer: answer))
        sent.withLock { sent in
            guard let place = sent.firstIndex(where: { $0.request.number == number }) else {
                return
            }
            sent[place].answer = answer
        }
    }

    static let nobody = "nobody carries out actions: start 'tapeline actions serve'"

    private static func ask(
        _ request: ActionRequest, _ client: TapeClient, _ timeout: Duration
    ) throws -> ActionAnswer {
        let answer = try client.connection.request(
            request.json, to: client.names.actions, timeout: timeout)
        return try ActionAnswer(json: answer.withPayload { $0.array })
    }
}
