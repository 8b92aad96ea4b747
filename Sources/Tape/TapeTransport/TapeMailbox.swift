internal import NatsTransport
internal import Primitives
package import ServiceRuntime
internal import Synchronization

/// The mailbox on which a data-plane thread waits. It holds the messages of its publisher and
/// readers, and the events that other threads send.
///
/// One thread receives; any thread may send. The receiving thread fetches messages from NATS
/// itself. Events from other threads do not wake a thread that waits for NATS: they are checked
/// before and after each wait. So they may be received `waitMax` late, and must not be urgent.
package final class TapeMailbox: Sendable {
    /// The longest wait. It bounds how long another thread's event stays unread.
    private static let waitMax = Duration.milliseconds(20)

    private let others: Mailbox<TapeEvent>
    /// The number of events of other threads that were put in and not taken out. It is nearly
    /// always 0, so checking it must not need a lock.
    private let othersWaiting = Atomic<Int>(0)
    private let attached = Mutex<Attached>(Attached())

    /// The NATS side of the mailbox.
    private struct Attached {
        /// `nil` until a publisher or readers are attached.
        var inbox: NatsInbox?
        var messages: [NatsMessage] = []
        /// The number of publishers and sets of readers. Each has separate subjects below the
        /// prefix.
        var users = 0
        /// How many reports of missing responders were received so far.
        var noResponders = 0
        /// How many messages were received so far, including these reports.
        var received: UInt64 = 0
    }

    /// `capacity` bounds the events of other threads.
    package init(capacity: Int) { others = Mailbox(capacity: capacity) }

    /// Returns a subject prefix below which answers come here, for a new publisher or set of
    /// readers. `kind` begins the last token of the prefix, so that `event(of:)` recognises the
    /// answers.
    func attach(_ client: TapeClient, _ kind: Kind) throws(TapeError) -> String {
        do throws(NatsError) {
            return try attached.withLock { attached throws(NatsError) in
                let inbox: NatsInbox
                if let present = attached.inbox {
                    inbox = present
                } else {
                    inbox = try client.connection.openInbox()
                }
                attached.inbox = inbox
                attached.users += 1
                return "\(inbox.prefix).\(kind.rawValue)\(attached.users)"
            }
        } catch {
            throw .nats(error)
        }
    }

    /// The kinds of users.
    enum Kind: String {
        case publisher = "p"
        case readers = "r"
    }

    // MARK: any thread

    /// Sends an event. Never blocks. Returns false when the mailbox is full or closed.
    package func send(_ event: TapeEvent) -> Bool { counted { others.send(event) } }

    /// Sends an event, and waits for room up to the timeout. Returns false when there was none.
    package func sendWaiting(_ event: TapeEvent, timeout: Duration) -> Bool {
        counted { others.sendWaiting(event, timeout: timeout) }
    }

    /// Counts an event before it is put in, so that the receiver never takes out an event that is
    /// not counted.
    private func counted(_ send: () -> Bool) -> Bool {
        othersWaiting.add(1, ordering: .relaxed)
        let isSent = send()
        if !isSent { othersWaiting.subtract(1, ordering: .relaxed) }
        return isSent
    }

    /// Accepts no more events of other threads. A receiving thread without a connection wakes up.
    package func close() { others.close() }
    /// Whether `close` was called.
    package var isClosed: Bool { others.isClosed }

    /// The number of events and messages that were not received yet.
    package var count: Int { others.count + attached.withLock { $0.inbox?.waiting ?? 0 } }

    /// The number of NATS messages that have come so far, and the number that the thread received,
    /// for `ServerSilence`.
    var traffic: (arrived: UInt64, received: UInt64) {
        attached.withLock { attached in
            let waiting = UInt64(clamping: attached.inbox?.waiting ?? 0)
            return (attached.received + waiting, attached.received)
        }
    }

    /// The number of reports, so far, that a requested subject has no responder. The server does
    /// not report for which request.
    var noResponders: Int { attached.withLock { $0.noResponders } }

    /// Shows how many events and messages wait. Call it when something is attached.
    package func show(in metrics: MetricRegistry, as name: String) {
        metrics.watch(others, as: name)
        guard let inbox = attached.withLock({ $0.inbox }) else { return }
        metrics.watchQueue("\(name).messages", capacity: { NatsLimits.pendingMessagesMax }) {
            [weak inbox] in inbox?.waiting
        }
    }

    // MARK: the one thread

    /// Appends at most `max` events and returns how many. It waits for the first one, up to
    /// `timeout` and at most `waitMax`; 0 when nothing came in time.
    package func receive(into events: inout [TapeEvent], max: Int, timeout: Duration) -> Int {
        let received = receiveOthers(into: &events, max: max, timeout: .zero)
        let left = max - received
        guard left > 0 else { return received }
        let wait = received > 0 ? .zero : min(timeout, Self.waitMax)
        guard let fetched = fetch(into: &events, max: left, timeout: wait) else {
            // Without a connection there are only other threads' events.
            let wait = received > 0 ? .zero : timeout
            return received + receiveOthers(into: &events, max: left, timeout: wait)
        }
        guard received + fetched == 0 else { return received + fetched }
        return receiveOthers(into: &events, max: max, timeout: .zero)
    }

    /// Receives events of other threads.
    private func receiveOthers(into events: inout [TapeEvent], max: Int, timeout: Duration) -> Int {
        if timeout == .zero, othersWaiting.load(ordering: .relaxed) == 0 { return 0 }
        let count = others.receive(into: &events, max: max, timeout: timeout)
        if count > 0 { othersWaiting.subtract(count, ordering: .relaxed) }
        return count
    }

    /// Fetches messages from NATS and returns how many; `nil` when there is no connection to fetch
    /// from.
    private func fetch(into events: inout [TapeEvent], max: Int, timeout: Duration) -> Int? {
        attached.withLock { attached in
            guard let inbox = attached.inbox else { return nil }
            let outcome = inbox.receive(into: &attached.messages, max: max, timeout: timeout)
            for message in attached.messages { events.append(event(of: message, inbox)) }
            attached.messages.removeAll(keepingCapacity: true)
            attached.received += UInt64(clamping: outcome.received + outcome.noResponders)
            attached.noResponders += outcome.noResponders
            if outcome.isClosed, outcome.received == 0 { return nil }
            return outcome.received
        }
    }

    /// Converts a message. An answer to a publish or a question comes to a publisher's subject
    /// below the inbox's prefix. Everything else belongs to readers: statuses of pulls come to the
    /// readers' subjects below the prefix, and packets have their subjects of the tape. A prefix
    /// begins with `_`, a subject of the tape with a letter.
    private func event(of message: NatsMessage, _ inbox: NatsInbox) -> TapeEvent {
        let place = inbox.prefix.utf8.count + 1
        let isAnswer = message.withSubject { subject in
            subject.byteCount > place && subject.uint8(at: 0) == UInt8(ascii: "_")
                && subject.uint8(at: place) == UInt8(ascii: "p")
        }
        return isAnswer ? .answer(message) : .delivery(message)
    }
}
