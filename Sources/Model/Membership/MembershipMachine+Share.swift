internal import MarketModel
internal import Primitives

// How partitions are shared out.
extension MembershipMachine {
    // MARK: joining and resuming

    /// Ends `joining` or `resuming` when enough is known.
    mutating func goOn(_ now: MonotonicTime, _ effects: inout [Effect]) {
        guard hearing.isHearing else { return }
        switch standing.phase {
        case .joining:
            // A process that was started again knows its part already: it is that of the records.
            guard reads.isFresh, now >= joins || slots.strangers.contains(where: followsOwner(of:))
            else { return }
        case .resuming:
            standing.waitsToResume(at: now)
            guard reads.isFresh, reads.done > standing.resumeMark,
                slots.isConfirmed(since: standing.generation)
            else { return }
            // The others resume at the same time. They get a lease to be heard.
            hearing.countFrom(now)
        case .active, .paused: return
        }
        standing.activate()
        mayChangeOwners = true
        sharing.findAgain()
    }

    // MARK: sharing out

    /// Returns the members among which partitions are shared, and which of them are ready to take
    /// one. A member that may return in a moment is one of them, so that nothing moves after NATS
    /// was away.
    private mutating func candidates() -> [MemberName: Sharing.Candidate] {
        // An owner that only a record names may be dead at any time.
        guard slots.strangers.isEmpty else { return findCandidates() }
        if let known = sharing.candidates { return known }
        let found = findCandidates()
        sharing.found(found)
        return found
    }

    private func findCandidates() -> [MemberName: Sharing.Candidate] {
        var found: [MemberName: Sharing.Candidate] = [:]
        if standing.takesPart, !standing.takesNothing {
            found[settings.member] = Sharing.Candidate(
                precedence: precedence, isReady: standing.phase == .active)
        }
        for (key, peer) in peers.all where peer.active == .ready || peer.active == .resuming {
            guard peer.state != .gone, !peers.isDead(key, hearing) else { continue }
            let isReady = peer.state == .ready && peer.activeLink == hearing.links
            let known = found[key.name]
            let precedence = peer.heartbeat.precedence
            found[key.name] = Sharing.Candidate(
                precedence: max(known?.precedence ?? precedence, precedence),
                isReady: isReady || known?.isReady ?? false)
        }
        for index in slots.strangers {
            guard let record = slots[index].record, found[record.owner] == nil,
                record.owner != settings.member, !isDeadOwner(record, of: index)
            else { continue }
            found[record.owner] = Sharing.Candidate(precedence: nil, isReady: false)
        }
        let highest = found.values.compactMap(\.precedence).max()
        return found.filter { $0.value.precedence == nil || $0.value.precedence == highest }
    }

    /// Brings what this process owns in line with the assignment: it claims partitions, hands them
    /// over and keeps their records right.
    mutating func share(_ now: Moment, _ effects: inout [Effect]) {
        guard reads.isFresh else { return }
        let candidates = candidates()
        sharing.assign(candidates, at: now.monotonic)
        var handOvers = handOversInProgress(now.monotonic)
        for index in slots.mine.union(sharing.wanted).sorted() {
            guard slots[index].hold != nil else {
                let isWanted = sharing.wanted.contains(index)
                claimOrFree(index, isMine: isWanted, now, &effects)
                continue
            }
            if handOvers < Self.handOversMax, slots[index].hold?.stage == .held,
                mustGo(to: sharing.assignment.member(of: Partition(index)), candidates)
            {
                handOvers += 1
                let tenure = slots.release(index, at: now.monotonic)
                effects.append(.order(.release(Partition(index), tenure: tenure)))
            }
            keep(index, now, &effects)
        }
    }

    /// The number of hand-overs that delay further ones.
    private func handOversInProgress(_ now: MonotonicTime) -> Int {
        slots.mine.count { index in
            guard let hold = slots[index].hold, hold.stage != .held else { return false }
            return now < hold.releasedAt + Self.handOverNanoseconds
        }
    }

    /// Returns whether a held partition has to be handed over to the member that it belongs to by
    /// the assignment. That member has to be ready for it.
    private func mustGo(
        to owner: MemberName?, _ candidates: [MemberName: Sharing.Candidate]
    ) -> Bool {
        if standing.handsOverAll { return true }
        guard standing.phase == .active, let owner, owner != settings.member,
            let next = candidates[owner], next.isReady
        else { return false }
        // A drained member is no candidate, so the others may all be of a lower rank.
        return next.precedence.map { $0 >= precedence } ?? false
    }

    private var precedence: MemberPrecedence {
        MemberPrecedence(rank: settings.rank, semantics: settings.semantics)
    }

    /// Returns whether the record may be written: no write is in progress, the wait after a failure
    /// is over, and what had to be read first was read.
    private func mayWrite(_ slot: MembershipSlot, _ now: MonotonicTime) -> Bool {
        slot.pending == nil && now >= slot.notBefore
            && (slot.readMark == 0 || reads.done > slot.readMark)
    }

    /// Claims a partition that is not held, if it belongs to this process and has no living owner.
    /// Frees it if a record names this process by mistake. `isWanted`: the assignment gives it to
    /// this process.
    private mutating func claimOrFree(
        _ index: Int, isMine isWanted: Bool, _ now: Moment, _ effects: inout [Effect]
    ) {
        let slot = slots[index]
        guard mayWrite(slot, now.monotonic) else { return }
        let record = slot.record
        let isOrphan = slots.namesMe(index)
        if isOrphan, standing.takesNothing || !isWanted {
            // The record remains from a claim whose answer was lost, or from a partition that the
            // data plane has lost.
            guard standing.takesPart || standing.wantsLeave else { return }
            return free(index, now, &effects)
        }
        guard standing.phase == .active, isWanted, !standing.takesNothing,
            now.monotonic >= slot.claimNotBefore
        else { return }
        if let record, record.state == .held, !isOrphan, !isDeadOwner(record, of: index) { return }
        let epoch = max(slot.epochFloor, record?.epoch ?? 0)
        guard epoch < OwnershipRecord.epochMax - 1 else { return }
        if !isOrphan || slot.origin == nil {
            slots.claims(
                index,
                from: MembershipSlot.Origin(
                    previous: record?.owner,
                    wasReleased: record.map { $0.state == .free } ?? true))
        }
        var claim = OwnershipRecord(
            owner: settings.member, instance: settings.instance, epoch: epoch + 1, since: now.wall,
            state: .held)
        claim.place = settings.place
        write(index, claim, .claim, &effects)
    }

    /// Writes that the partition is free. The epoch stays, so that no later owner gets a lower one.
    private mutating func free(_ index: Int, _ now: Moment, _ effects: inout [Effect]) {
        let slot = slots[index]
        guard var record = slot.record else { return }
        record.epoch = max(record.epoch, slot.hold?.epoch ?? 0, slot.hold?.opened ?? 0)
        record.state = .free
        record.since = now.wall
        write(index, record, .free, &effects)
    }

    /// Writes what the record of a held partition must contain.
    private mutating func keep(_ index: Int, _ now: Moment, _ effects: inout [Effect]) {
        let slot = slots[index]
        guard let hold = slot.hold, mayWrite(slot, now.monotonic), var record = slot.record else {
            return
        }
        if hold.stage == .freeing { return free(index, now, &effects) }
        if hold.confirmed != standing.generation {
            guard standing.phase == .resuming, reads.done > standing.resumeMark else { return }
            record.epoch = max(record.epoch, hold.opened)
            return write(index, record, .confirm, &effects)
        }
        guard hold.opened > hold.epoch, standing.phase == .active else { return }
        record.epoch = hold.opened
        write(index, record, .raise, &effects)
    }

    // MARK: the data planes

    /// Handles a data plane's answer. An answer of an earlier tenure is ignored.
    mutating func receive(
        _ answer: OwnershipAnswer, _ now: MonotonicTime, _ effects: inout [Effect]
    ) {
        let index = answer.partition.number
        guard slots.indices.contains(index), let hold = slots[index].hold,
            hold.tenure == answer.tenure
        else { return }
        switch answer {
        case .opened(_, _, let epoch):
            guard epoch < OwnershipRecord.epochMax else { return }
            slots.opened(index, epoch)
        case .released: slots.released(index, at: now)
        case .lost(_, _, let reason):
            slots.giveUp(index, peers)
            let wait = slots.lost(index, at: now)
            mustRead(index)
            effects.append(
                .note(.fenced(Partition(index), reason: reason, waitNanoseconds: wait)))
        }
    }

    // MARK: leaving

    /// Ends the membership when it is to leave and holds nothing. Without contact to the bucket it
    /// does not wait until its records are free.
    mutating func leaveWhenEmpty(_ now: Moment, _ effects: inout [Effect]) {
        guard standing.wantsLeave, slots.isIdle else { return }
        let mayFree = reads.isFresh && standing.takesPart
        guard !(mayFree && slots.mine.contains(where: slots.namesMe)) else { return }
        standing.end()
        steady(&effects)
        if hearing.links > 0 {
            let last = heartbeats.send(
                heartbeat, holdChanges: slots.holdChanges, at: now.monotonic)
            effects.append(.send(last))
        }
        effects.append(.left)
    }
}
