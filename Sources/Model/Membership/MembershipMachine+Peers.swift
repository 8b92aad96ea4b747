internal import MarketModel
internal import Primitives

// What this process hears of itself and of the others, and what it tells them.
extension MembershipMachine {
    // MARK: hearing

    /// Handles a new link. What was read before may be out of date, so all records are read again.
    mutating func connect(_ now: MonotonicTime, _ effects: inout [Effect]) {
        hearing.link(at: now)
        reads.linked()
        heartbeats.wasAsked = true
        effects.append(.ask)
    }

    /// Pauses this process from the first moment at which it was stopped, hears nothing, or has a
    /// hanging thread: it is then no owner.
    mutating func lapse(_ now: MonotonicTime, _ effects: inout [Effect]) {
        guard hearing.lapse(at: now) else { return }
        sharing.findAgain()
        if standing.pause() { steady(&effects) }
    }

    mutating func receive(
        _ heartbeat: MemberHeartbeat, _ now: MonotonicTime, _ effects: inout [Effect]
    ) {
        if heartbeat.member == settings.member, heartbeat.instance == settings.instance {
            return echo(heartbeat.sequence, now)
        }
        switch peers.hear(heartbeat, hearing, slots, at: now) {
        case .late: return
        case .noRoom: effects.append(.note(.tooManyMembers(heartbeat.member)))
        case .heard(let isNew, let comes, let changesOwners, let wentBack):
            if comes { noteComing(heartbeat, &effects) }
            mayChangeOwners = changesOwners
            isNews = isNews || changesOwners
            if changesOwners { sharing.findAgain() }
            if isNew { for index in slots.strangers { slots.noteOwner(index, peers) } }
            if heartbeat.records > reads.last { reads.require(.changes) }
            // The other member's number is lower, so the bucket went back. It may since have
            // reached the last write that is known here.
            if wentBack { reads.require(.whole) }
        }
    }

    private func noteComing(_ heartbeat: MemberHeartbeat, _ effects: inout [Effect]) {
        let (name, instance) = (heartbeat.member, heartbeat.instance)
        effects.append(.note(.came(name, instance: instance)))
        let other = heartbeat.leaseNanoseconds
        guard other != hearing.lease else { return }
        effects.append(.note(.leaseDiffers(name, instance: instance, nanoseconds: other)))
    }

    /// Handles an own heartbeat that came back. If the process was paused, it resumes.
    private mutating func echo(_ sequence: UInt64, _ now: MonotonicTime) {
        switch hearing.echo(sequence, at: now) {
        case .old: return
        case .heard:
            isNews = true
            mayChangeOwners = false
        case .heardAgain:
            isNews = true
            sharing.findAgain()
            guard standing.phase == .paused else { return }
            standing.resume(at: now, reads: reads.started)
            reads.require(.changes)
        }
    }

    // MARK: who is alive

    /// Returns whether the owner in the partition's record may be replaced.
    func isDeadOwner(_ record: OwnershipRecord, of index: Int) -> Bool {
        follows(record) || peers.isDeadOwner(record, seenAt: slots[index].seenAt, hearing)
    }

    /// Returns whether this process was started in the place of the record's owner, after its end.
    private func follows(_ record: OwnershipRecord) -> Bool {
        settings.place != nil && record.place == settings.place
            && record.owner == settings.member && record.instance != settings.instance
    }

    /// Returns whether it was started in the place of the partition's owner, after its end.
    func followsOwner(of index: Int) -> Bool { slots[index].record.map(follows) ?? false }

    /// Stands aside while another process with the same name is alive that started earlier.
    mutating func standAside(_ effects: inout [Effect]) {
        guard hearing.isHearing else { return }
        let elder = peers.elder(
            than: (settings.since.nanoseconds, settings.instance), wasAside: standing.isAside,
            hearing)
        guard (elder != nil) != standing.isAside else { return }
        standing.isAside = elder != nil
        mayChangeOwners = true
        sharing.findAgain()
        if let elder { effects.append(.note(.doubled(instance: elder.instance))) }
    }

    /// Notes the death of members.
    mutating func bury(_ now: MonotonicTime, _ effects: inout [Effect]) {
        guard hearing.isHearing else { return }
        let (died, isOther) = peers.bury(hearing, slots, at: now)
        for key in died { effects.append(.note(.went(key.name, instance: key.instance))) }
        if !died.isEmpty { mayChangeOwners = true }
        // One that was dead before a pause of this process is so again a lease after it.
        if !died.isEmpty || isOther { sharing.findAgain() }
    }

    // MARK: speaking

    /// The heartbeat that would be sent now, without its new number.
    var heartbeat: MemberHeartbeat {
        var heartbeat = MemberHeartbeat(
            member: settings.member, instance: settings.instance, state: state,
            rank: settings.rank, since: settings.since, sequence: heartbeats.sequence,
            records: reads.toReport, held: held, release: settings.release,
            revision: settings.revision, leaseNanoseconds: hearing.lease)
        heartbeat.semantics = settings.semantics
        heartbeat.drain = drain
        return heartbeat
    }

    /// Sends a heartbeat if its interval is over or something has to be reported.
    mutating func sendHeartbeat(_ now: MonotonicTime, _ effects: inout [Effect]) {
        let spacing = heartbeats.spacing(in: spacing)
        guard hearing.links > 0, heartbeats.isDue(at: now, spacing: spacing, hasNews: hasToSend)
        else { return }
        let next = heartbeats.send(heartbeat, holdChanges: slots.holdChanges, at: now)
        reads.reported()
        peers.findSilence(hearing, lastHeartbeatAt: now)
        hearing.sends(next.sequence, at: now)
        effects.append(.send(next))
    }

    /// Gives out until when the data planes may act as owners, if that has changed.
    mutating func steady(_ effects: inout [Effect]) {
        let until =
            standing.phase == .active && hearing.isHearing ? hearing.ends : .distantPast
        guard until != steadyUntil else { return }
        steadyUntil = until
        effects.append(.steady(until: until))
    }
}
