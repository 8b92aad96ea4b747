import MarketModel
import Membership
import NatsTransport
import Primitives
import ServiceRuntime
import Synchronization
import TapeProtocol
import TapeTransport

/// The processes of all groups, by the heartbeats that they send anyway. It listens only while
/// a person looks.
final class MemberBook: Sendable {
    /// The most processes that are kept. Further ones are ignored until others are forgotten.
    static let membersMax = 1_024
    private static let pendingMax = 4_096
    /// A silent process is shown as silent for so long.
    static let memoryNanoseconds: Int64 = 60_000_000_000

    private struct Key: Hashable {
        let group: String
        let name: String
        let instance: UInt64
    }

    private struct State {
        var members: [Key: Sighting.Member] = [:]
        var subscription: NatsSubscription?
    }

    private let book: Book

    private final class Book: Sendable {
        let state = Mutex(State())
    }

    init() { book = Book() }

    /// Begins to listen. Any number of calls is one.
    func open(_ client: TapeClient, _ clock: SystemClock) throws(NatsError) {
        guard book.state.withLock({ $0.subscription == nil }) else { return }
        let book = book
        let subscription = try client.connection.subscribe(
            client.names.heartbeats, pendingMessagesMax: Self.pendingMax
        ) { message in
            Self.receive(message, at: clock.monotonic(), book)
        }
        book.state.withLock { $0.subscription = subscription }
        // They answer at once, so that the first look need not wait for a heartbeat.
        try client.connection.publish([], to: client.names.askMembers)
    }

    func close() {
        let subscription = book.state.withLock { state in
            defer { state = State() }
            return state.subscription
        }
        subscription?.unsubscribe()
    }

    /// Returns those that were heard lately, in order of groups and names.
    func members(at now: MonotonicTime) -> [Sighting.Member] {
        book.state.withLock { state in
            state.members = state.members.filter { now - $0.value.heardAt < Self.memoryNanoseconds }
            return state.members.values.sorted { ($0.group, $0.name) < ($1.group, $1.name) }
        }
    }

    private static func receive(_ message: NatsMessage, at now: MonotonicTime, _ book: Book) {
        let tokens = message.subject.split(separator: ".")
        guard tokens.count == 4, let group = GroupName(String(tokens[2])),
            let name = MemberName(String(tokens[3]))
        else { return }
        do throws(VersionedJSON.Refusal) {
            let heartbeat = try MemberHeartbeat(json: message.payload, member: name)
            note(heartbeat, of: group, at: now, book)
        } catch {
            // The other members of the group count it; here nothing depends on it.
            return
        }
    }

    private static func note(
        _ heartbeat: MemberHeartbeat, of group: GroupName, at now: MonotonicTime, _ book: Book
    ) {
        let key = Key(
            group: group.text, name: heartbeat.member.text, instance: heartbeat.instance)
        let member = Sighting.Member(
            group: group.text, name: heartbeat.member.text, state: heartbeat.state.rawValue,
            held: heartbeat.held.map(\.number), release: heartbeat.release, heardAt: now,
            leaseNanoseconds: heartbeat.leaseNanoseconds,
            drain: heartbeat.drain?.text ?? "")
        book.state.withLock { state in
            guard heartbeat.state != .gone else {
                state.members[key] = nil
                return
            }
            guard state.members[key] != nil || state.members.count < membersMax else { return }
            // A process that was started again replaces the one of the same name that was killed.
            let replaced = state.members.first {
                $0.key.name == key.name && $0.key.group == key.group && $0.key != key
                    && !$0.value.isHeard(at: now)
            }
            if let replaced { state.members[replaced.key] = nil }
            state.members[key] = member
        }
    }
}
