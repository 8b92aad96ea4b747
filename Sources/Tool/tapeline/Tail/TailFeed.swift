import NatsTransport
import Primitives
import ServiceRuntime
import TapeCodec
import TapeProtocol
import TapeTransport

/// The pull consumers of a tail, one per stream, over one inbox.
///
/// One thread owns it. Messages arrive in its mailbox and are passed to `take`, per stream in the
/// order of the stream.
final class TailFeed {
    typealias Message = (lane: Int, metadata: PulledMessage, message: NatsMessage)

    /// A stream and how far it is read.
    private struct Reader {
        let selection: TailCommand.Selection
        let start: ConsumerConfiguration.Deliver
        var lane = TailLane()
        var created = Timestamp.undefined
        var pulls: [Pull] = []
    }

    private struct Pull {
        let number: UInt64
        var remaining: Int
    }

    private static let expiry: Duration = .seconds(30)
    private static let heartbeat: Duration = .seconds(1)
    private static let pullEnds = ["maxbytes", "batch completed"]

    private let client: TapeClient
    private let mailbox = TapeMailbox(capacity: 4_096)
    private let inbox: String
    private let subscription: NatsSubscription
    private let clock = SystemClock()
    /// False to end each stream when there is nothing more to read.
    private let follows: Bool
    private var readers: [Reader] = []
    private var pullNumber: UInt64 = 0
    private var events: [TapeEvent] = []

    init(_ client: TapeClient, follows: Bool) throws {
        self.client = client
        self.follows = follows
        let inbox = client.connection.newInbox()
        self.inbox = inbox
        let mailbox = mailbox
        client.notify(mailbox)
        subscription = try client.connection.subscribe(
            "\(inbox).>", pendingMessagesMax: 16_384
        ) { message in
            // A message lost here leaves a hole in the numbers, and is read again.
            _ = mailbox.sendWaiting(.delivery(message), timeout: .seconds(10))
        }
    }

    func close() {
        for index in readers.indices { deleteConsumer(index) }
        subscription.unsubscribe()
    }

    var isOver: Bool { readers.allSatisfy(\.lane.isOver) }
    func stream(_ lane: Int) -> String { readers[lane].selection.stream }

    func end(_ lane: Int) {
        deleteConsumer(lane)
        readers[lane].lane.end()
    }

    // MARK: consumers

    func open(_ selection: TailCommand.Selection, at start: ConsumerConfiguration.Deliver) throws {
        readers.append(Reader(selection: selection, start: start))
        let index = readers.count - 1
        guard let info = try client.jetStream.streamInfo(selection.stream) else {
            throw ToolError.refused("stream \(selection.stream) is gone")
        }
        readers[index].created = info.created
        if start == .new { readers[index].lane.begin(behind: info.lastSequence) }
        try makeConsumer(index)
    }

    /// Makes the consumer again. If that fails, for example because the link is down, it is retried
    /// later.
    private func renew(_ index: Int) throws {
        do {
            try makeAnew(index)
        } catch let error as ToolError {
            throw error
        } catch {
            readers[index].lane.failed("\(error)")
        }
    }

    /// Starts after the last message taken, and only on the stream it came from.
    private func makeAnew(_ index: Int) throws {
        deleteConsumer(index)
        let stream = readers[index].selection.stream
        guard let info = try client.jetStream.streamInfo(stream),
            info.created == readers[index].created
        else { throw ToolError.refused("stream \(stream) was deleted while it was read") }
        guard info.lastSequence >= readers[index].lane.sequence else {
            throw ToolError.refused(
                "stream \(stream) ends at \(info.lastSequence), and "
                    + "\(readers[index].lane.sequence) was read: the tape was put back")
        }
        try makeConsumer(index)
    }

    private func makeConsumer(_ index: Int) throws {
        readers[index].lane.renewed(now: clock.monotonic().nanoseconds)
        readers[index].pulls = []
        let last = readers[index].lane.sequence
        let configuration = ConsumerConfiguration(
            name: consumer(index), filterSubjects: readers[index].selection.filters,
            deliver: last > 0 ? .fromSequence(last + 1) : readers[index].start)
        try client.jetStream.createConsumer(
            stream: readers[index].selection.stream, configuration)
        // Without following, it first pulls one message without waiting: status 404 means that
        // there is none. A larger pull that does not wait may end without a status.
        if !follows { try pull(index, 1, expires: .zero) }
        try fillPulls(index)
    }

    private func consumer(_ index: Int) -> String {
        "tail-\(inbox.suffix(8))-\(index)-\(readers[index].lane.tenure)"
    }

    /// Best effort, because the server removes an idle consumer by itself.
    private func deleteConsumer(_ index: Int) {
        guard readers[index].lane.tenure > 0, client.connection.isConnected else { return }
        do {
            _ = try client.jetStream.deleteConsumer(
                stream: readers[index].selection.stream, name: consumer(index))
        } catch {
            readers[index].pulls = []
        }
    }

    private func fillPulls(_ index: Int) throws {
        while readers[index].pulls.count < TailLane.pullsMax {
            try pull(index, TailLane.pullMessages, expires: Self.expiry)
        }
    }

    private func pull(_ index: Int, _ messages: Int, expires: Duration) throws {
        pullNumber += 1
        readers[index].pulls.append(Pull(number: pullNumber, remaining: messages))
        try client.jetStream.pull(
            stream: readers[index].selection.stream, consumer: consumer(index), batch: messages,
            bytesMax: TailLane.pullBytes, expires: expires,
            idleHeartbeat: expires > .zero ? Self.heartbeat : .zero,
            replyTo: "\(inbox).\(index).\(readers[index].lane.tenure).\(pullNumber)")
    }

    // MARK: messages

    /// Waits up to `timeout` and passes on what arrived.
    func receive(timeout: Duration, _ take: (Message) throws -> Void) throws {
        _ = mailbox.receive(into: &events, max: 1_024, timeout: timeout)
        defer { events.removeAll(keepingCapacity: true) }
        for event in events {
            switch event {
            case .delivery(let message): try handle(message, take)
            case .reconnected:
                for index in readers.indices where !readers[index].lane.isOver { try renew(index) }
            case .closed(let reason): throw ToolError.unreachable("NATS is gone: \(reason)")
            case .answer, .wake: continue
            }
        }
        let now = clock.monotonic().nanoseconds
        guard client.connection.isConnected else { return }
        for index in readers.indices where readers[index].lane.isStalled(now: now) {
            try renew(index)
        }
    }

    private func handle(_ message: NatsMessage, _ take: (Message) throws -> Void) throws {
        let now = clock.monotonic().nanoseconds
        if let code = message.status {
            try status(code, message, now: now)
            return
        }
        guard let replyTo = message.replyTo,
            let metadata = PulledMessage.metadata(ofReplySubject: replyTo),
            let (index, tenure) = owner(of: metadata.consumer)
        else { return }
        let verdict = readers[index].lane.delivery(
            tenure: tenure, number: metadata.consumerSequence, sequence: metadata.streamSequence,
            now: now)
        switch verdict {
        case .ignore: return
        case .renew: try renew(index)
        case .take:
            try used(index)
            try take((index, metadata, message))
            if !follows, metadata.pending == 0, !readers[index].lane.isOver { end(index) }
        }
    }

    private func status(_ code: Int, _ message: NatsMessage, now: Int64) throws {
        let tokens = message.subject.split(separator: ".").suffix(3).map { UInt64($0) }
        guard tokens.count == 3, let reader = tokens[0], let tenure = tokens[1],
            let pull = tokens[2], reader < readers.count
        else { return }
        let index = Int(reader)
        guard tenure == readers[index].lane.tenure, !readers[index].lane.isOver else { return }
        readers[index].lane.heard(now: now)
        let text = (message.statusDescription ?? "").lowercased()
        switch code {
        case 100: return
        // For a pull without waiting, 404 means that everything was read.
        case 404 where !follows: end(index)
        case 404, 408: try ended(pull, index)
        case 409 where Self.pullEnds.contains { text.contains($0) }: try ended(pull, index)
        default: try renew(index)
        }
    }

    private func ended(_ pull: UInt64, _ index: Int) throws {
        readers[index].pulls.removeAll { $0.number == pull }
        try fillPulls(index)
    }

    /// Counts a message against the oldest open pull.
    private func used(_ index: Int) throws {
        guard !readers[index].pulls.isEmpty else { return }
        readers[index].pulls[0].remaining -= 1
        guard readers[index].pulls[0].remaining <= 0 else { return }
        readers[index].pulls.removeFirst()
        try fillPulls(index)
    }

    /// Parses `tail-<inbox>-<reader>-<tenure>`.
    private func owner(of consumer: String) -> (reader: Int, tenure: UInt64)? {
        let parts = consumer.utf8.split(separator: UInt8(ascii: "-"))
        guard parts.count >= 2, let tenure = UInt64(Substring(parts[parts.count - 1])),
            let reader = Int(Substring(parts[parts.count - 2])), readers.indices.contains(reader)
        else { return nil }
        return (reader, tenure)
    }

    // MARK: what a lane knows

    func follow(
        _ lane: Int, _ header: PacketHeader, sequence: UInt64
    ) -> TailLane.Problem? {
        readers[lane].lane.follow(header, sequence: sequence)
    }
}
