public import MarketModel
public import Primitives

/// One process's part in its group: hears heartbeats and records, and decides what this process
/// owns. Without clock, I/O or chance; the shell carries out the effects in order.
///
/// Three rules keep two processes from acting as owners of one partition at the same time, as long
/// as a message that one member hears is heard by all:
/// - Time is counted by own heartbeats that came back. Somebody is silent for a lease when a
///   heartbeat came back that was sent a lease after that one's last: on a link that stands still
///   nobody falls silent. Of two leases that differ the longer one counts.
/// - Whoever did not hear itself for a lease is no owner, and says `paused`. When it hears itself
///   again it writes each of its records once more before it goes on (`resuming`): a claim that
///   somebody has decided meanwhile then fails.
/// - Whoever has a thread that hangs is as one who does not hear itself.
/// - Records are changed by compare-and-set only. What is not known is read, never guessed.
public struct MembershipMachine: Sendable {
    public struct Settings: Sendable {
        public var member: MemberName
        /// Random, another one in each process.
        public var instance: UInt64
        public var leaseNanoseconds: Int64
        /// 0..<partitions are shared out.
        public var partitions: Int
        public var rank: UInt64
        /// Wall clock: when this process began.
        public var since: Timestamp
        public var release: String

        public init(
            member: MemberName, instance: UInt64, leaseNanoseconds: Int64, partitions: Int,
            rank: UInt64, since: Timestamp, release: String
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
        }
    }

    public struct Moment: Equatable, Sendable {
        public var monotonic: Int64
        public var wall: Timestamp

        public init(monotonic: Int64, wall: Timestamp) {
            self.monotonic = monotonic
            self.wall = wall
        }
    }

    public enum Event: Sendable {
        /// A link to NATS is there, the first or another one.
        case connected
        /// Everybody's, our own included.
        case heartbeat(MemberHeartbeat)
        /// Somebody wants to know who is there.
        case asked
        case records(RecordsRead)
        case readFailed(number: UInt64, reason: String)
        case written(Partition, id: UInt64, WriteOutcome)
        case news(OwnershipNews)
        /// A thread of this process gives no sign of life, or all do again.
        case hangs(Bool)
        /// Hand over everything, and go.
        case leave
        /// Nothing but the time.
        case time
    }

    public enum Effect: Equatable, Sendable {
        case say(MemberHeartbeat)
        /// Ask everybody to say at once who they are.
        case ask
        /// Answered by `records` or `readFailed` with the same number, always.
        case read(number: UInt64, after: UInt64)
        /// Answered by `written` with the same id, always.
        case write(RecordWrite)
        case order(OwnershipOrder)
        /// Monotonic: until then the data planes may act as owners of what they hold.
        case steady(until: Int64)
        case note(MembershipNote)
        /// The last one: nothing is held, and it was said.
        case left
    }

    // MARK: limits

    /// After a new link, somebody who was not heard since counts as alive for so long.
    public static let settleNanoseconds: Int64 = 3_000_000_000
    public static let heartbeatsPerLease: Int64 = 4
    /// Between two heartbeats, whatever happens.
    static let spacingNanoseconds: Int64 = 10_000_000
    /// The bucket is looked at so often, whatever others say.
    static let readIntervalNanoseconds: Int64 = 1_000_000_000
    static let readSpacingNanoseconds: Int64 = 10_000_000
    /// When nothing else is to be read, the whole bucket is read so often: one that was put back,
    /// and has as many writes again as before, looks like the one of before.
    static let wholeIntervalNanoseconds: Int64 = 8_000_000_000
    /// A bucket with several copies that contradicts what is known of it is another one when it
    /// does so for as long: a new leader may answer before it has applied all of its log.
    static let doubtNanoseconds: Int64 = 10_000_000_000
    /// Between two reads in doubt.
    static let doubtSpacingNanoseconds: Int64 = 100_000_000
    /// Partitions that are on their way to others at once, so that each of them stands shortly.
    static let handOversMax = 2
    /// A hand-over that takes longer holds up no other one.
    static let handOverNanoseconds: Int64 = 1_000_000_000
    /// Of a claim after somebody outside of the group took the partition.
    static let lossWaitFirst: Int64 = 1_000_000_000
    static let lossWaitMax: Int64 = 30_000_000_000
    /// Between two tries of a write that failed.
    static let writeWaitFirst: Int64 = 20_000_000
    static let writeWaitMax: Int64 = 1_000_000_000
    /// Whoever cannot read the records for so long after a pause lets others take over.
    static let resumeNanoseconds: Int64 = 10_000_000_000
    /// Members of a group, processes that have just gone included; more are not heard.
    public static let peersMax = 128
    static let forgetNanoseconds: Int64 = 60_000_000_000
    /// Heartbeats that may be under way; an older one that comes back is nothing.
    static let echoesMax: UInt64 = 256

    // MARK: state

    enum Phase: Equatable, Sendable { case joining, active, paused, resuming }

    public let settings: Settings
    let lease: Int64
    var phase = Phase.joining
    var wantsLeave = false
    var isAside = false
    public internal(set) var hasLeft = false

    /// The event may change who owns what; a heartbeat that says what was known does not.
    var isNews = true
    /// Monotonic: of the last event.
    var clock = Int64.min
    // Links and hearing oneself.
    var links = 0
    var linkedAt = Int64.min
    var isHearing = false
    /// A thread of this process hangs: what comes back of its heartbeats proves nothing.
    public internal(set) var isHung = false
    var hearingSince = Int64.min
    /// When the newest own heartbeat that came back was sent.
    var echoSent = Int64.min
    var resumingSince = Int64.min
    var resumesLate = false
    /// A read with a higher number has to come before anything is resumed.
    var resumeMark: UInt64 = 0
    /// Counts the pauses: what was written before the last one proves nothing.
    var generation: UInt64 = 0

    // Heartbeats.
    var sequence: UInt64 = 0
    var sent: [UInt64: Int64] = [:]
    var saidAt = Int64.min
    var said: MemberHeartbeat?
    var wasAsked = false

    // Records.
    enum Wish: Int, Comparable, Sendable {
        case nothing, changes, whole
        static func < (left: Wish, right: Wish) -> Bool { left.rawValue < right.rawValue }
    }
    var wish = Wish.nothing
    var isReading = false
    var readWasWhole = false
    var readLink = 0
    var readsStarted: UInt64 = 0
    var readsDone: UInt64 = 0
    /// When the last one was asked for as a whole.
    var wholeAt: Int64 = 0
    var readNotBefore = Int64.min
    var readAt = Int64.min
    /// The records are those of this link, or newer.
    var isFresh = false
    /// The bucket's last write that was read, and the last one that was written here.
    var lastRead: UInt64 = 0
    var lastWritten: UInt64 = 0
    /// The bucket went back, and that was not said yet.
    var hasToSayReplaced = false
    /// Since when what is read contradicts what is known; nil: it does not.
    var doubtedSince: Int64?
    var writes: UInt64 = 0

    var slots: [Slot]
    var tenures: UInt64 = 0
    var peers: [PeerKey: Peer] = [:]
    var assignment: Assignment
    var steadyUntil = Int64.min
    var notedState = MemberState.joining

    public init(_ settings: Settings) {
        self.settings = settings
        lease = settings.leaseNanoseconds
        slots = [Slot](repeating: Slot(), count: settings.partitions)
        assignment = Assignment(partitions: settings.partitions, members: [])
    }

    public mutating func handle(
        _ event: Event, at now: Moment, into effects: inout [Effect]
    ) {
        guard !hasLeft else { return }
        clock = now.monotonic
        isNews = true
        lapse(now.monotonic, &effects)
        switch event {
        case .connected: connect(now.monotonic, &effects)
        case .heartbeat(let heartbeat): hear(heartbeat, now.monotonic, &effects)
        case .asked: wasAsked = true
        case .records(let read): learn(read, now.monotonic, &effects)
        case .readFailed(let number, let reason):
            readEnded(number, now.monotonic)
            doubtedSince = nil
            effects.append(.note(.readFailed(reason)))
            readNotBefore = now.monotonic + Self.writeWaitFirst * 10
        case .written(let partition, let id, let outcome):
            written(partition, id, outcome, now.monotonic, &effects)
        case .news(let news): hear(news, now.monotonic, &effects)
        case .hangs(let isHung):
            self.isHung = isHung
            lapse(now.monotonic, &effects)
        case .leave: wantsLeave = true
        case .time: break
        }
        decide(now, &effects)
    }

    private mutating func decide(_ now: Moment, _ effects: inout [Effect]) {
        let time = now.monotonic
        standAside(time, &effects)
        goOn(time, &effects)
        forget(time, &effects)
        if isNews { share(now, &effects) }
        leaveWhenEmpty(now, &effects)
        read(time, &effects)
        steady(&effects)
        noteState(&effects)
        if !hasLeft { say(time, &effects) }
    }

    // MARK: what it is

    public var state: MemberState {
        if hasLeft { return .gone }
        switch phase {
        case .paused: return .paused
        case .joining: return wantsLeave ? .leaving : isAside ? .aside : .joining
        case .resuming where resumesLate: return .paused
        case .resuming: return wantsLeave ? .leaving : isAside ? .aside : .resuming
        case .active: return wantsLeave ? .leaving : isAside ? .aside : .ready
        }
    }

    /// Of each partition that has a record: whose it is.
    public var records: [(partition: Partition, record: OwnershipRecord)] {
        slots.indices.compactMap { index in slots[index].record.map { (Partition(index), $0) } }
    }

    /// The others that are alive, by name.
    public var others: [MemberHeartbeat] {
        peers.filter { !isDead($0.key) }.map(\.value.heartbeat).sorted {
            ($0.member, $0.instance) < ($1.member, $1.instance)
        }
    }

    public var held: [Partition] {
        slots.indices.filter { slots[$0].hold != nil }.map { Partition($0) }
    }

    private mutating func noteState(_ effects: inout [Effect]) {
        let state = state
        guard state != notedState else { return }
        effects.append(.note(.state(state, before: notedState)))
        notedState = state
    }

    /// The next thing that is due by the clock. Later than the last event: what was due then has
    /// been done, or waits for something else.
    public var nextDeadline: Int64 {
        guard links > 0, !hasLeft else { return Int64.max }
        // Later than the spacing all has been said that there was to say.
        var next = saidAt + (clock < saidAt + spacing && hasToSay ? spacing : interval)
        func consider(_ time: Int64) { if time > clock { next = min(next, time) } }
        if isHearing {
            consider(echoSent + lease)
            for (key, peer) in peers where peer.state != .gone {
                let end = silenceEnds(key, peer)
                if saidAt < end { consider(max(end, saidAt + spacing)) }
            }
        }
        if phase == .joining { consider(linkedAt + lease / 2) }
        if !isReading { consider(readDue) }
        for slot in slots where slot.pending == nil { consider(slot.notBefore) }
        return max(next, clock + 1)
    }

    var hasToSay: Bool { wasAsked || isSilenceOver || saysNews }

    var readDue: Int64 {
        wish == .nothing ? max(readNotBefore, readAt + Self.readIntervalNanoseconds) : readNotBefore
    }

    var interval: Int64 { lease / Self.heartbeatsPerLease }
    var spacing: Int64 { min(Self.spacingNanoseconds, interval) }
}
