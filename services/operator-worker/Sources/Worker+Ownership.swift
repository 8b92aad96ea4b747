import MarketModel
import Membership
import MembershipTransport
import Primitives
import ServiceRuntime
import TapeCodec
import TapeTransport

// How partitions come and go: the orders of the membership, and the reports to it.
extension Worker {
    /// How long it may take to publish the computed bars and to store a last checkpoint when
    /// another member waits for the partition. After that the partition is handed over as it is:
    /// the next owner computes the rest again.
    private static let releaseNanosecondsMax: Int64 = 5_000_000_000
    /// How long of it the partition may still work, while its state is stored.
    private static let storeNanosecondsMax: Int64 = 1_000_000_000

    /// Carries out an order of the membership. Orders of older tenures have no effect.
    func carryOut(_ order: OwnershipOrder) {
        switch order {
        case .take(let partition, let claim):
            guard let index = slotOfPartition[partition] else { return }
            take(index, claim)
        case .release(let partition, let tenure):
            guard let index = slotOfPartition[partition] else { return }
            guard slots[index].claim?.tenure == tenure else {
                // Nothing of that tenure is running any more.
                unsentAnswers.append(.released(partition, tenure: tenure))
                return
            }
            release(index)
        case .drop(let partition, let tenure):
            guard let index = slotOfPartition[partition], slots[index].claim?.tenure == tenure
            else { return }
            context.telemetry.emit(.partitionDropped(partition: partition))
            close(index)
        }
    }

    /// Begins to take a partition under a claim. A claim that is not newer than the present one has
    /// no effect.
    private func take(_ index: Int, _ claim: Claim) {
        if let present = slots[index].claim {
            guard claim.tenure > present.tenure else { return }
            close(index)
        }
        slots[index].claim = claim
        slots[index].progress.orderedAt = clock.monotonic()
        slots[index].stage = .waiting(until: .distantPast, reason: nil)
        divideRecomputation()
    }

    /// Reports to the membership that a marker of this worker is stored, so that its epoch is valid
    /// from now on. After the first marker of a claim, further ones come when the lane was raised.
    func opened(_ index: Int, _ header: PacketHeader) {
        guard let claim = slots[index].claim else { return }
        unsentAnswers.append(
            .opened(slots[index].partition, tenure: claim.tenure, epoch: header.epoch))
        guard slots[index].progress.openedAt == nil else { return }
        let now = clock.monotonic()
        slots[index].progress.openedAt = now
        metrics.tookOver(nanoseconds: now - slots[index].progress.orderedAt)
    }

    /// Begins to hand the partition over. One that works has its state stored first, and works on
    /// meanwhile. So its bars pause for as little as possible, and the next owner has only the last
    /// packets to compute again.
    private func release(_ index: Int) {
        let now = clock.monotonic()
        switch slots[index].stage {
        case .storing, .releasing: return
        case .working:
            slots[index].stage = .storing(since: now)
            if isSteady { keep(index, now: now, isLast: true) }
        case .idle, .waiting, .looking, .opening, .finding, .restored, .leaving, .stopped:
            stopReading(index, orderedAt: now)
        }
    }

    /// Ends the partition's work here: it reads no more, and publishes what it has.
    private func stopReading(_ index: Int, orderedAt time: MonotonicTime) {
        // Delivered packets that were not taken yet are left to the next owner.
        readers.close(slots[index].reader)
        dropRepair(index)
        slots[index].stage = .releasing(
            since: clock.monotonic(), until: time + Self.releaseNanosecondsMax)
    }

    /// Stops reading in partitions whose state is stored, and in those for which that cannot be
    /// waited for.
    private func finishStoring(now: MonotonicTime) {
        for index in visits.due {
            guard case .storing(let since) = slots[index].stage else { continue }
            let isStored = slots[index].core?.waiting == nil && !slots[index].checkpoints.isWriting
            // A repair would take its time.
            let isHalted = slots[index].core?.hasRepair ?? true
            guard isStored || isHalted || now >= since + Self.storeNanosecondsMax else { continue }
            stopReading(index, orderedAt: since)
        }
    }

    /// Hands over partitions whose bars are on the tape, whose state is stored, and that have
    /// nothing in flight.
    func finishReleases(now: MonotonicTime) {
        finishStoring(now: now)
        for index in visits.due {
            let slot = slots[index]
            guard case .releasing(let since, let until) = slot.stage, let claim = slot.claim else {
                continue
            }
            let isDone =
                slot.core?.mayGo ?? true && !slot.checkpoints.isWriting
                && publisher.isIdle(lane: slot.lane)
            guard isDone || now >= until else { continue }
            let nanoseconds = clock.monotonic() - since
            metrics.handedOver(nanoseconds: nanoseconds)
            // A state that cannot be stored is not waited for.
            let isComplete = isDone && slot.core?.isStorable ?? true
            context.telemetry.emit(
                .partitionReleased(
                    partition: slot.partition, isComplete: isComplete, nanoseconds: nanoseconds))
            close(index)
            unsentAnswers.append(.released(slot.partition, tenure: claim.tenure))
        }
    }

    /// Closes partitions in which another worker has opened a higher epoch. That worker is not of
    /// this group, or the group considered this one dead.
    func leaveWhatIsFenced() {
        for index in visits.due {
            let slot = slots[index]
            guard let claim = slot.claim, publisher.isFenced(lane: slot.lane) else { continue }
            let reason = "another worker published bars under a higher epoch"
            context.telemetry.emit(.partitionLost(partition: slot.partition, reason: reason))
            close(index)
            unsentAnswers.append(.lost(slot.partition, tenure: claim.tenure, reason: reason))
        }
    }

    /// Forgets the partition immediately, with its computed output. It may be taken again.
    private func close(_ index: Int) {
        let slot = slots[index]
        readers.close(slot.reader)
        dropRepair(index)
        publisher.reset(lane: slot.lane)
        metrics.left(slot.core)
        slots[index] = PartitionSlot(
            partition: slot.partition, reader: slot.reader, lane: slot.lane,
            round: slot.round + 1)
        divideRecomputation()
    }

    /// Divides the time that computing again after a crash may take
    /// (`CheckpointTimes.recomputeNanosecondsMax`) among the owned partitions. With more
    /// partitions, each one stores checkpoints more often.
    func divideRecomputation() {
        let owned = slots.count(where: \.isOwned)
        for index in slots.indices { slots[index].core?.schedule.sharing = owned }
    }

    /// Sends the answers to the membership, as far as it has room.
    func sendAnswers() {
        guard !unsentAnswers.isEmpty else { return }
        var sent = 0
        while sent < unsentAnswers.count, port.answer(unsentAnswers[sent]) { sent += 1 }
        unsentAnswers.removeFirst(sent)
    }
}

extension ServiceEvent {
    /// `isComplete`: whether all output and the state were stored; false when the tape or the
    /// bucket was too slow.
    static func partitionReleased(partition: Partition, isComplete: Bool, nanoseconds: Int64)
        -> Self
    {
        Self(
            isComplete ? .info : .warning, "operator.partition.released",
            isComplete
                ? "a partition was kept and given to another worker"
                : "a partition was given to another worker, which has to compute its end again",
            ("partition", .integer(Int64(partition.number))),
            ("seconds", .real(Double(nanoseconds) / 1e9))
        ) { $0.countLeft(isComplete ? "released" : "cut_short") }
    }

    static func partitionDropped(partition: Partition) -> Self {
        Self(
            .warning, "operator.partition.dropped", "another worker has taken a partition over",
            ("partition", .integer(Int64(partition.number)))
        ) { $0.countLeft("dropped") }
    }

    static func partitionLost(partition: Partition, reason: String) -> Self {
        Self(
            .warning, "operator.partition.lost",
            "a partition was taken away on the tape: \(reason)",
            ("partition", .integer(Int64(partition.number)))
        ) { $0.countLeft("lost") }
    }
}

extension MetricRegistry {
    fileprivate func countLeft(_ reason: String) {
        counter(
            "mds_operator_partitions_left_total", "a partition that ended here",
            "cut_short: its last state was not stored, because the tape or the bucket was too "
                + "slow for a hand-over, or it was repaired, caught up or stopped at that time; "
                + "lost: a process outside of the group writes bars",
            by: "reason: released, cut_short, dropped, lost",
            labels: [("reason", reason)]
        ).add()
    }
}
