import MarketModel
import Membership
import Primitives
import ServiceRuntime
import StreamCore
import TapeCodec
import TapeProtocol
import TapeTransport

// How partitions begin to work, and how answers of the checkpoint threads are handled.
extension Worker {
    /// The wait before a partition that could not begin, or that has bars of a higher generation,
    /// is tried again.
    private static let againNanoseconds: Int64 = 1_000_000_000

    /// How long a partition waits at most to load its state while markers of other partitions are
    /// on their way, because loading would keep the thread and the server's disk busy. A partition
    /// that its owner has just handed over does not wait, because its bars pause until its ticks
    /// are read again.
    private static let restoreWaitNanosecondsMax: Int64 = 200_000_000

    /// Takes the partition's next step if it needs no answer of the checkpoint threads. The loop
    /// calls it for each owned partition that it visits.
    func advance(_ index: Int, now: MonotonicTime) {
        let slot = slots[index]
        switch slot.stage {
        case .waiting(let until, _):
            guard now >= until,
                checkpoints.ask(.look(slot.partition, round: slot.round))
            else { return }
            if slot.progress.beganAt == .distantPast { slots[index].progress.beganAt = now }
            slots[index].stage = .looking
        case .opening(let ordinal):
            guard publisher.isReady(lane: slot.lane),
                publisher.nextOrdinal(lane: slot.lane) >= ordinal, mayRestore(slot, now: now),
                checkpoints.ask(.find(slot.partition, round: slot.round, lane: end(slot)))
            else { return }
            slots[index].stage = .finding
        case .restored(let position):
            guard mayRestore(slot, now: now) else { return }
            slots[index].stage = .working
            readers.open(slot.reader, at: position)
            if slots[index].core?.mustHold ?? false { hold(index) }
        case .working:
            guard !slot.progress.hasRead, readers.isReading(slot.reader) else { return }
            slots[index].progress.hasRead = true
            metrics.restored(nanoseconds: now - (slot.progress.openedAt ?? now))
        case .leaving:
            guard slot.core?.mayLeave ?? true, publisher.isIdle(lane: slot.lane) else { return }
            beginAnew(index)
        case .idle, .looking, .finding, .storing, .releasing, .stopped: return
        }
    }

    /// Returns whether the partition may load its state now, or has to let others open first.
    private func mayRestore(_ slot: PartitionSlot, now: MonotonicTime) -> Bool {
        slot.claim?.wasReleased ?? false
            || now >= (slot.progress.openedAt ?? now) + Self.restoreWaitNanosecondsMax
            || !slots.contains(where: \.isWaitingForMarker)
    }

    /// Returns the end of a lane's output, as the publisher found it when it opened the lane. If
    /// another packet had come before its marker, the lane would have opened a later epoch.
    private func end(_ slot: PartitionSlot) -> CheckpointJob.LaneEnd {
        let epoch = publisher.epoch(lane: slot.lane)
        let standing = slot.progress.standing
        return CheckpointJob.LaneEnd(
            ordinal: publisher.nextOrdinal(lane: slot.lane) - 1, epoch: epoch,
            published: standing?.epoch == epoch ? standing?.end : nil)
    }

    /// Returns the slot that the answer is for; `nil` when it is an answer to an older round.
    private func index(_ partition: Partition, round: UInt64) -> Int? {
        guard let index = slotOfPartition[partition], slots[index].isOwned,
            slots[index].round == round
        else { return nil }
        return index
    }

    // MARK: answers

    /// Handles an answer of the checkpoint threads.
    func handle(_ answer: CheckpointAnswer) {
        let now = clock.monotonic()
        switch answer {
        case .found(let partition, let round, let situation):
            guard let index = index(partition, round: round) else { return }
            found(situation, index)
        case .notFound(let partition, let round, let reason):
            guard let index = index(partition, round: round) else { return }
            context.telemetry.emit(.partitionNotStarted(partition: partition, reason: reason))
            wait(index, reason)
        case .written(let partition, let round, let outcome, let written):
            guard let index = index(partition, round: round) else { return }
            slots[index].checkpoints.isWriting = false
            self.written(outcome, written, index, now: now)
        case .notWritten(let partition, let round, let reason):
            context.telemetry.emit(.checkpointFailed(partition: partition, reason: reason))
            guard let index = index(partition, round: round) else { return }
            slots[index].checkpoints.isWriting = false
            switch slots[index].stage {
            // Another try would delay the member that waits for the partition.
            case .storing, .releasing: slots[index].core?.giveUp()
            case .idle, .waiting, .looking, .opening, .finding, .restored, .working, .leaving,
                .stopped:
                slots[index].core?.notStored(now: now)
            }
        case .repair(let answer, let number): openQuestion?.take(answer, number: number)
        case .requested(let partitions):
            for index in partitions.compactMap({ slotOfPartition[$0] }) { requested(index) }
        }
    }

    /// Lets the partition try again later.
    private func wait(_ index: Int, _ reason: String) {
        slots[index].stage = .waiting(
            until: clock.monotonic() + Self.againNanoseconds, reason: reason)
    }

    /// Opens the lane if the partition may be taken. Opening it takes the partition away from its
    /// earlier owner.
    private func decide(_ situation: RecoverySituation, _ index: Int, _ claim: Claim) {
        let lane = slots[index].lane
        switch situation.refusal {
        case .standBy(let reason): wait(index, reason)
        case .stop(let reason): stop(index, reason)
        case .begin, .raise, nil:
            // The epoch must be above those of all writers of checkpoints and of all earlier
            // owners, also after the tape was restored from a backup. It must be at least the
            // claim's, so it must be above the number before that one.
            let stored = situation.request?.stored
            let isClosed = publisher.epoch(lane: lane) == 0
            let epoch = max(
                situation.stored.head?.epoch ?? 0, claim.epoch - min(1, claim.epoch),
                stored?.epoch ?? 0)
            raise((stored?.lastOrdinal ?? 0) + 1, above: epoch, stored: stored?.lastOrdinal, lane)
            publisher.open(lane: lane, behind: situation.last)
            // A lane that was open already may have published since.
            slots[index].progress.standing = nil
            if isClosed, let end = situation.standing {
                slots[index].progress.standing = (end, publisher.epoch(lane: lane))
            }
            // With 0, any ordinal is high enough.
            slots[index].stage = .opening(ordinal: 0)
        }
    }

    /// Raises a lane. Bars up to `stored` are rows of a database, so the tape has not lost them.
    private func raise(_ ordinal: UInt64, above epoch: UInt64, stored: UInt64?, _ lane: Int) {
        let rows = stored.map { StoredRows(lastOrdinal: $0, until: .undefined) }
        publisher.raise(nextOrdinal: ordinal, aboveEpoch: epoch, stored: rows, lane: lane)
    }

    /// Handles the answer to `look` (the lane is not open) or to `find` (it is).
    private func found(_ situation: RecoverySituation, _ index: Int) {
        let lane = slots[index].lane
        // A partition that is handed over does not begin any more.
        if case .releasing = slots[index].stage { return }
        // Only an answer to `find` states the lane's end.
        guard situation.laneOrdinal != nil else {
            if let claim = slots[index].claim { decide(situation, index, claim) }
            return
        }
        slots[index].progress.isRebuilding = situation.request != nil
        switch situation.recovery {
        case .begin(let beginning): begin(beginning, index)
        case .raise(let ordinal, let epoch, let stored):
            raise(ordinal, above: epoch, stored: stored, lane)
            slots[index].stage = .opening(ordinal: ordinal)
        case .standBy(let reason): wait(index, reason)
        case .stop(let reason): stop(index, reason)
        }
    }

    /// Stops a partition that has not begun, until a person acts.
    private func stop(_ index: Int, _ reason: String) {
        slots[index].stage = .stopped(reason)
        context.telemetry.emit(
            .partitionStopped(partition: slots[index].partition, reason: reason))
    }

    /// Makes the partition's core. The reader opens later.
    private func begin(_ beginning: Beginning, _ index: Int) {
        let slot = slots[index]
        slots[index].core = PartitionOperator(
            partition: slot.partition, settings: settings, beginning: beginning, lane: lane(index))
        slots[index].core?.hasLiveEdges = live != nil && !edges.isEmpty
        divideRecomputation()
        slots[index].stage = .restored(beginning.input.position)
        slots[index].progress.way = beginning.way.name
        slots[index].checkpoints.known = []
        if beginning.number > 0 {
            slots[index].keep(sequence: beginning.input.position?.sequence ?? 0, isBase: true)
        }
        context.telemetry.emit(
            PartitionStarted(
                partition: slot.partition, epoch: publisher.epoch(lane: slot.lane),
                published: beginning.published?.ordinal ?? 0, way: beginning.way.name,
                checkpoint: beginning.number, input: beginning.input.position?.sequence ?? 0
            ).event)
    }

    // MARK: checkpoints

    /// Sends an image to the checkpoint thread when one is due and none is on its way. `isLast` is
    /// true when the partition is handed over, so that every new position is due.
    func keep(_ index: Int, now: MonotonicTime, isLast: Bool) {
        let slot = slots[index]
        if !slot.progress.isCaughtUp, slot.core?.isCaughtUp ?? false {
            slots[index].progress.isCaughtUp = true
            metrics.caughtUp(nanoseconds: now - slot.progress.beganAt)
        }
        guard !slot.checkpoints.isWriting else { return }
        do throws(CheckpointError) {
            guard let image = try slots[index].core?.checkpoint(now: now, isLast: isLast) else {
                return
            }
            let job = CheckpointJob.write(
                slot.partition, round: slot.round, image,
                epoch: publisher.epoch(lane: slot.lane))
            if checkpoints.ask(job) {
                slots[index].checkpoints.isWriting = true
            } else {
                slots[index].core?.notStored(now: now)
            }
        } catch {
            context.telemetry.emit(
                .checkpointFailed(partition: slot.partition, reason: "\(error)"))
            slots[index].core?.notStored(now: now)
        }
    }

    /// Handles the answer that an image was stored, or that another owner writes the partition's
    /// checkpoints.
    private func written(
        _ outcome: CheckpointOutcome, _ written: CheckpointAnswer.Written, _ index: Int,
        now: MonotonicTime
    ) {
        let partition = slots[index].partition
        switch outcome {
        case .stored(let number):
            slots[index].core?.stored()
            slots[index].progress.isRebuilding = false
            slots[index].keep(sequence: written.sequence, isBase: written.isBase)
            slots[index].checkpoints.last = PartitionSlot.Kept(
                number: number, sequence: written.sequence, byteCount: written.byteCount, at: now)
            metrics.wrote(nanoseconds: written.nanoseconds)
            context.telemetry.emit(
                .checkpointWritten(partition: partition, number: number, written: written))
        case .superseded(let reason):
            slots[index].core?.superseded(reason)
            context.telemetry.emit(.checkpointFailed(partition: partition, reason: reason))
        }
    }

    // MARK: rebuilds

    /// Begins a rebuild that a person requested, whatever the partition is doing.
    private func requested(_ index: Int) {
        let slot = slots[index]
        guard slot.isOwned, !slot.progress.isRebuilding else { return }
        switch slot.stage {
        // The next job to the checkpoint thread sees the request.
        case .idle, .waiting, .looking, .opening, .finding, .leaving, .storing, .releasing: return
        case .stopped: beginAnew(index)
        case .restored, .working:
            context.telemetry.emit(.rebuildBegun(partition: slot.partition))
            // The computed output is right so far, and is published first.
            hold(index)
            slots[index].stage = .leaving
        }
    }

    /// Forgets the partition's state, and begins with the checkpoints again.
    private func beginAnew(_ index: Int) {
        readers.close(slots[index].reader)
        dropRepair(index)
        metrics.left(slots[index].core)
        slots[index].round += 1
        slots[index].core = nil
        slots[index].progress.hasRead = false
        slots[index].isHeld = false
        slots[index].checkpoints.isWriting = false
        slots[index].progress.isCaughtUp = false
        slots[index].progress.beganAt = clock.monotonic()
        slots[index].stage = .waiting(
            until: .distantPast, reason: "its bars are about to be made anew")
    }
}
