internal import MarketModel
internal import Membership
internal import NatsTransport
internal import Primitives
internal import ServiceRuntime
internal import Synchronization
internal import TapeTransport

/// The state that the threads of one membership share.
final class MemberShared: Sendable {
    /// An event for the membership's thread.
    enum Message: Sendable {
        case event(MembershipMachine.Event)
        /// A heartbeat, with the number of the link on which it came.
        case heartbeat(MemberHeartbeat, link: Int)
        /// Something else has changed: check it.
        case wake
    }

    /// A task for the thread of the records.
    enum Call: Sendable {
        /// Read the records that were written after this write.
        case read(number: UInt64, after: UInt64)
        case write(RecordWrite)
        case wake
    }

    /// The membership's state, as others see it.
    struct View: Sendable {
        var instance: UInt64
        var state: MemberState
        var held: [Partition]
        var owners: [GroupMember.Owner]
        var others: [MemberHeartbeat]
        var drain: DrainCause?

        init(_ machine: MembershipMachine) {
            instance = machine.settings.instance
            state = machine.state
            let held = machine.held
            let own = Set(held)
            self.held = held
            owners = machine.records.map {
                GroupMember.Owner(
                    partition: $0.partition, record: $0.record, isOwn: own.contains($0.partition))
            }
            others = machine.others
            drain = machine.drain
        }
    }

    /// Room for several heartbeats of each member of a complete group, in case all come at the same
    /// time.
    private static let messagesMax = 4_096

    let settings: GroupMember.Settings
    let tape: TapeSettings
    let context: ServiceContext
    let messages = Mailbox<Message>(capacity: messagesMax)
    let calls: Mailbox<Call>
    /// The number of links to NATS so far.
    let links = Atomic<Int>(0)
    /// Whether the service wants the member to leave.
    let wantsLeave = Atomic<Bool>(false)
    /// Whether it has left: it owns nothing, and the others were informed.
    let hasLeft = Atomic<Bool>(false)
    private let isClosing = Atomic<Bool>(false)
    /// `nil` while there is none.
    private let connection = Mutex<NatsConnection?>(nil)
    private let present: Mutex<View>

    init(
        _ settings: GroupMember.Settings, _ tape: TapeSettings, _ context: ServiceContext,
        _ machine: MembershipMachine
    ) {
        self.settings = settings
        self.tape = tape
        self.context = context
        // One write for each partition, one read, and wakes.
        calls = Mailbox(capacity: settings.partitions + 16)
        present = Mutex(View(machine))
        context.telemetry.metrics.watch(messages, as: "members.\(settings.group)")
        context.telemetry.metrics.watch(calls, as: "owners.\(settings.group)")
    }

    var telemetry: TelemetryHub { context.telemetry }
    /// Whether the threads are to continue.
    var isOpen: Bool { !isClosing.load(ordering: .acquiring) }
    var view: View { present.withLock { $0 } }
    var isConnected: Bool { connection.withLock { $0 }?.isConnected ?? false }

    /// Replaces the state that others see.
    func show(_ machine: MembershipMachine) {
        let view = View(machine)
        present.withLock { $0 = view }
    }

    /// Wakes the thread. If its mailbox is full, it is awake already.
    func wake() { _ = messages.send(.wake) }

    /// Publishes on this connection from now on.
    func use(_ connection: NatsConnection) { self.connection.withLock { $0 = connection } }

    /// Publishes immediately. Without a connection the message is dropped.
    func publish(_ payload: [UInt8], to subject: String) throws(NatsError) {
        guard let connection = connection.withLock({ $0 }) else { return }
        try connection.publish(payload, to: subject)
    }

    func flush(timeout: Duration) throws(NatsError) {
        try connection.withLock { $0 }?.flush(timeout: timeout)
    }

    /// Returns false when it was closed before.
    func close() -> Bool {
        guard !isClosing.exchange(true, ordering: .acquiringAndReleasing) else { return false }
        messages.close()
        calls.close()
        disconnect()
        return true
    }

    /// Closes the connection, if there is one.
    func disconnect() {
        let present = connection.withLock { connection in
            defer { connection = nil }
            return connection
        }
        present?.close()
    }
}
