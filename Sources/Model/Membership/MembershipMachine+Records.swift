internal import MarketModel
internal import Primitives

// How the records in the bucket of owners are read and written. Every write of the bucket has a
// *revision*, which is higher than all before. A process reads what was written after the last
// revision that it knows, or everything. A bucket *goes back* when it is restored from a backup.
extension MembershipMachine {
    /// Begins a read if one is due.
    mutating func read(_ now: MonotonicTime, _ effects: inout [Effect]) {
        guard links > 0, !isReading, now >= readDue else { return }
        readsStarted += 1
        isReading = true
        readLink = links
        // For a bucket that was empty, every record is new. That does not show that it is another
        // bucket.
        let isDue = readScope == .nothing && now >= wholeAt + Self.wholeIntervalNanoseconds
        readWasWhole = readScope == .whole || isDue || lastRead == 0
        if readWasWhole { wholeAt = now }
        readScope = .nothing
        effects.append(.read(number: readsStarted, after: readWasWhole ? 0 : lastRead))
    }

    /// The shortest time between two reads in a group of this size.
    private var readSpacing: Int64 {
        let members = Int64(peers.count) * Self.readSpacingPerMember
        return min(max(Self.readSpacingNanoseconds, members), interval)
    }

    /// Notes that a read has ended without a result that can be used: its scope has to be read
    /// again.
    mutating func readEnded(_ number: UInt64, _ now: MonotonicTime) {
        guard isReading, number == readsStarted else { return }
        isReading = false
        readAt = now
        readNotBefore = now + readSpacing
        readScope = max(readScope, readWasWhole ? .whole : .changes)
    }

    mutating func receive(_ read: RecordsRead, _ now: MonotonicTime, _ effects: inout [Effect]) {
        guard isReading, read.number == readsStarted else { return }
        // This read has succeeded, so only what was added meanwhile has to be read.
        let scope = readScope
        readEnded(read.number, now)
        readScope = scope
        // A read on an older link may be older than what was read on this link.
        guard readLink == links else {
            readScope = .whole
            doubtedSince = nil
            return
        }
        let isReplaced = contradicts(read)
        guard !isReplaced || isBelieved(read, now) else { return }
        doubtedSince = nil
        readsDone = read.number
        if read.isWhole {
            for index in slots.indices {
                slots[index].record = nil
                slots[index].revision = 0
            }
            lastRead = 0
            lastWritten = 0
            isFresh = true
            for index in upkeep.mine.union(upkeep.strangers) { noteOwner(index) }
        }
        for change in read.changes { note(change, now, &effects) }
        note(read.drain, &effects)
        lastRead = max(lastRead, read.last)
        if isReplaced {
            hasToReportReplaced = true
            effects.append(.note(.bucketReplaced))
        }
        for index in upkeep.mine.sorted() { reconcile(index, &effects) }
    }

    /// Returns true when the bucket ends before what was read, or when its writes do not continue
    /// the known ones.
    private func contradicts(_ read: RecordsRead) -> Bool {
        guard read.isWhole else { return false }
        if !readWasWhole || read.last < lastRead { return true }
        var found = [RecordsRead.Change?](repeating: nil, count: slots.count)
        for change in read.changes where slots.indices.contains(change.partition.number) {
            found[change.partition.number] = change
        }
        return zip(slots, found).contains { slot, change in
            guard slot.revision == change?.revision else {
                return change?.revision ?? 0 < slot.revision
            }
            guard case .record(let record)? = change?.content else { return slot.record != nil }
            return slot.record != record
        }
    }

    /// Returns whether a contradicting read is believed. It is repeated first: once more where
    /// there is one copy. Until then nothing of it is used.
    private mutating func isBelieved(_ read: RecordsRead, _ now: MonotonicTime) -> Bool {
        let since = doubtedSince ?? now
        let isNew = doubtedSince == nil
        doubtedSince = since
        let isLong = now - since >= Self.doubtNanoseconds
        guard isNew || read.isReplicated && !isLong else { return true }
        readScope = .whole
        if !isNew { readNotBefore = now + min(Self.doubtSpacingNanoseconds, lease / 4) }
        return false
    }

    /// Takes one record that was read.
    private mutating func note(
        _ change: RecordsRead.Change, _ now: MonotonicTime, _ effects: inout [Effect]
    ) {
        let index = change.partition.number
        // Records of higher partitions remain from a time with more partitions.
        guard slots.indices.contains(index), change.revision > slots[index].revision else { return }
        slots[index].revision = change.revision
        let isNew = slots[index].seen != change.revision
        slots[index].seen = change.revision
        slots[index].seenAt = isNew ? now : slots[index].seenAt
        switch change.content {
        case .record(let record):
            slots[index].record = record
            slots[index].epochFloor = max(slots[index].epochFloor, record.epoch)
            if isNew, record.state == .held { wrote(record, now, &effects) }
        case .deleted: slots[index].record = nil
        case .refused(let refusal):
            slots[index].record = nil
            effects.append(.note(.refusedRecord(change.partition, refusal)))
        }
        noteOwner(index)
    }

    /// Gives up a partition that the record no longer assigns to this process.
    private mutating func reconcile(_ index: Int, _ effects: inout [Effect]) {
        guard let hold = slots[index].hold else { return }
        if let record = slots[index].record, isMine(record) {
            if record.state == .held, record.epoch >= hold.epoch {
                slots[index].hold?.epoch = record.epoch
                return
            }
            if record.state == .free, hold.stage == .freeing { return freed(index, &effects) }
        }
        setHold(index, nil)
        // A write that was just sent is not known here yet. Its answer will decide.
        guard hold.stage != .freeing else { return }
        effects.append(.order(.drop(Partition(index), tenure: hold.tenure)))
        effects.append(.note(.dropped(Partition(index), owner: slots[index].record?.owner)))
    }

    // MARK: writing

    /// Writes a record, if its last write is still the one that is known here.
    mutating func write(
        _ index: Int, _ record: OwnershipRecord, _ kind: Pending.Kind, _ effects: inout [Effect]
    ) {
        writes += 1
        slots[index].pending = Pending(
            id: writes, kind: kind, record: record, generation: generation, link: links)
        effects.append(
            .write(
                RecordWrite(
                    id: writes, partition: Partition(index), record: record,
                    expected: slots[index].revision)))
    }

    /// Handles the outcome of a write.
    mutating func written(
        _ partition: Partition, _ id: UInt64, _ outcome: WriteOutcome, _ now: MonotonicTime,
        _ effects: inout [Effect]
    ) {
        let index = partition.number
        guard slots.indices.contains(index), let pending = slots[index].pending, pending.id == id
        else { return }
        slots[index].pending = nil
        switch outcome {
        case .stored(let revision) where pending.link == links:
            stored(index, pending, revision, &effects)
        case .stored:
            // The bucket may have been restored from a backup since, so it has to be read.
            mustRead(index)
        case .conflict:
            slots[index].conflicts += 1
            mustRead(index)
            // Reading the changes did not help: perhaps the bucket went back.
            if slots[index].conflicts % 4 == 0 { readScope = .whole }
        case .unsettled(let reason):
            let wait = Self.writeWaitFirst << Int64(min(6, slots[index].failures))
            slots[index].failures += 1
            slots[index].notBefore = now + min(wait, Self.writeWaitMax)
            upkeep.writesWaitUntil = max(upkeep.writesWaitUntil, slots[index].notBefore)
            mustRead(index)
            effects.append(.note(.writeFailed(partition, reason: reason)))
        }
    }

    /// Requires that a new read succeeds before the partition's record is written again.
    private mutating func mustRead(_ index: Int) {
        slots[index].readMark = readsStarted
        readScope = max(readScope, .changes)
    }

    private mutating func stored(
        _ index: Int, _ pending: Pending, _ revision: UInt64, _ effects: inout [Effect]
    ) {
        slots[index].failures = 0
        slots[index].conflicts = 0
        slots[index].epochFloor = max(slots[index].epochFloor, pending.record.epoch)
        lastWritten = max(lastWritten, revision)
        if revision == lastRead + 1 { lastRead = revision }
        // Another process has written after it, and that write was read already.
        guard revision >= slots[index].revision else { return }
        slots[index].revision = revision
        slots[index].record = pending.record
        noteOwner(index)
        switch pending.kind {
        case .claim: take(index, pending, &effects)
        case .confirm: slots[index].hold?.confirmed = pending.generation
        case .raise: slots[index].hold?.epoch = pending.record.epoch
        case .free: if slots[index].hold?.stage == .freeing { freed(index, &effects) }
        }
    }

    /// Begins a tenure after a claim was stored.
    private mutating func take(_ index: Int, _ pending: Pending, _ effects: inout [Effect]) {
        // A member that is leaving does not need the partition any more, and gives it back.
        guard !takesNothing else { return }
        tenures += 1
        let origin = slots[index].origin ?? Origin(previous: nil, wasReleased: true)
        slots[index].origin = nil
        setHold(
            index,
            Hold(tenure: tenures, epoch: pending.record.epoch, confirmed: pending.generation))
        let claim = Claim(
            tenure: tenures, epoch: pending.record.epoch, previous: origin.previous,
            wasReleased: origin.wasReleased)
        effects.append(.order(.take(Partition(index), claim)))
        effects.append(.note(.claimed(Partition(index), claim)))
    }

    /// Ends a tenure whose record shows that the partition is free.
    private mutating func freed(_ index: Int, _ effects: inout [Effect]) {
        setHold(index, nil)
        effects.append(
            .note(.released(Partition(index), epoch: slots[index].record?.epoch ?? 0)))
    }
}
