import NatsTransport
import Primitives
import ServiceRuntime
import Synchronization
import TapeCodec
import TapeProtocol

/// The main loop of the live thread. It connects for ever, and sends what is offered while there is
/// a link.
final class LiveLoop {
    static let closeTimeout = Duration.seconds(3)
    private static let flushTimeout = Duration.milliseconds(500)
    private static let packetsPerTurn = 64
    private static let waitMax = Duration.milliseconds(250)
    /// The pause between two turns, unless more packets wait. What comes within it is written
    /// together, because each write costs as much as encoding many messages. While nobody hears
    /// anything, there are only questions, which wait longer: with a round, 250 ms at most.
    private static let gatherTime = Duration.milliseconds(20)
    private static let gatherTimeUnheard = Duration.milliseconds(50)
    private static let retryFirst = Duration.milliseconds(100)
    private static let retryMax = Duration.seconds(5)

    private let configuration: NatsConfiguration
    private let telemetry: TelemetryHub
    private let queue: LiveQueue
    private let metrics: LiveMetrics
    private let beat: ThreadBeat
    private let clock = SystemClock()
    private var encoder: LiveEncoder
    private var connection: NatsConnection?
    /// The earliest monotonic time of the next attempt to connect.
    private var connectAt = MonotonicTime.distantPast
    private var backoff = Backoff(first: LiveLoop.retryFirst, limit: LiveLoop.retryMax)
    private var random = SystemRandomNumberGenerator()
    private let link = Link()
    /// Where the answers to questions come; `nil` while there is no connection.
    private var inbox: LiveInbox?
    private var state = State.waiting
    /// How many of the queue's refusals were reported.
    private var refusalsSeen: UInt64 = 0

    /// What was reported last about the fan-out.
    private enum State {
        /// Nothing was sent yet, and nothing has failed.
        case waiting
        /// Packets are sent, and this was reported.
        case sending
        /// Packets are dropped, and this was reported.
        case interrupted
    }

    /// The state of the link, set by libnats' thread.
    private final class Link: Sendable {
        /// libnats has closed the connection permanently.
        let isClosed = Atomic<Bool>(false)
        /// The link was lost or made again, so that another server may know other subscriptions.
        let isOther = Atomic<Bool>(false)
    }

    init(
        _ configuration: NatsConfiguration, names: TapeNames, telemetry: TelemetryHub,
        _ queue: LiveQueue, _ metrics: LiveMetrics, _ beat: ThreadBeat
    ) {
        self.beat = beat
        self.configuration = configuration
        self.telemetry = telemetry
        self.queue = queue
        self.metrics = metrics
        encoder = LiveEncoder(names)
    }

    func run() {
        var packets: [LiveQueue.Packet] = []
        while true {
            beat.beat()
            connectIfDue()
            queue.isLinked.store(connection?.isConnected ?? false, ordering: .relaxed)
            packets.removeAll(keepingCapacity: true)
            queue.receive(into: &packets, max: Self.packetsPerTurn, timeout: Self.waitMax)
            hear()
            for packet in packets {
                send(packet)
                // At once, because until its answer is taken, each message of a subject is sent.
                hear()
            }
            metrics.packets.set(Double(queue.count))
            noticeRefusals()
            if queue.isClosed, packets.isEmpty { break }
            if !packets.isEmpty, packets.count < Self.packetsPerTurn {
                queue.gather(for: gatherTime(after: packets))
            }
        }
        close()
    }

    /// Ticks of nodes do not wait long: there is room for few, and partitions may wait for it.
    private func gatherTime(after packets: [LiveQueue.Packet]) -> Duration {
        encoder.hearing.heard == 0 && !packets.contains { $0.nodeTicks > 0 }
            ? Self.gatherTimeUnheard : Self.gatherTime
    }

    // MARK: the link

    private func connectIfDue() {
        if link.isClosed.exchange(false, ordering: .acquiringAndReleasing) {
            (connection, inbox) = (nil, nil)
            retryLater()
        }
        guard connection == nil, !queue.isClosed, clock.monotonic() >= connectAt else {
            return
        }
        // The servers' names have to be resolved first.
        beat.beat(before: ThreadWatch.systemTime)
        do throws(NatsError) {
            let (link, telemetry) = (link, telemetry)
            connection = try NatsConnection(configuration) { event in
                switch event {
                case .closed: link.isClosed.store(true, ordering: .releasing)
                case .asyncError(let text): telemetry.emit(.liveComplaint(text: text))
                case .disconnected, .reconnected: link.isOther.store(true, ordering: .releasing)
                // These events show when something is published.
                case .refused, .lameDuck: return
                }
            }
            link.isOther.store(true, ordering: .releasing)
            try listen()
            backoff.reset()
        } catch {
            stopped("\(error)")
            retryLater()
        }
    }

    /// Subscribes to the answers. Without the right to do so none comes, and everything is sent.
    private func listen() throws(NatsError) {
        if let connection { inbox = try LiveInbox(connection) }
    }

    /// Takes the answers that have come, and tells the offering threads what is wanted.
    private func hear() {
        let arrived = inbox?.answers.take() ?? []
        if link.isOther.exchange(false, ordering: .acquiringAndReleasing) {
            encoder.forget()
        } else {
            for answer in arrived {
                encoder.hearing.answered(answer.number, fromNobody: answer.isFromNobody)
            }
        }
        encoder.now = clock.monotonic()
        encoder.hearing.advance(to: encoder.now)
        let quietUntil = encoder.hearing.quietUntil ?? .distantPast
        queue.quietUntil.store(quietUntil.nanoseconds, ordering: .relaxed)
        let (subjects, heard) = (encoder.hearing.subjects, encoder.hearing.heard)
        queue.heard.store(heard, ordering: .relaxed)
        queue.subjects.store(subjects, ordering: .relaxed)
        metrics.subjects.set(Double(subjects))
        metrics.heard.set(Double(heard))
    }

    private func retryLater() {
        connectAt = clock.deadline(after: backoff.next(using: &random))
    }

    private func close() {
        guard let connection else { return }
        do throws(NatsError) {
            if connection.isConnected { try connection.flush(timeout: Self.flushTimeout) }
        } catch {
            stopped("\(error)")
        }
        connection.close()
    }

    // MARK: packets

    private func send(_ packet: LiveQueue.Packet) {
        guard let connection, connection.isConnected else {
            metrics.dropped[.noLink]?.add(packet.ticks)
            stopped("there is no link to NATS")
            return
        }
        // The last kind and the number of its messages in a row: a packet usually has one kind.
        var sent: (kind: LiveKind, count: UInt64) = (.trade, 0)
        var failure: NatsError?
        func publish(_ subject: LiveSubject, _ question: UInt64?, _ json: [UInt8]) {
            guard subject.isSendable else {
                metrics.dropped[.subject]?.add(1)
                return
            }
            let replyTo: String? =
                if let question, let inbox { "\(inbox.prefix).\(question)" } else { nil }
            do throws(NatsError) {
                try json.withRawSpan { payload throws(NatsError) in
                    try connection.publish(payload, to: subject.text, replyTo: replyTo)
                }
                if subject.kind != sent.kind {
                    metrics.sent(sent.count, sent.kind)
                    sent = (subject.kind, 0)
                }
                sent.count += 1
                if replyTo != nil { metrics.questions.add(1) }
            } catch {
                metrics.dropped[.noLink]?.add(1)
                failure = error
            }
        }
        encode(packet, publish)
        metrics.sent(sent.count, sent.kind)
        if let failure { stopped("\(failure)") } else { began() }
    }

    private func encode(_ packet: LiveQueue.Packet, _ publish: LiveEncoder.Publish) {
        switch packet.content {
        case .nodes(let ticks): encoder.encode(ticks, publish)
        case .packet(let bytes):
            do throws(PacketError) {
                try bytes.withRawSpan { bytes throws(PacketError) in
                    try encoder.encode(bytes, publish)
                }
            } catch {
                // Only packets that were sealed in this process are offered.
                preconditionFailure("a packet of our own cannot be read: \(error)")
            }
        }
    }

    /// Reports refused packets. While the queue is full, its consumer reports them.
    private func noticeRefusals() {
        let present = queue.refusals
        guard present != refusalsSeen else { return }
        refusalsSeen = present
        stopped("more than \(LivePublisher.packetsMax) packets wait")
    }

    /// Reports that packets are dropped, once.
    private func stopped(_ reason: String) {
        guard state != .interrupted else { return }
        state = .interrupted
        telemetry.emit(.liveStopped(reason: reason))
    }

    /// Reports that packets are sent, once.
    private func began() {
        guard state != .sending else { return }
        state = .sending
        telemetry.emit(.liveBegan())
    }
}

/// The subscription that takes the answers to questions.
struct LiveInbox {
    /// The subject of an answer is this, a dot and the number of the question.
    let prefix: String
    let answers = LiveAnswers()
    private let subscription: NatsSubscription

    init(_ connection: NatsConnection) throws(NatsError) {
        prefix = connection.newInbox()
        let answers = answers
        subscription = try connection.subscribe(
            "\(prefix).*", pendingMessagesMax: LiveHearing.questionsWaitingMax
        ) { answers.received($0) }
    }
}

/// The answers to questions that have come and were not taken yet. libnats' thread puts them here.
final class LiveAnswers: Sendable {
    struct Answer: Sendable {
        let number: UInt64
        /// The server says that no subscription takes the subject.
        let isFromNobody: Bool
    }

    private static let noResponders = 503
    private let arrived = Mutex<[Answer]>([])

    /// An answer too many is dropped: then its subject counts as heard until the next one.
    func received(_ message: NatsMessage) {
        guard let number = message.subject.split(separator: ".").last.flatMap({ UInt64($0) })
        else { return }
        let answer = Answer(
            number: number, isFromNobody: message.status == Self.noResponders)
        arrived.withLock { arrived in
            if arrived.count < LiveHearing.questionsWaitingMax { arrived.append(answer) }
        }
    }

    func take() -> [Answer] {
        arrived.withLock { arrived in
            defer { arrived.removeAll(keepingCapacity: true) }
            return arrived
        }
    }
}
