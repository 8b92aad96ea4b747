internal import MarketModel
internal import Primitives

// Who is there.
extension MembershipMachine {
    struct PeerKey: Hashable, Sendable {
        let name: MemberName
        let instance: UInt64
    }

    struct Peer: Sendable {
        var state: MemberState
        /// The last state that was not `paused`, and when and on which link it was heard. Somebody
        /// who is paused is as good as silent.
        var active: MemberState
        var activeAt: Int64
        var activeLink: Int
        var heartbeat: MemberHeartbeat
        var heardAt: Int64
        /// It was said that it went.
        var isNotedDead = false
    }

    // MARK: hearing

    mutating func connect(_ now: Int64, _ effects: inout [Effect]) {
        links += 1
        linkedAt = now
        isFresh = false
        wish = .whole
        readNotBefore = Int64.min
        wasAsked = true
        effects.append(.ask)
    }

    /// Who was stopped, hears nothing, or hangs, is no owner from the first moment on.
    mutating func lapse(_ now: Int64, _ effects: inout [Effect]) {
        guard isHearing, isHung || now >= echoSent + lease else { return }
        isHearing = false
        guard phase == .active || phase == .resuming else { return }
        phase = .paused
        steady(&effects)
    }

    mutating func hear(_ heartbeat: MemberHeartbeat, _ now: Int64, _ effects: inout [Effect]) {
        if heartbeat.member == settings.member, heartbeat.instance == settings.instance {
            return echo(heartbeat.sequence, now)
        }
        let key = PeerKey(name: heartbeat.member, instance: heartbeat.instance)
        let known = peers[key]
        if let known, known.heartbeat.sequence >= heartbeat.sequence { return }
        guard known != nil || peers.count < Self.peersMax else {
            effects.append(.note(.tooManyMembers(heartbeat.member)))
            return
        }
        var peer =
            known
            ?? Peer(
                state: heartbeat.state, active: .joining, activeAt: Int64.min, activeLink: 0,
                heartbeat: heartbeat, heardAt: now)
        if known == nil || peer.isNotedDead {
            effects.append(.note(.came(key.name, instance: key.instance)))
            if let other = heartbeat.leaseNanoseconds, other != lease {
                effects.append(
                    .note(.leaseDiffers(key.name, instance: key.instance, nanoseconds: other)))
            }
        }
        isNews =
            known == nil || peer.isNotedDead || peer.state != heartbeat.state
            || peer.activeLink != links
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
        if heartbeat.records > lastRead { wish = max(wish, .changes) }
        // The bucket went back, and may have reached the last write that is known here once more.
        if let known, heartbeat.records < known.heartbeat.records { wish = .whole }
    }

    private mutating func echo(_ sequence: UInt64, _ now: Int64) {
        guard let time = sent.removeValue(forKey: sequence), time > echoSent else { return }
        echoSent = time
        isNews = false
        guard now < time + lease, !isHearing, !isHung else { return }
        isNews = true
        isHearing = true
        hearingSince = now
        guard phase == .paused else { return }
        phase = .resuming
        resumingSince = now
        resumesLate = false
        generation += 1
        resumeMark = readsStarted
        wish = max(wish, .changes)
    }

    // MARK: who is alive

    /// When a heartbeat that came back was sent at this time or later, the member is dead.
    func silenceEnds(_ key: PeerKey) -> Int64 { silenceEnds(key, peers[key]) }

    /// How long it is silent before it is dead. The longer lease of the two counts: it speaks, and
    /// acts as an owner, by its own.
    private func silence(of peer: Peer?) -> Int64 {
        let lease = max(lease, peer?.heartbeat.leaseNanoseconds ?? 0)
        // Clocks may differ by one part in 64 before somebody is taken for dead too early.
        return lease + lease / 64
    }

    /// Of the others that are alive: how many have another lease.
    public var otherLeases: Int {
        others.count { $0.leaseNanoseconds.map { $0 != lease } ?? false }
    }

    func silenceEnds(_ key: PeerKey, _ peer: Peer?) -> Int64 {
        guard isHearing else { return Int64.max }
        let silence = silence(of: peer)
        if let peer, peer.state == .gone { return Int64.min }
        let start = max(peer?.activeAt ?? Int64.min, hearingSince)
        if let peer, peer.activeLink == links { return start + silence }
        // A predecessor of this process: it was never heard, and there is no other one of the name.
        if peer == nil, key.name == settings.member { return max(start, linkedAt) + silence }
        return max(start + silence, linkedAt + Self.settleNanoseconds)
    }

    func isDead(_ key: PeerKey) -> Bool { echoSent >= silenceEnds(key) }

    func isMine(_ record: OwnershipRecord) -> Bool {
        record.owner == settings.member && record.instance == settings.instance
    }

    /// Whether the one that the record names may be succeeded. Its last write may be newer than its
    /// words: a compare-and-set on what was read behind the proof of its silence would not fail.
    func isDeadOwner(_ record: OwnershipRecord, of slot: Slot) -> Bool {
        let key = PeerKey(name: record.owner, instance: record.instance)
        let peer = peers[key]
        guard echoSent >= silenceEnds(key, peer) else { return false }
        return peer?.state == .gone || slot.seenAt == Int64.min
            || echoSent >= slot.seenAt + silence(of: peer)
    }

    /// A new write of an owner is as good as a word of it: the two come on different ways, and a
    /// link that stands still holds up the words.
    mutating func wrote(_ record: OwnershipRecord, _ now: Int64, _ effects: inout [Effect]) {
        let key = PeerKey(name: record.owner, instance: record.instance)
        guard var peer = peers[key], peer.state != .gone else { return }
        peer.activeAt = now
        if peer.isNotedDead {
            peer.isNotedDead = false
            effects.append(.note(.came(key.name, instance: key.instance)))
        }
        peers[key] = peer
    }

    /// A heartbeat that is sent now would prove somebody's silence when it comes back.
    var isSilenceOver: Bool {
        guard isHearing else { return false }
        return peers.contains { key, peer in
            // What was sent before the end proves nothing.
            let end = silenceEnds(key, peer)
            return clock >= end && saidAt < end
        }
    }

    /// Another process of the name is there, and was there first.
    mutating func standAside(_ now: Int64, _ effects: inout [Effect]) {
        guard isHearing else { return }
        let own = (settings.since.nanoseconds, settings.instance)
        let elder = peers.first { key, peer in
            key.name == settings.member && peer.state != .gone && !isDead(key)
                && (isAside || peer.activeLink == links)
                && (peer.heartbeat.since.nanoseconds, key.instance) < own
        }
        guard (elder != nil) != isAside else { return }
        isAside = elder != nil
        isNews = true
        if let elder { effects.append(.note(.doubled(instance: elder.key.instance))) }
    }

    /// Of those who went, after a while, and not while a record names them.
    mutating func forget(_ now: Int64, _ effects: inout [Effect]) {
        guard isHearing else { return }
        for (key, peer) in peers where echoSent >= silenceEnds(key, peer) {
            if !peer.isNotedDead {
                peers[key]?.isNotedDead = true
                isNews = true
                effects.append(.note(.went(key.name, instance: key.instance)))
            }
            guard now - peer.heardAt > Self.forgetNanoseconds else { continue }
            let isOwner = slots.contains {
                $0.record.map { $0.owner == key.name && $0.instance == key.instance } ?? false
            }
            if !isOwner { peers[key] = nil }
        }
    }

    // MARK: speaking

    /// As it would be said now; without its number.
    var heartbeat: MemberHeartbeat {
        MemberHeartbeat(
            member: settings.member, instance: settings.instance, state: state,
            rank: settings.rank, since: settings.since, sequence: sequence,
            records: recordsToSay, held: held, release: settings.release,
            leaseNanoseconds: lease)
    }

    private var recordsToSay: UInt64 { hasToSayReplaced ? 0 : max(lastRead, lastWritten) }

    /// Whether it would say something else than the last time.
    var saysNews: Bool {
        guard let said, said.state == state, said.records == recordsToSay else {
            return true
        }
        var place = 0
        for index in slots.indices where slots[index].hold != nil {
            guard place < said.held.count, said.held[place].number == index else { return true }
            place += 1
        }
        return place != said.held.count
    }

    mutating func say(_ now: Int64, _ effects: inout [Effect]) {
        guard links > 0 else { return }
        if saidAt != Int64.min, now < saidAt + interval {
            guard now >= saidAt + spacing, hasToSay else { return }
        }
        var next = heartbeat
        sequence += 1
        next.sequence = sequence
        said = next
        saidAt = now
        wasAsked = false
        hasToSayReplaced = false
        sent[sequence] = now
        if sequence > Self.echoesMax { sent[sequence - Self.echoesMax] = nil }
        effects.append(.say(next))
    }

    mutating func steady(_ effects: inout [Effect]) {
        let until = phase == .active && isHearing ? echoSent + lease : Int64.min
        guard until != steadyUntil else { return }
        steadyUntil = until
        effects.append(.steady(until: until))
    }
}
