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
/// A *slot* is one partition as this process knows it, a *hold* a partition that it owns. A *peer*
/// is another process of the group. A *link* is one connection to NATS, numbered from 1. An *echo*
/// is an own heartbeat that came back. The process is *hearing* while the last echo was sent less
/// than a lease ago, and *steady* while its data planes may act as owners.
package struct MembershipMachine: Sendable {
    package struct Settings: Sendable {
        package var member: MemberName
        /// Random, different in each process.
        package var instance: UInt64
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
    /// The shortest time between two heartbeats.
    static let spacingNanoseconds: Int64 = 10_000_000
    /// The longest time between two reads of the bucket.
    static let readIntervalNanoseconds: Int64 = 1_000_000_000
    /// The shortest time between two reads, and what each other member adds to it: while partitions
    /// move, every member reads every record that was written.
    static let readSpacingNanoseconds: Int64 = 10_000_000
    static let readSpacingPerMember: Int64 = 500_000
    /// The shortest time between two assignments, for each pair of a partition and a member.
    static let assignNanosecondsPerPair: Int64 = 1_000
    /// When nothing else has to be read, all records are read this often. A bucket that was
    /// restored from a backup and has as many writes again as before looks like the earlier one.
    static let wholeIntervalNanoseconds: Int64 = 8_000_000_000
    /// A bucket with several copies that contradicts what is known of it is treated as another one
    /// only after this long. A new leader may answer before it has applied all of its log.
    static let doubtNanoseconds: Int64 = 30_000_000_000
    /// The time between two reads in doubt.
    static let doubtSpacingNanoseconds: Int64 = 100_000_000
    /// The most partitions that are handed over at the same time, so that each is interrupted only
    /// briefly.
    static let handOversMax = 2
    /// A hand-over that takes longer than this no longer delays others.
    static let handOverNanoseconds: Int64 = 1_000_000_000
    /// The wait before a claim after a process outside of the group took the partition: the first,
    /// and the longest.
    static let lossWaitFirst: Int64 = 1_000_000_000
    static let lossWaitMax: Int64 = 30_000_000_000
    /// The wait between two tries of a failed write: the first, and the longest.
    static let writeWaitFirst: Int64 = 20_000_000
    static let writeWaitMax: Int64 = 1_000_000_000
    /// A member that cannot read the records for this long after a pause lets others take over.
    static let resumeNanoseconds: Int64 = 10_000_000_000
    /// The most members of a group, including processes that have just gone. Further ones are
    /// ignored.
    package static let peersMax = 512
    /// How long a dead member is remembered.
    static let forgetNanoseconds: Int64 = 60_000_000_000
    /// The most heartbeats in flight. An older one that comes back is ignored.
    static let echoesMax: UInt64 = 256

    // MARK: state

    enum Phase: Equatable, Sendable {
        /// Until the records were read and the others had half a lease to be heard. Next: `active`.
        case joining
        /// It may own partitions. Next: `paused`.
        case active
        /// It is no owner, because it does not hear its own heartbeats. Next: `resuming`.
        case paused
        /// It hears again and writes its records once more. Next: `active`, `paused`.
        case resuming
    }

    package let settings: Settings
    let lease: Int64
    var phase = Phase.joining
    /// Whether it is to hand over everything and then end.
    var wantsLeave = false
    /// Whether an older process with the same name is alive, so that this one takes no partition.
    var isAside = false
    /// Who asked that it takes no partition until it is released, and why; `nil`: nobody did.
    package internal(set) var drain: DrainCause?
    /// Whether the last effect was given out. No event changes anything any more.
    package internal(set) var hasLeft = false

    /// Whether the event may change who owns what. A heartbeat that reports nothing new does not.
    var mayChangeOwners = true
    var upkeep = Upkeep()
    /// The monotonic time of the last event.
    var clock = MonotonicTime.distantPast
    // Links and the process's own heartbeats.
    /// The number of the present link; 0 before the first one.
    var links = 0
    /// When the present link came up, by the monotonic clock, as all times below.
    var linkedAt = MonotonicTime.distantPast
    /// Whether the last echo was sent less than a lease ago. Otherwise nobody can be proven silent.
    var isHearing = false
    /// A thread of this process hangs, so its heartbeats that come back prove nothing.
    package internal(set) var isHung = false
    /// Since when it hears without a break. The silence of others is counted from here.
    var hearingSince = MonotonicTime.distantPast
    /// When the newest own heartbeat that came back was sent.
    var echoSent = MonotonicTime.distantPast
    /// When the last pause ended.
    var resumingSince = MonotonicTime.distantPast
    /// Whether it resumes for longer than `resumeNanoseconds`. It then reports `paused`, so that
    /// others take over.
    var resumesLate = false
    /// The number of the last read that began before the pause ended. Only a later read shows what
    /// others have claimed meanwhile, so it has to come before anything is resumed.
    var resumeMark: UInt64 = 0
    /// The number of pauses. What was written before the last pause proves nothing.
    var generation: UInt64 = 0

    // Heartbeats.
    /// The number of the last heartbeat.
    var sequence: UInt64 = 0
    /// When the heartbeats that have not come back yet were sent, by their numbers.
    var sent: [UInt64: MonotonicTime] = [:]
    var lastHeartbeatAt = MonotonicTime.distantPast
    var lastHeartbeat: MemberHeartbeat?
    /// Whether a process has requested a heartbeat that was not sent yet.
    var wasAsked = false

    // Records.
    enum ReadScope: Int, Comparable, Sendable {
        /// Nothing has to be read; the records that were written since the last read; all of them.
        case nothing, changes, whole
        static func < (left: ReadScope, right: ReadScope) -> Bool { left.rawValue < right.rawValue }
    }
    /// What the next read has to include.
    var readScope = ReadScope.nothing
    var isReading = false
    /// Whether the last read requested all records.
    var readWasWhole = false
    /// The link on which the last read began.
    var readLink = 0
    /// The number of the last read that began, and of the last one whose result was accepted.
    var readsStarted: UInt64 = 0
    var readsDone: UInt64 = 0
    /// When all records were last requested.
    var wholeAt = MonotonicTime.distantPast
    /// The earliest time of the next read.
    var readNotBefore = MonotonicTime.distantPast
    /// When the last read ended.
    var readAt = MonotonicTime.distantPast
    /// The records were read on this link, or are newer.
    var isFresh = false
    /// The revision up to which the bucket was read.
    var lastRead: UInt64 = 0
    /// The revision of this process's last write.
    var lastWritten: UInt64 = 0
    /// The bucket went back, and this was not reported to the others yet.
    var hasToReportReplaced = false
    /// Since when reads have contradicted what is known; `nil` while they do not.
    var doubtedSince: MonotonicTime?
    /// The id of the last write.
    var writes: UInt64 = 0

    /// By partition number.
    var slots: [Slot]
    /// The number of the last tenure.
    var tenures: UInt64 = 0
    var peers: [PeerKey: Peer] = [:]
    /// Which partition belongs to which member, as far as this process knows the members.
    var assignment: Assignment
    /// The time of the last effect `steady`.
    var steadyUntil = MonotonicTime.distantPast
    /// The state in the last note.
    var notedState = MemberState.joining

    package init(_ settings: Settings) {
        self.settings = settings
        lease = settings.leaseNanoseconds
        slots = [Slot](repeating: Slot(), count: settings.partitions)
        assignment = Assignment(partitions: settings.partitions, members: [])
    }

    /// Handles an event. Effects that follow from the time alone come with any event.
    package mutating func handle(
        _ event: Event, at now: Moment, into effects: inout [Effect]
    ) {
        guard !hasLeft else { return }
        clock = now.monotonic
        mayChangeOwners = true
        upkeep.mustLook = true
        let wasHearing = isHearing
        lapse(now.monotonic, &effects)
        switch event {
        case .connected:
            upkeep.candidates = nil
            connect(now.monotonic, &effects)
        case .heartbeat(let heartbeat):
            upkeep.mustLook = wasHearing != isHearing
            receive(heartbeat, now.monotonic, &effects)
        case .asked: wasAsked = true
        case .records(let read): receive(read, now.monotonic, &effects)
        case .readFailed(let number, let reason):
            readEnded(number, now.monotonic)
            doubtedSince = nil
            effects.append(.note(.readFailed(reason)))
            readNotBefore = now.monotonic + Self.writeWaitFirst * 10
        case .written(let partition, let id, let outcome):
            written(partition, id, outcome, now.monotonic, &effects)
        case .answer(let answer): receive(answer, now.monotonic, &effects)
        case .hangs(let isHung):
            self.isHung = isHung
            lapse(now.monotonic, &effects)
        case .leave:
            wantsLeave = true
            upkeep.candidates = nil
        case .time: break
        }
        decide(now, &effects)
    }

    /// Derives all effects that are due from the state. The order matters: a process first finds
    /// out what it may do, then shares partitions, and reports itself last.
    private mutating func decide(_ now: Moment, _ effects: inout [Effect]) {
        let time = now.monotonic
        let looks = mustLook
        // The event may be one that changes no owner.
        if upkeep.waitsToAssign, time >= upkeep.assignNotBefore { mayChangeOwners = true }
        if looks { standAside(time, &effects) }
        goOn(time, &effects)
        if looks { forget(time, &effects) }
        if mayChangeOwners { share(now, &effects) }
        if looks { findSilence() }
        leaveWhenEmpty(now, &effects)
        read(time, &effects)
        steady(&effects)
        noteState(&effects)
        if !hasLeft { sendHeartbeat(time, &effects) }
    }

    // MARK: state for others

    /// What heartbeats report.
    package var state: MemberState {
        if hasLeft { return .gone }
        switch phase {
        case .paused: return .paused
        case .joining: return wantsLeave ? .leaving : isAside ? .aside : .joining
        case .resuming where resumesLate: return .paused
        case .resuming:
            return wantsLeave ? .leaving : isAside ? .aside : drainState ?? .resuming
        case .active: return wantsLeave ? .leaving : isAside ? .aside : drainState ?? .ready
        }
    }

    /// The records of all partitions that have one.
    package var records: [(partition: Partition, record: OwnershipRecord)] {
        slots.indices.compactMap { index in slots[index].record.map { (Partition(index), $0) } }
    }

    /// The other living members, by name.
    package var others: [MemberHeartbeat] {
        peers.filter { !isDead($0.key) }.map(\.value.heartbeat).sorted {
            ($0.member, $0.instance) < ($1.member, $1.instance)
        }
    }

    /// The partitions that this process owns, including those that it hands over.
    package var held: [Partition] {
        slots.indices.filter { slots[$0].hold != nil }.map { Partition($0) }
    }

    /// Notes a change of the state.
    private mutating func noteState(_ effects: inout [Effect]) {
        let state = state
        guard state != notedState else { return }
        effects.append(.note(.state(state, before: notedState)))
        notedState = state
    }
}
