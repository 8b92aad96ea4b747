internal import MarketModel
internal import Primitives

// Which members are alive.
extension MembershipMachine {
    /// Names one process: a process that was restarted has the same name and another instance.
    struct PeerKey: Hashable, Sendable {
        let name: MemberName
        let instance: UInt64
    }

    /// Another process of the group. Times are monotonic.
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

    // MARK: hearing

    /// Handles a new link. What was read before may be out of date, so all records are read again.
    mutating func connect(_ now: MonotonicTime, _ effects: inout [Effect]) {
        links += 1
        linkedAt = now
        isFresh = false
        readScope = .whole
        readNotBefore = .distantPast
        wasAsked = true
        effects.append(.ask)
    }

    /// Pauses this process from the first moment at which it was stopped, hears nothing, or has a
    /// hanging thread: it is then no owner.
    mutating func lapse(_ now: MonotonicTime, _ effects: inout [Effect]) {
        guard isHearing, isHung || now >= echoSent + lease else { return }
        isHearing = false
        upkeep.candidates = nil
        guard phase == .active || phase == .resuming else { return }
        phase = .paused
        steady(&effects)
    }

    mutating func receive(
        _ heartbeat: MemberHeartbeat, _ now: MonotonicTime, _ effects: inout [Effect]
    ) {
        if heartbeat.member == settings.member, heartbeat.instance == settings.instance {
            return echo(heartbeat.sequence, now)
        }
        let key = PeerKey(name: heartbeat.member, instance: heartbeat.instance)
        let known = peers[key]
        if let known, known.heartbeat.sequence >= heartbeat.sequence { return }
        guard known != nil || peers.count < Self.peersMax || forgetOne() else {
            effects.append(.note(.tooManyMembers(heartbeat.member)))
            return
        }
        var peer =
            known
            ?? Peer(
                state: heartbeat.state, active: .joining, activeAt: .distantPast, activeLink: 0,
                heartbeat: heartbeat, heardAt: now)
        if known == nil || peer.isNotedDead {
            effects.append(.note(.came(key.name, instance: key.instance)))
            let other = heartbeat.leaseNanoseconds
            if other != lease {
                effects.append(
                    .note(.leaseDiffers(key.name, instance: key.instance, nanoseconds: other)))
            }
        }
        mayChangeOwners =
            known == nil || peer.isNotedDead || peer.state != heartbeat.state
            || peer.activeLink != links
        upkeep.mustLook = upkeep.mustLook || mayChangeOwners
        if mayChangeOwners { upkeep.candidates = nil }
        peer.isNotedDead = false
        peer.state = heartbeat.state
        peer.heartbeat = heartbeat
        peer.heardAt = now
        if heartbeat.state != .paused {
            peer.active = heartbeat.state
            peer.activeAt = now
            peer.activeLink = links
        }
        peers[key] = peer
        if known == nil { for index in upkeep.strangers { noteOwner(index) } }
        if heartbeat.records > lastRead { readScope = max(readScope, .changes) }
        // The other member's number is lower, so the bucket went back. It may since have reached
        // the last write that is known here.
        if let known, heartbeat.records < known.heartbeat.records { readScope = .whole }
    }

    /// Handles an own heartbeat that came back. If the process was paused, it resumes.
    private mutating func echo(_ sequence: UInt64, _ now: MonotonicTime) {
        guard let time = sent.removeValue(forKey: sequence), time > echoSent else { return }
        echoSent = time
        upkeep.mustLook = true
        mayChangeOwners = false
        guard now < time + lease, !isHearing, !isHung else { return }
        mayChangeOwners = true
        upkeep.candidates = nil
        isHearing = true
        hearingSince = now
        guard phase == .paused else { return }
        phase = .resuming
        resumingSince = now
        resumesLate = false
        generation += 1
        resumeMark = readsStarted
        readScope = max(readScope, .changes)
    }

    // MARK: who is alive

    /// Returns the time after which the silence of a member counts: it is dead when an own
    /// heartbeat came back that was sent at this time or later. `Int64.max`: that cannot be known
    /// now. `Int64.min`: it has reported its end.
    func silenceEnds(_ key: PeerKey) -> MonotonicTime { silenceEnds(key, peers[key]) }

    /// Returns how long a member is silent before it is dead. The longer lease of the two counts,
    /// because the other member sends heartbeats and acts as an owner by its own lease.
    private func silence(of peer: Peer?) -> Int64 {
        let lease = max(lease, peer?.heartbeat.leaseNanoseconds ?? 0)
        // Clocks may differ by one part in 64 before a member is treated as dead too early.
        return lease + lease / 64
    }

    /// The number of other living members that have another lease.
    package var otherLeases: Int { others.count { $0.leaseNanoseconds != lease } }

    func silenceEnds(_ key: PeerKey, _ peer: Peer?) -> MonotonicTime {
        guard isHearing else { return .never }
        let silence = silence(of: peer)
        if let peer, peer.state == .gone { return .distantPast }
        let start = max(peer?.activeAt ?? .distantPast, hearingSince)
        if let peer, peer.activeLink == links { return start + silence }
        // A predecessor of this process that was never heard; no other process has its name.
        if peer == nil, key.name == settings.member { return max(start, linkedAt) + silence }
        return max(start + silence, linkedAt + Self.settleNanoseconds)
    }

    /// Returns whether the member was silent for so long that it is no owner any more.
    func isDead(_ key: PeerKey) -> Bool { echoSent >= silenceEnds(key) }

    /// Returns whether the record names this process as the owner.
    func isMine(_ record: OwnershipRecord) -> Bool {
        record.owner == settings.member && record.instance == settings.instance
    }

    /// Returns whether the owner in the record may be replaced. The record's last write may be
    /// newer than the owner's heartbeats. Then a claim based on a read after the proof of silence
    /// would succeed wrongly, so the write must be old enough, too.
    func isDeadOwner(_ record: OwnershipRecord, of slot: Slot) -> Bool {
        let key = PeerKey(name: record.owner, instance: record.instance)
        let peer = peers[key]
        guard echoSent >= silenceEnds(key, peer) else { return false }
        return peer?.state == .gone || slot.seenAt == .distantPast
            || echoSent >= slot.seenAt + silence(of: peer)
    }

    /// Treats an owner's new write like a heartbeat. The two come on different ways, and a stalled
    /// link delays heartbeats.
    mutating func wrote(_ record: OwnershipRecord, _ now: MonotonicTime, _ effects: inout [Effect])
    {
        let key = PeerKey(name: record.owner, instance: record.instance)
        guard var peer = peers[key], peer.state != .gone else { return }
        peer.activeAt = now
        if peer.isNotedDead {
            peer.isNotedDead = false
            upkeep.candidates = nil
            effects.append(.note(.came(key.name, instance: key.instance)))
        }
        peers[key] = peer
    }

    /// True when a heartbeat that is sent now would prove another member's silence when it comes
    /// back. One that was sent before the end of the silence proves nothing.
    var isSilenceOver: Bool { isHearing && clock >= upkeep.silenceEnds }

    /// Stands aside while another process with the same name is alive that started earlier.
    mutating func standAside(_ now: MonotonicTime, _ effects: inout [Effect]) {
        guard isHearing else { return }
        let own = (settings.since.nanoseconds, settings.instance)
        let elder = peers.first { key, peer in
            key.name == settings.member && peer.state != .gone && !isDead(key)
                && (isAside || peer.activeLink == links)
                && (peer.heartbeat.since.nanoseconds, key.instance) < own
        }
        guard (elder != nil) != isAside else { return }
        isAside = elder != nil
        mayChangeOwners = true
        upkeep.candidates = nil
        if let elder { effects.append(.note(.doubled(instance: elder.key.instance))) }
    }

    /// Notes the death of members. After a while it removes them, unless a record still names them.
    mutating func forget(_ now: MonotonicTime, _ effects: inout [Effect]) {
        guard isHearing else { return }
        var dead = 0
        for (key, peer) in peers where echoSent >= silenceEnds(key, peer) {
            dead += 1
            if !peer.isNotedDead {
                peers[key]?.isNotedDead = true
                mayChangeOwners = true
                upkeep.candidates = nil
                effects.append(.note(.went(key.name, instance: key.instance)))
            }
            guard now - peer.heardAt > Self.forgetNanoseconds else { continue }
            let isOwner = slots.contains {
                $0.record.map { $0.owner == key.name && $0.instance == key.instance } ?? false
            }
            if !isOwner { peers[key] = nil }
        }
        // One that was dead before a pause of this process is so again a lease after it.
        if dead != upkeep.dead { upkeep.candidates = nil }
        upkeep.dead = dead
    }

    /// Removes the member that has been dead for longest, to make room for another one. Returns
    /// false when there is none that no record names.
    private mutating func forgetOne() -> Bool {
        var owners: Set<PeerKey> = []
        for slot in slots {
            guard let record = slot.record else { continue }
            owners.insert(PeerKey(name: record.owner, instance: record.instance))
        }
        let dead = peers.filter { isDead($0.key) && !owners.contains($0.key) }
        let oldest = dead.min {
            ($0.value.heardAt, $0.key.instance) < ($1.value.heardAt, $1.key.instance)
        }
        guard let oldest else { return false }
        peers[oldest.key] = nil
        return true
    }

    // MARK: speaking

    /// The heartbeat that would be sent now, without its new number.
    var heartbeat: MemberHeartbeat {
        var heartbeat = MemberHeartbeat(
            member: settings.member, instance: settings.instance, state: state,
            rank: settings.rank, since: settings.since, sequence: sequence,
            records: recordsToReport, held: held, release: settings.release,
            revision: settings.revision, leaseNanoseconds: lease)
        heartbeat.semantics = settings.semantics
        heartbeat.drain = drain
        return heartbeat
    }

    /// The last write to the bucket that this process knows, for heartbeats. 0 once after the
    /// bucket went back, so that the others read it again, too.
    private var recordsToReport: UInt64 { hasToReportReplaced ? 0 : max(lastRead, lastWritten) }

    /// True when others wait for what the heartbeat would report: a state, what this process owns,
    /// or that it has written. They read what others have written by themselves. If each member
    /// repeated that immediately, every write would cost a message from each member to each.
    var isHeartbeatChanged: Bool {
        guard let lastHeartbeat else { return true }
        return lastHeartbeat.state != state || lastHeartbeat.records < lastWritten
            || hasToReportReplaced || upkeep.holdChanges != upkeep.holdChangesSent
    }

    /// Sends a heartbeat if its interval is over or something has to be reported.
    mutating func sendHeartbeat(_ now: MonotonicTime, _ effects: inout [Effect]) {
        guard links > 0 else { return }
        if now < lastHeartbeatAt + interval {
            guard now >= lastHeartbeatAt + spacing, hasToSend else { return }
        }
        var next = heartbeat
        sequence += 1
        next.sequence = sequence
        lastHeartbeat = next
        lastHeartbeatAt = now
        wasAsked = false
        hasToReportReplaced = false
        upkeep.holdChangesSent = upkeep.holdChanges
        findSilence()
        sent[sequence] = now
        if sequence > Self.echoesMax { sent[sequence - Self.echoesMax] = nil }
        effects.append(.send(next))
    }

    /// Gives out until when the data planes may act as owners, if that has changed.
    mutating func steady(_ effects: inout [Effect]) {
        let until = phase == .active && isHearing ? echoSent + lease : .distantPast
        guard until != steadyUntil else { return }
        steadyUntil = until
        effects.append(.steady(until: until))
    }
}
