internal import MarketModel
internal import Primitives

// How partitions are shared out.
extension MembershipMachine {
    // MARK: joining and resuming

    /// Ends `joining` or `resuming` when enough is known.
    mutating func goOn(_ now: MonotonicTime, _ effects: inout [Effect]) {
        guard isHearing else { return }
        switch phase {
        case .joining:
            guard isFresh, now >= linkedAt + lease / 2 else { return }
            phase = .active
            mayChangeOwners = true
            upkeep.candidates = nil
        case .resuming:
            resumesLate = now >= resumingSince + Self.resumeNanoseconds
            guard isFresh, readsDone > resumeMark else { return }
            guard slots.allSatisfy({ isConfirmed($0) }) else { return }
            phase = .active
            mayChangeOwners = true
            upkeep.candidates = nil
            // The others resume at the same time. They get a lease to be heard.
            hearingSince = now
        case .active, .paused: return
        }
    }

    /// Returns whether the record of a held partition was written since the last pause. A partition
    /// that is not held, or is being freed, needs no such proof.
    private func isConfirmed(_ slot: Slot) -> Bool {
        guard let hold = slot.hold, hold.stage != .freeing else { return true }
        return hold.confirmed == generation
    }

    // MARK: sharing out

    /// A member that may get partitions.
    struct Candidate: Sendable {
        /// `nil` for an owner that is known only from a record.
        var precedence: MemberPrecedence?
        /// Whether it accepts a partition now. Until then its partitions stay where they are.
        var isReady: Bool
    }

    /// Returns the members among which partitions are shared, and which of them are ready to take
    /// one. A member that may return in a moment is one of them, so that nothing moves after NATS
    /// was away.
    private mutating func candidates() -> [MemberName: Candidate] {
        // An owner that only a record names may be dead at any time.
        guard upkeep.strangers.isEmpty else { return findCandidates() }
        if let known = upkeep.candidates { return known }
        let found = findCandidates()
        upkeep.candidates = found
        return found
    }

    private func findCandidates() -> [MemberName: Candidate] {
        var found: [MemberName: Candidate] = [:]
        if phase == .active || phase == .resuming, !takesNothing {
            found[settings.member] = Candidate(precedence: precedence, isReady: phase == .active)
        }
        for (key, peer) in peers where peer.active == .ready || peer.active == .resuming {
            guard peer.state != .gone, !isDead(key) else { continue }
            let isReady = peer.state == .ready && peer.activeLink == links
            let known = found[key.name]
            let precedence = peer.heartbeat.precedence
            found[key.name] = Candidate(
                precedence: max(known?.precedence ?? precedence, precedence),
                isReady: isReady || known?.isReady ?? false)
        }
        for index in upkeep.strangers {
            let slot = slots[index]
            guard let record = slot.record, found[record.owner] == nil,
                record.owner != settings.member, !isDeadOwner(record, of: slot)
            else { continue }
            found[record.owner] = Candidate(precedence: nil, isReady: false)
        }
        let highest = found.values.compactMap(\.precedence).max()
        return found.filter { $0.value.precedence == nil || $0.value.precedence == highest }
    }

    /// Brings what this process owns in line with the assignment: it claims partitions, hands them
    /// over and keeps their records right.
    mutating func share(_ now: Moment, _ effects: inout [Effect]) {
        guard isFresh else { return }
        let candidates = candidates()
        assign(candidates, now.monotonic)
        var handOvers = handOversInProgress(now.monotonic)
        for index in upkeep.mine.union(upkeep.wanted).sorted() {
            guard slots[index].hold != nil else {
                let isWanted = upkeep.wanted.contains(index)
                claimOrFree(index, isMine: isWanted, now, &effects)
                continue
            }
            if handOvers < Self.handOversMax, slots[index].hold?.stage == .held,
                mustGo(to: assignment.member(of: Partition(index)), candidates)
            {
                handOvers += 1
                release(index, now.monotonic, &effects)
            }
            keep(index, now, &effects)
        }
    }

    /// The number of hand-overs that delay further ones.
    private func handOversInProgress(_ now: MonotonicTime) -> Int {
        upkeep.mine.count { index in
            guard let hold = slots[index].hold, hold.stage != .held else { return false }
            return now < hold.releasedAt + Self.handOverNanoseconds
        }
    }

    private mutating func release(
        _ index: Int, _ now: MonotonicTime, _ effects: inout [Effect]
    ) {
        slots[index].hold?.stage = .releasing
        slots[index].hold?.releasedAt = now
        let tenure = slots[index].hold?.tenure ?? 0
        effects.append(.order(.release(Partition(index), tenure: tenure)))
    }

    /// Returns whether a held partition has to be handed over to the member that it belongs to by
    /// the assignment. That member has to be ready for it.
    private func mustGo(
        to owner: MemberName?, _ candidates: [MemberName: Candidate]
    ) -> Bool {
        if handsOverAll { return true }
        guard phase == .active, let owner, owner != settings.member,
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
    private func mayWrite(_ slot: Slot, _ now: MonotonicTime) -> Bool {
        slot.pending == nil && now >= slot.notBefore
            && (slot.readMark == 0 || readsDone > slot.readMark)
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
        let isOrphan = record.map { isMine($0) && $0.state == .held } ?? false
        if isOrphan, takesNothing || !isWanted {
            // The record remains from a claim whose answer was lost, or from a partition that the
            // data plane has lost.
            guard phase == .active || phase == .resuming || wantsLeave else { return }
            return free(index, now, &effects)
        }
        guard phase == .active, isWanted, !takesNothing, now.monotonic >= slot.claimNotBefore
        else { return }
        if let record, record.state == .held, !isOrphan, !isDeadOwner(record, of: slot) { return }
        let epoch = max(slot.epochFloor, record?.epoch ?? 0)
        guard epoch < OwnershipRecord.epochMax - 1 else { return }
        if !isOrphan || slot.origin == nil {
            slots[index].origin = Origin(
                previous: record?.owner,
                wasReleased: record.map { $0.state == .free } ?? true)
        }
        write(
            index,
            OwnershipRecord(
                owner: settings.member, instance: settings.instance, epoch: epoch + 1,
                since: now.wall, state: .held), .claim, &effects)
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
        if hold.confirmed != generation {
            guard phase == .resuming, readsDone > resumeMark else { return }
            record.epoch = max(record.epoch, hold.opened)
            return write(index, record, .confirm, &effects)
        }
        guard hold.opened > hold.epoch, phase == .active else { return }
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
            slots[index].hold?.opened = max(hold.opened, epoch)
            slots[index].epochFloor = max(slots[index].epochFloor, epoch)
        case .released:
            guard hold.stage != .freeing else { return }
            slots[index].hold?.stage = .freeing
            if hold.releasedAt == .distantPast { slots[index].hold?.releasedAt = now }
        case .lost(_, _, let reason):
            setHold(index, nil)
            lost(index, reason, now, &effects)
        }
    }

    /// Makes the next claim wait after a process outside of the group took the partition: twice as
    /// long each time, because the two would otherwise fence each other without end.
    private mutating func lost(
        _ index: Int, _ reason: String, _ now: MonotonicTime, _ effects: inout [Effect]
    ) {
        var slot = slots[index]
        if now - slot.lostAt > 2 * Self.lossWaitMax { slot.losses = 0 }
        let wait = min(Self.lossWaitFirst << Int64(min(5, slot.losses)), Self.lossWaitMax)
        slot.losses += 1
        slot.lostAt = now
        slot.claimNotBefore = now + wait
        slot.readMark = readsStarted
        slots[index] = slot
        readScope = max(readScope, .changes)
        effects.append(
            .note(.fenced(Partition(index), reason: reason, waitNanoseconds: wait)))
    }

    // MARK: leaving

    /// Ends the membership when it is to leave and holds nothing. Without contact to the bucket it
    /// does not wait until its records are free.
    mutating func leaveWhenEmpty(_ now: Moment, _ effects: inout [Effect]) {
        guard wantsLeave, slots.allSatisfy({ $0.hold == nil && $0.pending == nil }) else { return }
        let mayFree = isFresh && (phase == .active || phase == .resuming)
        let isNamed = slots.contains {
            $0.record.map { isMine($0) && $0.state == .held } ?? false
        }
        guard !(mayFree && isNamed) else { return }
        hasLeft = true
        steady(&effects)
        if links > 0 {
            var last = heartbeat
            sequence += 1
            last.sequence = sequence
            effects.append(.send(last))
        }
        effects.append(.left)
    }
}
