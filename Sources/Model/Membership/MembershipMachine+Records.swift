internal import MarketModel
internal import Primitives

// How the records in the bucket of owners are read and written.
extension MembershipMachine {
    /// Begins a read if one is due.
    mutating func read(_ now: MonotonicTime, _ effects: inout [Effect]) {
        guard hearing.links > 0, !reads.isReading, now >= reads.due else { return }
        let after = reads.begin(on: hearing.links, at: now)
        effects.append(.read(number: reads.started, after: after))
    }

    mutating func receive(_ read: RecordsRead, _ now: MonotonicTime, _ effects: inout [Effect]) {
        let spacing = min(spacing, heartbeats.interval)
        guard reads.end(read.number, on: hearing.links, spacing: spacing, at: now) else { return }
        let isReplaced = contradicts(read)
        guard reads.accept(read, contradicts: isReplaced, at: now) else { return }
        if read.isWhole { slots.clear(peers) }
        for change in read.changes { note(change, now, &effects) }
        note(read.drain, &effects)
        if isReplaced { effects.append(.note(.bucketReplaced)) }
        for index in slots.mine.sorted() { reconcile(index, &effects) }
    }

    /// Returns true when the bucket ends before what was read, or when its writes do not continue
    /// the known ones.
    private func contradicts(_ read: RecordsRead) -> Bool {
        guard read.isWhole else { return false }
        if !reads.wasWhole || read.last < reads.last { return true }
        var found = [RecordsRead.Change?](repeating: nil, count: slots.indices.count)
        for change in read.changes where slots.indices.contains(change.partition.number) {
            found[change.partition.number] = change
        }
        return zip(slots.indices, found).contains { index, change in
            let slot = slots[index]
            guard slot.revision == change?.revision else {
                return change?.revision ?? 0 < slot.revision
            }
            guard case .record(let record)? = change?.content else { return slot.record != nil }
            return slot.record != record
        }
    }

    /// Takes one record that was read. An owner's new write proves that it is alive.
    private mutating func note(
        _ change: RecordsRead.Change, _ now: MonotonicTime, _ effects: inout [Effect]
    ) {
        let (isTaken, news) = slots.take(change, peers, at: now)
        if isTaken, case .refused(let refusal) = change.content {
            effects.append(.note(.refusedRecord(change.partition, refusal)))
        }
        guard let news, news.state == .held else { return }
        let key = MembershipPeers.Key(ownerOf: news)
        guard peers.wrote(key, at: now) else { return }
        sharing.findAgain()
        effects.append(.note(.came(key.name, instance: key.instance)))
    }

    /// Gives up a partition that the record no longer assigns to this process.
    private mutating func reconcile(_ index: Int, _ effects: inout [Effect]) {
        guard let hold = slots[index].hold else { return }
        if let record = slots[index].record, slots.isMine(record) {
            if record.state == .held, record.epoch >= hold.epoch {
                return slots.keeps(index, epoch: record.epoch)
            }
            if record.state == .free, hold.stage == .freeing { return freed(index, &effects) }
        }
        slots.giveUp(index, peers)
        // A write that was just sent is not known here yet. Its answer will decide.
        guard hold.stage != .freeing else { return }
        effects.append(.order(.drop(Partition(index), tenure: hold.tenure)))
        effects.append(.note(.dropped(Partition(index), owner: slots[index].record?.owner)))
    }

    // MARK: writing

    mutating func write(
        _ index: Int, _ record: OwnershipRecord, _ kind: MembershipSlot.Pending.Kind,
        _ effects: inout [Effect]
    ) {
        let write = slots.write(
            index, record, kind, generation: standing.generation, link: hearing.links)
        effects.append(.write(write))
    }

    /// Handles the outcome of a write.
    mutating func written(
        _ partition: Partition, _ id: UInt64, _ outcome: WriteOutcome, _ now: MonotonicTime,
        _ effects: inout [Effect]
    ) {
        guard let pending = slots.ended(partition, id) else { return }
        let index = partition.number
        switch outcome {
        case .stored(let revision) where pending.link == hearing.links:
            stored(index, pending, revision, &effects)
        case .stored:
            // The bucket may have been restored from a backup since, so it has to be read.
            mustRead(index)
        case .conflict:
            mustRead(index)
            // Reading the changes did not help: perhaps the bucket went back.
            if slots.conflicted(index) % 4 == 0 { reads.require(.whole) }
        case .unsettled(let reason):
            slots.failed(index, at: now)
            mustRead(index)
            effects.append(.note(.writeFailed(partition, reason: reason)))
        }
    }

    /// Requires that a new read succeeds before the partition's record is written again.
    mutating func mustRead(_ index: Int) {
        slots.mustRead(index, after: reads.started)
        reads.require(.changes)
    }

    private mutating func stored(
        _ index: Int, _ pending: MembershipSlot.Pending, _ revision: UInt64,
        _ effects: inout [Effect]
    ) {
        reads.stored(revision)
        // Otherwise another process has written after it, and that write was read already.
        guard slots.stored(index, pending, revision, peers) else { return }
        switch pending.kind {
        case .claim: take(index, pending, &effects)
        case .confirm: slots.confirm(index, pending.generation)
        case .raise: slots.keeps(index, epoch: pending.record.epoch)
        case .free: if slots[index].hold?.stage == .freeing { freed(index, &effects) }
        }
    }

    /// Begins a tenure after a claim was stored.
    private mutating func take(
        _ index: Int, _ pending: MembershipSlot.Pending, _ effects: inout [Effect]
    ) {
        // A member that is leaving does not need the partition any more, and gives it back.
        guard !standing.takesNothing else { return }
        let claim = slots.take(index, pending, peers)
        effects.append(.order(.take(Partition(index), claim)))
        effects.append(.note(.claimed(Partition(index), claim)))
    }

    /// Ends a tenure whose record shows that the partition is free.
    private mutating func freed(_ index: Int, _ effects: inout [Effect]) {
        slots.giveUp(index, peers)
        effects.append(
            .note(.released(Partition(index), epoch: slots[index].record?.epoch ?? 0)))
    }
}
