package import MarketModel
package import Primitives

/// One process's part in its group. It receives heartbeats and records, and decides what this
/// process owns. It has no clock, I/O or randomness; the shell carries out the effects in order.
///
/// Four rules keep two processes from acting as owners of one partition at the same time, as long
/// as a message that one member hears is heard by all:
/// - Time is measured by the process's own heartbeats that came back. A member is silent for a
///   lease when a heartbeat came back that was sent a lease after that member's last one. So no
///   member becomes silent on a stalled link. If two leases differ, the longer one counts.
/// - A member that did not hear its own heartbeats for a lease is no owner, and reports `paused`.
///   When it hears them again, it writes each of its records once more before it continues
///   (`resuming`). If another member has claimed the partition meanwhile, that write fails.
/// - A member with a hanging thread is treated as one that does not hear its heartbeats.
/// - Records are changed by compare-and-set only. What is not known is read, never guessed.
///
/// An earlier process of this member in this process's place has ended, or this one would not run.
/// So its silence need not be waited for.
///
/// A *slot* is one partition as this process knows it, a *hold* a partition that it owns. A *peer*
/// is another process of the group. A *link* is one connection to NATS, numbered from 1. An *echo*
/// is an own heartbeat that came back. The process is *hearing* while the last echo was sent less
/// than a lease ago, and *steady* while its data planes may act as owners.
package struct MembershipMachine: Sendable {
    package struct Settings: Sendable {
        package var member: MemberName
        /// Random, different in each process.
        package var instance: UInt64
        /// Where this process was started; `nil`: nowhere. Of the processes with the same value and
        /// the same member at most one runs at a time, as whoever starts them ensures.
        package var place: UInt64?
        /// How long this process acts as an owner without hearing its own heartbeats.
        package var leaseNanoseconds: Int64
        /// The partitions 0..<partitions are shared out.
        package var partitions: Int
        /// Only members of the highest rank get partitions, as in `MemberPrecedence`.
        package var rank: UInt64
        /// Which rules this release makes output by; `nil` where that decides nothing.
        package var semantics: UInt64?
        /// Wall clock: when this process started.
        package var since: Timestamp
        /// The release of the service.
        package var release: String
        /// The commit of its build; empty when it is unknown.
        package var revision: String

        package init(
            member: MemberName, instance: UInt64, leaseNanoseconds: Int64, partitions: Int,
            rank: UInt64, since: Timestamp, release: String,
            revision: String = ""
        ) {
            precondition(Partition.countRange.contains(partitions), "partitions to share out")
            precondition(leaseNanoseconds > 0, "a lease is a time")
            self.member = member
            self.instance = instance
            self.leaseNanoseconds = leaseNanoseconds
            self.partitions = partitions
            self.rank = rank
            self.since = since
            self.release = release
            self.revision = revision
        }
    }

    /// One moment by both clocks: the monotonic one, which decides, and the wall clock, which goes
    /// into records.
    package struct Moment: Equatable, Sendable {
        package var monotonic: MonotonicTime
        package var wall: Timestamp

        package init(monotonic: MonotonicTime, wall: Timestamp) {
            self.monotonic = monotonic
            self.wall = wall
        }
    }

    package enum Event: Sendable {
        /// A link to NATS is up: the first one or a new one.
        case connected
        /// A heartbeat of any member, including this one's own.
        case heartbeat(MemberHeartbeat)
        /// A process asks which members are alive.
        case asked
        /// The result of the read with its number.
        case records(RecordsRead)
        case readFailed(number: UInt64, reason: String)
        case written(Partition, id: UInt64, WriteOutcome)
        /// A data plane's answer to an order.
        case answer(OwnershipAnswer)
        /// True: a thread of this process gives no sign of life. False: all threads do again.
        case hangs(Bool)
        /// Hand over everything, then leave.
        case leave
        /// Only time has passed.
        case time
    }

    package enum Effect: Equatable, Sendable {
        case send(MemberHeartbeat)
        /// Ask all members to send a heartbeat immediately.
        case ask
        /// Read the records that were written after this write; 0: all. The shell always answers
        /// with `records` or `readFailed` and the same number.
        case read(number: UInt64, after: UInt64)
        /// The shell always answers with `written` and the same id.
        case write(RecordWrite)
        /// Give a data plane this order.
        case order(OwnershipOrder)
        /// Until this monotonic time the data planes may act as owners of what they hold;
        /// `Int64.min`: they may not.
        case steady(until: MonotonicTime)
        case note(MembershipNote)
        /// The last effect: nothing is held, and the last heartbeat was sent.
        case left
    }

    // MARK: limits

    /// After a new link, a member that has not been heard since is treated as alive for this long.
    package static let settleNanoseconds: Int64 = 3_000_000_000
    package static let heartbeatsPerLease: Int64 = 4
    /// The shortest time between two reads and between two heartbeats, and what each other member
    /// adds to it. While partitions move, every member hears of every record that was written, and
    /// reads it. In a small group that costs little, and partitions wait for it.
    static let spacingNanoseconds: Int64 = 1_000_000
    static let spacingPerMember: Int64 = 500_000
    /// The most partitions that are handed over at the same time, so that each is interrupted only
    /// briefly.
    static let handOversMax = 2
    /// A hand-over that takes longer than this no longer delays others.
    static let handOverNanoseconds: Int64 = 1_000_000_000
    /// The most members of a group, including processes that have just gone. Further ones are
    /// ignored.
    package static let peersMax = 512

    // MARK: state

    package let settings: Settings
    var standing = Standing()
    var hearing: Hearing
    var heartbeats: OwnHeartbeats
    var peers: MembershipPeers
    var reads: RecordReads
    var slots: MembershipSlots
    var sharing: Sharing

    /// Most heartbeats of a large group report nothing new. Then neither the partitions nor the
    /// other members are gone through. Whether the event may change who owns what:
    var mayChangeOwners = true
    /// Whether something other than a heartbeat without news has happened.
    var isNews = true
    /// The monotonic time of the last event.
    var clock = MonotonicTime.distantPast
    /// The time of the last effect `steady`.
    var steadyUntil = MonotonicTime.distantPast
    /// The state in the last note.
    private var notedState = MemberState.joining

    package init(_ settings: Settings) {
        self.settings = settings
        let lease = settings.leaseNanoseconds
        hearing = Hearing(lease: lease)
        heartbeats = OwnHeartbeats(lease: lease)
        peers = MembershipPeers(of: settings.member)
        reads = RecordReads(lease: lease)
        slots = MembershipSlots(settings)
        sharing = Sharing(settings)
    }

    /// Handles an event. Effects that follow from the time alone come with any event.
    package mutating func handle(
        _ event: Event, at now: Moment, into effects: inout [Effect]
    ) {
        guard !hasLeft else { return }
        clock = now.monotonic
        mayChangeOwners = true
        isNews = true
        let wasHearing = hearing.isHearing
        lapse(now.monotonic, &effects)
        switch event {
        case .connected:
            sharing.findAgain()
            connect(now.monotonic, &effects)
        case .heartbeat(let heartbeat):
            isNews = wasHearing != hearing.isHearing
            receive(heartbeat, now.monotonic, &effects)
        case .asked: heartbeats.wasAsked = true
        case .records(let read): receive(read, now.monotonic, &effects)
        case .readFailed(let number, let reason):
            reads.failed(number, at: now.monotonic)
            effects.append(.note(.readFailed(reason)))
        case .written(let partition, let id, let outcome):
            written(partition, id, outcome, now.monotonic, &effects)
        case .answer(let answer): receive(answer, now.monotonic, &effects)
        case .hangs(let isHung):
            hearing.isHung = isHung
            lapse(now.monotonic, &effects)
        case .leave:
            standing.leave()
            sharing.findAgain()
        case .time: break
        }
        decide(now, &effects)
    }

    /// Derives all effects that are due from the state. The order matters: a process first finds
    /// out what it may do, then shares partitions, and reports itself last.
    private mutating func decide(_ now: Moment, _ effects: inout [Effect]) {
        let time = now.monotonic
        let looks = isNews || clock >= peers.silenceEnds
        // The event may be one that changes no owner.
        if sharing.isDue(at: time) { mayChangeOwners = true }
        if looks { standAside(&effects) }
        goOn(time, &effects)
        if looks { bury(time, &effects) }
        if mayChangeOwners { share(now, &effects) }
        if looks { peers.findSilence(hearing, lastHeartbeatAt: heartbeats.lastAt) }
        leaveWhenEmpty(now, &effects)
        read(time, &effects)
        steady(&effects)
        noteState(&effects)
        if !hasLeft { sendHeartbeat(time, &effects) }
    }

    // MARK: state for others

    /// What heartbeats report.
    package var state: MemberState { standing.state(holdsAny: slots.holdsAny) }
    /// Whether the last effect was given out.
    package var hasLeft: Bool { standing.hasLeft }
    /// Who asked that it takes no partition until it is released, and why; `nil`: nobody did.
    package var drain: DrainCause? { standing.drain }
    package var isHung: Bool { hearing.isHung }

    /// The records of all partitions that have one.
    package var records: [(partition: Partition, record: OwnershipRecord)] {
        slots.indices.compactMap { index in slots[index].record.map { (Partition(index), $0) } }
    }

    /// The other living members, by name.
    package var others: [MemberHeartbeat] { peers.living(hearing) }

    /// The number of other living members that have another lease.
    package var otherLeases: Int { others.count { $0.leaseNanoseconds != hearing.lease } }

    /// The partitions that this process owns, including those that it hands over.
    package var held: [Partition] { slots.held.map { Partition($0) } }

    /// Notes a change of the state.
    private mutating func noteState(_ effects: inout [Effect]) {
        let state = state
        guard state != notedState else { return }
        effects.append(.note(.state(state, before: notedState)))
        notedState = state
    }
}
