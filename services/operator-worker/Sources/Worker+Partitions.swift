import MarketModel
import Primitives
import ServiceRuntime
import StreamCore
import TapeCodec
import TapeTransport
import Telemetry

// How partitions come to work, and what the checkpoint thread answers on the way.
extension Worker {
    /// How long until somebody else's partition, or one that could not be begun with, is looked at
    /// again.
    private static let againNanoseconds: Int64 = 1_000_000_000

    /// Takes the next step that needs no answer.
    func advance(_ index: Int) {
        let slot = slots[index]
        guard !publisher.isFenced(lane: slot.lane) else { return }
        switch slot.stage {
        case .waiting(let until, _):
            let now = clock.monotonic().nanoseconds
            guard now >= until, ask(slot, opened: false) else { return }
            if slot.beganAt == Int64.min { slots[index].beganAt = now }
            slots[index].stage = .looking
        case .opening(let ordinal):
            guard publisher.isReady(lane: slot.lane),
                publisher.nextOrdinal(lane: slot.lane) >= ordinal,
                ask(slot, opened: true)
            else { return }
            slots[index].stage = .finding
        case .leaving:
            guard slot.core?.isEmpty ?? true, publisher.isIdle(lane: slot.lane) else { return }
            beginAnew(index)
        case .looking, .finding, .working, .stopped: return
        }
    }

    private func ask(_ slot: PartitionSlot, opened: Bool) -> Bool {
        let lane = slot.lane
        let end = CheckpointJob.LaneEnd(
            ordinal: publisher.nextOrdinal(lane: lane) - 1, epoch: publisher.epoch(lane: lane))
        return checkpoints.ask(
            .look(slot.partition, tenure: slot.tenure, lane: opened ? end : nil))
    }

    private func index(_ partition: Partition, tenure: UInt64) -> Int? {
        slots.firstIndex { $0.partition == partition && $0.tenure == tenure }
    }

    // MARK: answers

    func heard(_ answer: CheckpointAnswer) {
        let now = clock.monotonic().nanoseconds
        switch answer {
        case .found(let partition, let tenure, let situation):
            guard let index = index(partition, tenure: tenure) else { return }
            found(situation, index)
        case .notFound(let partition, let tenure, let reason):
            guard let index = index(partition, tenure: tenure) else { return }
            context.telemetry.emit(PartitionNotStarted(partition: partition, reason: reason))
            wait(index, reason)
        case .written(let partition, let tenure, let outcome, let written):
            guard let index = index(partition, tenure: tenure) else { return }
            slots[index].isWriting = false
            self.written(outcome, written, index, now: now)
        case .notWritten(let partition, let tenure, let reason):
            context.telemetry.emit(CheckpointFailed(partition: partition, reason: reason))
            guard let index = index(partition, tenure: tenure) else { return }
            slots[index].isWriting = false
            if context.shutdown.isRequested {
                slots[index].core?.giveUp()
            } else {
                slots[index].core?.notStored(now: now)
            }
        case .requested(let partitions):
            for index in slots.indices where partitions.contains(slots[index].partition) {
                requested(index)
            }
        }
    }

    private func wait(_ index: Int, _ reason: String) {
        slots[index].stage = .waiting(
            until: clock.monotonic().nanoseconds + Self.againNanoseconds, reason: reason)
    }

    private func found(_ situation: RecoverySituation, _ index: Int) {
        let lane = slots[index].lane
        guard situation.laneOrdinal != nil else {
            switch situation.refusal {
            case .standBy(let reason): wait(index, reason)
            case .stop(let reason): stop(index, reason)
            case .begin, .raise, nil:
                // Also when the tape was put back, nobody who wrote checkpoints is above.
                publisher.raise(
                    nextOrdinal: 1, aboveEpoch: situation.stored.head?.epoch ?? 0, lane: lane)
                publisher.open(lane: lane)
                slots[index].stage = .opening(ordinal: 0)
            }
            return
        }
        slots[index].isRebuilding = situation.isRebuildRequested
        switch situation.recovery {
        case .begin(let beginning): begin(beginning, index)
        case .raise(let ordinal, let epoch):
            publisher.raise(nextOrdinal: ordinal, aboveEpoch: epoch, lane: lane)
            slots[index].stage = .opening(ordinal: ordinal)
        case .standBy(let reason): wait(index, reason)
        case .stop(let reason): stop(index, reason)
        }
    }

    private func stop(_ index: Int, _ reason: String) {
        slots[index].stage = .stopped(reason)
        context.telemetry.emit(
            PartitionStopped(partition: slots[index].partition, reason: reason))
    }

    private func begin(_ beginning: Beginning, _ index: Int) {
        let slot = slots[index]
        slots[index].core = PartitionOperator(
            partition: slot.partition, settings: settings, beginning: beginning, lane: lane(index))
        slots[index].stage = .working
        slots[index].way = beginning.way.name
        context.telemetry.emit(
            PartitionStarted(
                partition: slot.partition, epoch: publisher.epoch(lane: slot.lane),
                standing: beginning.standing?.ordinal ?? 0, way: beginning.way.name,
                checkpoint: beginning.number, input: beginning.input.position?.sequence ?? 0))
        readers.open(slot.reader, at: beginning.input.position)
        if slots[index].core?.mustHold ?? false { hold(index) }
    }

    // MARK: checkpoints

    /// Hands an image to the checkpoint thread when one is due and none is under way.
    func keep(_ index: Int, now: Int64, isLast: Bool) {
        let slot = slots[index]
        if !slot.isCaughtUp, slot.core?.isCaughtUp ?? false {
            slots[index].isCaughtUp = true
            metrics.caughtUp(nanoseconds: now - slot.beganAt)
        }
        guard !slot.isWriting else { return }
        do throws(CheckpointError) {
            guard let image = try slots[index].core?.checkpoint(now: now, isLast: isLast) else {
                return
            }
            let job = CheckpointJob.write(
                slot.partition, tenure: slot.tenure, image,
                epoch: publisher.epoch(lane: slot.lane))
            if checkpoints.ask(job) {
                slots[index].isWriting = true
            } else {
                slots[index].core?.notStored(now: now)
            }
        } catch {
            context.telemetry.emit(
                CheckpointFailed(partition: slot.partition, reason: "\(error)"))
            slots[index].core?.notStored(now: now)
        }
    }

    private func written(
        _ outcome: CheckpointOutcome, _ written: CheckpointAnswer.Written, _ index: Int, now: Int64
    ) {
        let partition = slots[index].partition
        switch outcome {
        case .stored(let number):
            slots[index].core?.stored()
            slots[index].isRebuilding = false
            slots[index].checkpoint = PartitionSlot.Kept(
                number: number, sequence: written.sequence, byteCount: written.byteCount, at: now)
            metrics.wrote(nanoseconds: written.nanoseconds)
            context.telemetry.emit(
                CheckpointWritten(partition: partition, number: number, written: written))
        case .superseded(let reason):
            slots[index].core?.superseded(reason)
            context.telemetry.emit(CheckpointFailed(partition: partition, reason: reason))
        }
    }

    // MARK: rebuilds

    /// A person wants the partition's bars made anew, whatever it does now.
    private func requested(_ index: Int) {
        let slot = slots[index]
        guard !publisher.isFenced(lane: slot.lane), !slot.isRebuilding else { return }
        switch slot.stage {
        // The next look sees the request by itself.
        case .waiting, .looking, .opening, .finding, .leaving: return
        case .stopped: beginAnew(index)
        case .working:
            context.telemetry.emit(RebuildBegun(partition: slot.partition))
            // What was computed is right as far as it goes, and leaves first.
            hold(index)
            slots[index].stage = .leaving
        }
    }

    private func beginAnew(_ index: Int) {
        readers.close(slots[index].reader)
        slots[index].tenure += 1
        slots[index].core = nil
        slots[index].isHeld = false
        slots[index].isWriting = false
        slots[index].isCaughtUp = false
        slots[index].beganAt = clock.monotonic().nanoseconds
        slots[index].stage = .waiting(
            until: Int64.min, reason: "its bars are about to be made anew")
    }
}
