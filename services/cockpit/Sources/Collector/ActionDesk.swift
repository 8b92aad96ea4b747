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

    /// By which requests are proven. `nil`: actions are switched off.
    private let key: ActionKey?
    var isOn: Bool { key != nil }
    private let sent = Mutex<[Sent]>([])
    private let calls = Mailbox<UInt64>(capacity: waitingMax)
    /// How many messages the process has not taken that carries actions out.
    private let carrier = Question<UInt64>(rarely: CockpitLimits.carrierInterval)
    private let notTaken = Mutex(NotTakenCount())
    private let history = Question<ActionHistory>()

    /// The local stack that commands name; empty: none.
    let stack: String

    init(key: ActionKey?, stack: String = "") {
        self.key = key
        self.stack = stack
    }

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
            now: now, stack: stack)
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
        guard let key else { return [asked] }
        let beat = context.threads.thread("actions", within: Self.timeout * 2)
        let counter = context.telemetry.metrics.counter(
            "mds_cockpit_actions_not_taken_total",
            "a message that came as a request to act and was not taken, as the process says that "
                + "carries actions out", "rises: [ActionsNotTaken](runbooks/ActionsNotTaken.md)")
        return [
            asked,
            try carrier.start("carrier", context, audience, while: isWanted) { beat in
                { [self] in
                    try collector.withTape(beat) { client, _ in
                        let answer = try Self.look(client, key)
                        guard answer.stage == .done else { throw NotTaken(answer.outcome) }
                        let (count, process) = (answer.notTaken, answer.carrier)
                        counter.add(notTaken.withLock { $0.new(count, of: process) })
                        return count
                    }
                }
            },
            try ServiceThread(name: "actions") { [self] in
                while !context.shutdown.isRequested {
                    beat.beat()
                    var taken: [UInt64] = []
                    _ = calls.receive(into: &taken, max: 1, timeout: CockpitLimits.questionInterval)
                    for number in taken { carryOut(number, key, collector, beat) }
                }
                beat.retire()
            },
        ]
    }

    private func carryOut(
        _ number: UInt64, _ key: ActionKey, _ collector: Collector, _ beat: ThreadBeat
    ) {
        let asked = sent.withLock { $0.first { $0.request.number == number }?.request }
        guard let asked else { return }
        var answer: ActionAnswer
        do {
            answer = try collector.withTape(beat) { client, _ in
                guard client.connection.isConnected else { throw NotConnected() }
                return try Self.act(asked, client, key)
            }
        } catch NatsError.noResponders {
            answer = ActionAnswer(.refused, Self.nobody)
        } catch let error as NotConnected {
            answer = ActionAnswer(.refused, "nothing was sent: \(error)")
        } catch let error as NotTaken {
            answer = ActionAnswer(.refused, error.description)
        } catch {
            answer = ActionAnswer(
                .failed, "what came of it is not known, so look at the records below: \(error)")
        }
        collector.context.telemetry.emit(.actionAnswered(request: asked, answer: answer))
        sent.withLock { sent in
            guard let place = sent.firstIndex(where: { $0.request.number == number }) else {
                return
            }
            sent[place].answer = answer
        }
    }

    static let nobody = "nobody carries out actions: start 'tapeline actions serve'"

    /// Somebody hears requests, or NATS is away: without both the server says that nobody does.
    static let silent =
        "no answer: if NATS is there, the log of 'tapeline actions serve' says why "
        + "(actions.not_taken)"

    /// Nothing was carried out, and why.
    private struct NotTaken: Error, CustomStringConvertible {
        let description: String

        init(_ description: String) { self.description = description }
    }

    /// Asks who carries actions out, and sends the action to that process alone.
    private static func act(
        _ request: ActionRequest, _ client: TapeClient, _ key: ActionKey
    ) throws -> ActionAnswer {
        let carrier: ActionAnswer
        do {
            carrier = try look(client, key)
        } catch NatsError.noResponders {
            throw NotTaken(nobody)
        } catch {
            throw NotTaken("nothing was sent, because nobody said who carries it out: \(error)")
        }
        guard carrier.stage == .done else { return carrier }
        var request = request
        request.carrier = carrier.carrier
        return try ask(request, client, key, timeout)
    }

    private static func look(_ client: TapeClient, _ key: ActionKey) throws -> ActionAnswer {
        do {
            return try ask(ActionRequest(), client, key, CockpitLimits.natsTimeout)
        } catch {
            throw NatsSilence.isTimeout(error) ? NotTaken(silent) : error
        }
    }

    private static func ask(
        _ request: ActionRequest, _ client: TapeClient, _ key: ActionKey, _ timeout: Duration
    ) throws -> ActionAnswer {
        let subject = client.names.actions
        let answer = try client.connection.request(
            key.seal(request, for: subject), to: subject, timeout: timeout)
        return try ActionAnswer(json: answer.withPayload { $0.array })
    }
}
