internal import NatsTransport
internal import Primitives
package import ServiceRuntime
internal import Synchronization

/// The mailbox on which a data-plane thread waits. It holds the messages of its publisher and
/// readers, and the events that other threads send.
///
/// One thread receives; any thread may send. The receiving thread fetches messages from NATS
/// itself, and libnats offers no way to end its wait from another thread. So events of other
/// threads are checked before and after each wait, and may be received `waitMax` late. After
/// `wakeByMessages` an event ends the wait: it has a message sent to the inbox.
package final class TapeMailbox: Sendable {
    /// The longest wait for NATS that only its own messages end. It bounds how long another
    /// thread's event stays unread.
    private static let waitMax = Duration.milliseconds(20)

    private let others: Mailbox<TapeEvent>
    /// The number of events of other threads that were put in and not taken out. It is nearly
    /// always 0, so checking it must not need a lock.
    private let othersWaiting = Atomic<Int>(0)
    /// Whether the thread waits for NATS, so that an event of another thread has to wake it.
    private let isAsleep = Atomic<Bool>(false)
    /// The longest wait for NATS after `wakeByMessages`. It bounds how long an event stays unread
    /// that cannot wake, because there is no link.
    private let waitMaxWoken: Duration
    private let attached = Mutex<Attached>(Attached())

    /// The NATS side of the mailbox.
    private struct Attached {
        /// `nil` until a publisher or readers are attached.
        var inbox: NatsInbox?
        /// Sends the messages that wake; `nil` when other threads' events do not end a wait.
        var wakes: WakeLoop?
        /// The buffer of the receiving thread, empty between two calls.
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
    package init(capacity: Int, waitMaxWoken: Duration = .milliseconds(100)) {
        others = Mailbox(capacity: capacity)
        self.waitMaxWoken = waitMaxWoken
    }

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

    /// The last token of the subject of messages that only wake.
    private static let wakeToken = UInt8(ascii: "w")

    /// From now on an event of another thread ends a wait for NATS. Call it when something is
    /// attached. The user of the connection needs the right to publish to `<inbox>.w`.
    package func wakeByMessages(_ client: TapeClient) throws(ServiceError) {
        guard let inbox = attached.withLock({ $0.inbox }) else {
            preconditionFailure("nothing is attached whose messages a thread could wait for")
        }
        let token = Character(UnicodeScalar(Self.wakeToken))
        let wakes = try WakeLoop(client.connection, subject: "\(inbox.prefix).\(token)")
        attached.withLock { $0.wakes = wakes }
    }

    // MARK: any thread

    /// Sends an event. Never blocks. Returns false when the mailbox is full or closed.
    package func send(_ event: TapeEvent) -> Bool { counted { others.send(event) } }

    /// Sends an event, and waits for room up to the timeout. Returns false when there was none.
    package func sendWaiting(_ event: TapeEvent, timeout: Duration) -> Bool {
        counted { others.sendWaiting(event, timeout: timeout) }
    }

    /// Counts an event before it is put in, so that the receiver never takes out an event that is
    /// not counted. Wakes the receiver after it was put in.
    private func counted(_ send: () -> Bool) -> Bool {
        othersWaiting.add(1, ordering: .relaxed)
        guard send() else {
            othersWaiting.subtract(1, ordering: .relaxed)
            return false
        }
        if isAsleep.exchange(false, ordering: .relaxed) { attached.withLock { $0.wakes }?.wake() }
        return true
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
    /// `timeout` and at most the longest wait; 0 when nothing came in time.
    package func receive(into events: inout [TapeEvent], max: Int, timeout: Duration) -> Int {
        let received = receiveOthers(into: &events, max: max, timeout: .zero)
        let left = max - received
        guard left > 0 else { return received }
        let wait = received > 0 ? .zero : timeout
        guard let fetched = fetch(into: &events, max: left, timeout: wait) else {
            // Without a connection there are only other threads' events.
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

    /// Fetches messages from NATS and returns how many events they are; `nil` when there is no
    /// connection to fetch from. Others may look at what is attached while it waits.
    private func fetch(into events: inout [TapeEvent], max: Int, timeout: Duration) -> Int? {
        var messages: [NatsMessage] = []
        let (inbox, isWoken) = attached.withLock { attached in
            swap(&messages, &attached.messages)
            return (attached.inbox, attached.wakes != nil)
        }
        guard let inbox else { return nil }
        let outcome = inbox.receive(
            into: &messages, max: max, timeout: fallAsleep(timeout, isWoken: isWoken))
        isAsleep.store(false, ordering: .relaxed)
        let before = events.count
        for message in messages {
            if let event = event(of: message, inbox) { events.append(event) }
        }
        messages.removeAll(keepingCapacity: true)
        attached.withLock { attached in
            swap(&messages, &attached.messages)
            attached.received += UInt64(clamping: outcome.received + outcome.noResponders)
            attached.noResponders += outcome.noResponders
        }
        if outcome.isClosed, outcome.received == 0 { return nil }
        return events.count - before
    }

    /// Returns how long the thread may wait for NATS, and has other threads wake it meanwhile.
    private func fallAsleep(_ timeout: Duration, isWoken: Bool) -> Duration {
        guard timeout > .zero else { return .zero }
        guard isWoken else { return min(timeout, Self.waitMax) }
        isAsleep.store(true, ordering: .relaxed)
        // Both this look and the putting in of an event hold the same lock. So an event that is not
        // seen here was put in later, by a thread that sees that this one is asleep.
        return others.count > 0 ? .zero : min(timeout, waitMaxWoken)
    }

    /// Converts a message. An answer to a publish or a question comes to a publisher's subject
    /// below the inbox's prefix. A message that only wakes is no event. Everything else belongs to
    /// readers: statuses of pulls come to the readers' subjects below the prefix, and packets have
    /// their subjects of the tape. A prefix begins with `_`, a subject of the tape with a letter.
    private func event(of message: NatsMessage, _ inbox: NatsInbox) -> TapeEvent? {
        let place = inbox.prefix.utf8.count + 1
        let kind = message.withSubject { subject in
            subject.byteCount > place && subject.uint8(at: 0) == UInt8(ascii: "_")
                ? subject.uint8(at: place) : 0
        }
        if kind == UInt8(ascii: "p") { return .answer(message) }
        return kind == Self.wakeToken ? nil : .delivery(message)
    }
}
