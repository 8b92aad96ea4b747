internal import MarketModel
internal import Primitives

/// The other processes of the group, and which of them are alive. Times are monotonic.
struct MembershipPeers: Sendable {
    /// Names one process: a process that was restarted has the same name and another instance.
    struct Key: Hashable, Sendable {
        let name: MemberName
        let instance: UInt64

        init(name: MemberName, instance: UInt64) {
            self.name = name
            self.instance = instance
        }

        init(ownerOf record: OwnershipRecord) {
            self.init(name: record.owner, instance: record.instance)
        }
    }

    /// Another process of the group.
    struct Peer: Sendable {
        /// The state in its last heartbeat.
        var state: MemberState
        /// The last state that was not `paused`, and when and on which link it was received. A
        /// paused member is treated as silent.
        var active: MemberState
        var activeAt: MonotonicTime
        var activeLink: Int
        /// Its last heartbeat, and when that was received.
        var heartbeat: MemberHeartbeat
        var heardAt: MonotonicTime
        /// Whether its death was noted since it was last heard.
        var isNotedDead = false
    }

    /// What a heartbeat said.
    enum Reception {
        /// A later one was heard before.
        case late
        /// There is no room for another member.
        case noRoom
        /// `isNew`: it was not known. `comes`: it was not known, or dead. `changesOwners`: it may
        /// have an effect on who owns what. `wentBack`: it knows an earlier write than before.
        case heard(isNew: Bool, comes: Bool, changesOwners: Bool, wentBack: Bool)
    }

    private let own: MemberName
    private(set) var all: [Key: Peer] = [:]
    /// No member's silence that the last heartbeat cannot prove ends before this.
    private(set) var silenceEnds = MonotonicTime.never
    /// How many members were dead when they were gone through last.
    private var dead = 0

    /// How long a dead member is remembered.
    private static let forgetNanoseconds: Int64 = 60_000_000_000

    init(of own: MemberName) {
        self.own = own
    }

    func knows(_ key: Key) -> Bool { all[key] != nil }

    // MARK: hearing

    /// Whom the records of the slots name is not forgotten.
    mutating func hear(
        _ heartbeat: MemberHeartbeat, _ hearing: Hearing, _ slots: MembershipSlots,
        at now: MonotonicTime
    ) -> Reception {
        let key = Key(name: heartbeat.member, instance: heartbeat.instance)
        let known = all[key]
        if let known, known.heartbeat.sequence >= heartbeat.sequence { return .late }
        guard
            known != nil || all.count < MembershipMachine.peersMax
                || forgetOne(hearing, slots.owners)
        else { return .noRoom }
        var peer =
            known
            ?? Peer(
                state: heartbeat.state, active: .joining, activeAt: .distantPast, activeLink: 0,
                heartbeat: heartbeat, heardAt: now)
        let comes = known == nil || peer.isNotedDead
        let changesOwners =
            comes || peer.state != heartbeat.state || peer.activeLink != hearing.links
        peer.isNotedDead = false
        peer.state = heartbeat.state
        peer.heartbeat = heartbeat
        peer.heardAt = now
        if heartbeat.state != .paused {
            peer.active = heartbeat.state
            peer.activeAt = now
            peer.activeLink = hearing.links
        }
        all[key] = peer
        return .heard(
            isNew: known == nil, comes: comes, changesOwners: changesOwners,
            wentBack: known.map { heartbeat.records < $0.heartbeat.records } ?? false)
    }

    /// Treats an owner's new write like a heartbeat. The two come on different ways, and a stalled
    /// link delays heartbeats. Returns true when the owner counted as dead.
    mutating func wrote(_ key: Key, at now: MonotonicTime) -> Bool {
        guard var peer = all[key], peer.state != .gone else { return false }
        let comes = peer.isNotedDead
        peer.activeAt = now
        peer.isNotedDead = false
        all[key] = peer
        return comes
    }

    // MARK: who is alive

    /// Returns the time after which the silence of a member counts: it is dead when an own
    /// heartbeat came back that was sent at this time or later. `Int64.max`: that cannot be known
    /// now. `Int64.min`: it has reported its end.
    private func silenceEnds(_ key: Key, _ peer: Peer?, _ hearing: Hearing) -> MonotonicTime {
        guard hearing.isHearing else { return .never }
        let silence = silence(of: peer, hearing)
        if let peer, peer.state == .gone { return .distantPast }
        let start = max(peer?.activeAt ?? .distantPast, hearing.since)
        if let peer, peer.activeLink == hearing.links { return start + silence }
        // A predecessor of this process that was never heard; no other process has its name.
        if peer == nil, key.name == own { return max(start, hearing.linkedAt) + silence }
        return max(start + silence, hearing.linkedAt + MembershipMachine.settleNanoseconds)
    }

    /// Returns how long a member is silent before it is dead. The longer lease of the two counts,
    /// because the other member sends heartbeats and acts as an owner by its own lease.
    private func silence(of peer: Peer?, _ hearing: Hearing) -> Int64 {
        let lease = max(hearing.lease, peer?.heartbeat.leaseNanoseconds ?? 0)
        // Clocks may differ by one part in 64 before a member is treated as dead too early.
        return lease + lease / 64
    }

    /// Returns whether the member was silent for so long that it is no owner any more.
    func isDead(_ key: Key, _ hearing: Hearing) -> Bool {
        hearing.echoSent >= silenceEnds(key, all[key], hearing)
    }

    /// Returns whether the owner in the record may be replaced. The record's last write may be
    /// newer than the owner's heartbeats. Then a claim based on a read after the proof of silence
    /// would succeed wrongly, so the write must be old enough, too.
    func isDeadOwner(
        _ record: OwnershipRecord, seenAt: MonotonicTime, _ hearing: Hearing
    ) -> Bool {
        let key = Key(ownerOf: record)
        let peer = all[key]
        guard hearing.echoSent >= silenceEnds(key, peer, hearing) else { return false }
        return peer?.state == .gone || seenAt == .distantPast
            || hearing.echoSent >= seenAt + silence(of: peer, hearing)
    }

    /// The heartbeats of the living, by name.
    func living(_ hearing: Hearing) -> [MemberHeartbeat] {
        all.filter { !isDead($0.key, hearing) }.map(\.value.heartbeat).sorted {
            ($0.member, $0.instance) < ($1.member, $1.instance)
        }
    }

    /// Returns a living process with the own name that is older than this one.
    /// `wasAside`: one was found before, so that one of an earlier link counts, too.
    func elder(
        than own: (since: Int64, instance: UInt64), wasAside: Bool, _ hearing: Hearing
    ) -> Key? {
        all.first { key, peer in
            key.name == self.own && peer.state != .gone && !isDead(key, hearing)
                && (wasAside || peer.activeLink == hearing.links)
                && (peer.heartbeat.since.nanoseconds, key.instance) < own
        }?.key
    }

    /// Finds the earliest end of a silence that the last heartbeat was sent too early to prove.
    mutating func findSilence(_ hearing: Hearing, lastHeartbeatAt: MonotonicTime) {
        silenceEnds = .never
        guard hearing.isHearing else { return }
        for (key, peer) in all where peer.state != .gone {
            let end = silenceEnds(key, peer, hearing)
            if lastHeartbeatAt < end { silenceEnds = min(silenceEnds, end) }
        }
    }

    // MARK: forgetting

    /// Finds the members that have died. After a while they are forgotten, unless a record still
    /// names them. Returns those whose death is news, and whether another number of them is dead.
    mutating func bury(
        _ hearing: Hearing, _ slots: MembershipSlots, at now: MonotonicTime
    ) -> (died: [Key], isOther: Bool) {
        var died: [Key] = []
        var count = 0
        var owners: Set<Key>?
        for (key, peer) in all where hearing.echoSent >= silenceEnds(key, peer, hearing) {
            count += 1
            if !peer.isNotedDead {
                all[key]?.isNotedDead = true
                died.append(key)
            }
            guard now - peer.heardAt > Self.forgetNanoseconds else { continue }
            let named = owners ?? slots.owners
            owners = named
            if !named.contains(key) { all[key] = nil }
        }
        defer { dead = count }
        return (died, count != dead)
    }

    /// Removes the member that has been dead for longest, to make room for another one. Returns
    /// false when there is none that no record names.
    private mutating func forgetOne(_ hearing: Hearing, _ owners: Set<Key>) -> Bool {
        let dead = all.filter { isDead($0.key, hearing) && !owners.contains($0.key) }
        let oldest = dead.min {
            ($0.value.heardAt, $0.key.instance) < ($1.value.heardAt, $1.key.instance)
        }
        guard let oldest else { return false }
        all[oldest.key] = nil
        return true
    }
}
