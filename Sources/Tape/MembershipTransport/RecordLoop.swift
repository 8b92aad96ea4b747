internal import MarketModel
internal import Membership
internal import NatsTransport
internal import Primitives
internal import ServiceRuntime
internal import Synchronization
internal import TapeProtocol
internal import TapeTransport

/// The main loop of the thread that connects, and that reads and writes the records: everything
/// that blocks.
struct RecordLoop {
    private static let retryFirst = Duration.milliseconds(100)
    private static let retryMax = Duration.seconds(1)
    /// The most heartbeats and questions that wait to be read.
    private static let heartbeatsPendingMax = 4_096
    private static let questionsPendingMax = 64
    /// The most writes in one batch.
    private static let batchMax = 512
    /// The time for which an answer waits for room in the membership's mailbox before the next try.
    private static let answerTimeout = Duration.milliseconds(200)

    private let shared: MemberShared
    private let beat: ThreadBeat
    private var backoff = Backoff(first: retryFirst, limit: retryMax)
    private var random = SystemRandomNumberGenerator()

    init(_ shared: MemberShared) {
        self.shared = shared
        beat = shared.context.threads.thread(
            "owners-\(shared.settings.group)", within: ThreadWatch.callLimit)
    }

    mutating func run() {
        defer { beat.retire() }
        while shared.isOpen {
            beat.beat()
            do {
                let link = try connect()
                backoff.reset()
                serve(link)
            } catch {
                shared.telemetry.emit(
                    .memberLinkMissing(group: shared.settings.group, reason: "\(error)"))
                // A request without a link also gets an answer.
                answerAll("\(error)", wait: backoff.next(using: &random))
            }
            shared.disconnect()
        }
    }

    // MARK: the link

    /// A connection with what was subscribed on it.
    private final class Link: Sendable {
        let connection: NatsConnection
        let subscriptions: [NatsSubscription]
        /// Whether the connection was closed for good.
        let isGone: GoneFlag

        init(
            _ connection: NatsConnection, _ subscriptions: [NatsSubscription], _ isGone: GoneFlag
        ) {
            self.connection = connection
            self.subscriptions = subscriptions
            self.isGone = isGone
        }
    }

    private final class GoneFlag: Sendable {
        let value = Atomic<Bool>(false)
    }

    /// Connects, and subscribes to the heartbeats of the group.
    private func connect() throws(NatsError) -> Link {
        let (shared, gone) = (shared, GoneFlag())
        var configuration = shared.tape.nats
        configuration.clientName += " member of \(shared.settings.group)"
        // The servers' names have to be resolved first.
        beat.beat(before: ThreadWatch.systemTime)
        let connection = try NatsConnection(configuration) { event in
            switch event {
            case .reconnected:
                shared.links.add(1, ordering: .acquiringAndReleasing)
                shared.wake()
            case .closed:
                // A new connection is made.
                gone.value.store(true, ordering: .releasing)
                _ = shared.calls.send(.wake)
            case .asyncError(let text): shared.telemetry.emit(.memberComplaint(text: text))
            case .disconnected, .refused, .lameDuck: break
            }
        }
        let names = shared.tape.names
        let heartbeats = try connection.subscribe(
            names.heartbeats(group: shared.settings.group.text),
            pendingMessagesMax: Self.heartbeatsPendingMax
        ) { message in
            let link = shared.links.load(ordering: .acquiring)
            do throws(VersionedJSON.Refusal) {
                guard let member = Self.member(message.subject) else {
                    throw .damaged("its subject names no member")
                }
                let heartbeat = try MemberHeartbeat(json: message.payload, member: member)
                _ = shared.messages.send(.heartbeat(heartbeat, link: link))
            } catch {
                shared.telemetry.emit(
                    .heartbeatNotUnderstood(subject: message.subject, refusal: error))
            }
        }
        let questions = try connection.subscribe(
            names.askMembers, pendingMessagesMax: Self.questionsPendingMax
        ) { _ in _ = shared.messages.send(.event(.asked)) }
        shared.use(connection)
        shared.links.add(1, ordering: .acquiringAndReleasing)
        shared.wake()
        return Link(connection, [heartbeats, questions], gone)
    }

    /// Returns the member that a heartbeat's subject names.
    static func member(_ subject: String) -> MemberName? {
        subject.split(separator: ".").last.flatMap { MemberName(String($0)) }
    }

    // MARK: the calls

    /// Carries out calls until the link is gone. Writes go first, in one batch.
    private func serve(_ link: Link) {
        var records = OwnerRecords(
            link.connection, shared.tape.names, shared.settings, onCall: beat.onCall)
        var calls: [MemberShared.Call] = []
        while shared.isOpen, !link.isGone.value.load(ordering: .acquiring) {
            beat.beat()
            calls.removeAll(keepingCapacity: true)
            _ = shared.calls.receive(into: &calls, max: Self.batchMax, timeout: .seconds(1))
            var writes: [RecordWrite] = []
            for call in calls { if case .write(let write) = call { writes.append(write) } }
            if !writes.isEmpty {
                records.write(writes) { write, outcome in
                    answer(.written(write.partition, id: write.id, outcome))
                }
            }
            for call in calls {
                guard case .read(let number, let after) = call else { continue }
                do throws(TapeError) {
                    answer(.records(try records.read(number: number, after: after)))
                } catch {
                    answer(.readFailed(number: number, reason: "\(error)"))
                }
            }
        }
    }

    /// Waits for the given time, and answers with a failure whatever is requested meanwhile.
    private func answerAll(_ reason: String, wait: Duration) {
        var calls: [MemberShared.Call] = []
        _ = shared.calls.receive(into: &calls, max: Self.batchMax, timeout: wait)
        for call in calls {
            switch call {
            case .read(let number, _): answer(.readFailed(number: number, reason: reason))
            case .write(let write):
                answer(.written(write.partition, id: write.id, .unsettled(reason)))
            case .wake: break
            }
        }
    }

    /// Delivers an answer. It must arrive, because the machine waits for it.
    private func answer(_ event: MembershipMachine.Event) {
        repeat {
            beat.beat()
        } while shared.isOpen
            && !shared.messages.sendWaiting(.event(event), timeout: Self.answerTimeout)
    }
}
