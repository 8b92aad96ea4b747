import MarketModel
import Membership
import MembershipTransport
import PostgresClient
import Primitives
import ServiceRuntime
import TapeCodec
import TapeTransport

// Which partitions the worker claims, and how it gives partitions up.
extension StoreWorker {
    /// Whether there are partitions to claim.
    var hasTaken: Bool { assignment.slots.contains { $0.stage == .taken } }

    /// Returns the index of a partition's slot; `nil` when the partition is another worker's.
    func slot(_ partition: Partition) -> Int? {
        assignment.slots.firstIndex { $0.partition == partition }
    }

    func slot(ofInput input: Int) -> Int? { slot(InputNumber.place(input).partition) }

    /// Returns the same if the partition is owned in this tenure.
    private func slot(_ partition: Partition, tenure: UInt64) -> Int? {
        slot(partition).flatMap { assignment.slots[$0].claim?.tenure == tenure ? $0 : nil }
    }

    /// Shows a partition's view to the intake.
    func show(_ index: Int, isOwn: Bool = true) {
        if let view = assignment.slots[index].view(isOwn: isOwn) { queue.show(view) }
    }

    /// Sends an answer to the membership, now or later.
    private func answer(_ answer: OwnershipAnswer) {
        if !parts.port.answer(answer) { assignment.unsentAnswers.append(answer) }
    }

    // MARK: orders

    /// Takes and carries out orders, and sends answers that had no room before.
    func followOrders() {
        queue.takeOrders(into: &orders)
        carryOutOrders()
        let unsent = assignment.unsentAnswers
        assignment.unsentAnswers = unsent.filter { !parts.port.answer($0) }
    }

    private func carryOutOrders() {
        guard !orders.isEmpty else { return }
        // Dropped partitions are no longer ours to write.
        for case .drop(let partition, let tenure) in orders { drop(partition, tenure) }
        drain()
        for order in orders {
            switch order {
            case .take(let partition, let claim): take(partition, claim)
            case .release(let partition, let tenure): release(partition, tenure)
            // A take may follow a drop of an earlier tenure, never the other way around.
            case .drop(let partition, let tenure): drop(partition, tenure)
            }
        }
        orders.removeAll(keepingCapacity: true)
    }

    /// Writes the packets of the partitions that are given away, and all packets between them.
    private func drain() {
        var inputs: Set<Int> = []
        for case .release(let partition, let tenure) in orders {
            guard let index = slot(partition, tenure: tenure) else { continue }
            inputs.formUnion(assignment.slots[index].inputs)
        }
        // Packets that wait for their days are left to the next owner.
        inputs.subtract(waitingForDays.inputs)
        guard !inputs.isEmpty else { return }
        // This ends, because no more packets of them are read. A write that fails closes the
        // session. If no write may be tried now, the rest stays on the tape.
        while isSteady, store.isConnected,
            queue.holdsPackets(of: inputs) || !batch.inputs.isDisjoint(with: inputs)
        {
            let before = queue.waiting.packets
            let hadBatch = !batch.isEmpty
            let isTried = write()
            inputs.subtract(waitingForDays.inputs)
            let isStuck = queue.waiting.packets >= before
            if isStuck, !isTried || !batch.isEmpty { return }
            if hadBatch, !batch.isEmpty { return }
        }
    }

    /// Notes that this process owns the partition. It is claimed later in the turn.
    private func take(_ partition: Partition, _ claim: Claim) {
        guard let index = slot(partition) else { return }
        forget(index)
        assignment.slots[index].take(claim, now: clock.monotonic())
    }

    /// Gives a partition up. Its packets were written, or cannot be. Then the new owner reads them
    /// from the tape.
    private func release(_ partition: Partition, _ tenure: UInt64) {
        if let index = slot(partition, tenure: tenure) { forget(index) }
        answer(.released(partition, tenure: tenure))
    }

    /// Gives up a partition that another member has taken. Its packets are not written.
    private func drop(_ partition: Partition, _ tenure: UInt64) {
        if let index = slot(partition, tenure: tenure) { forget(index) }
    }

    /// Forgets a partition whose rows another owner writes from now on.
    private func forget(_ index: Int) {
        removeFromBatches(Set(assignment.slots[index].inputs))
        assignment.slots[index].forget()
    }

    /// Gives up a partition that another writer has claimed in the database.
    private func lost(_ index: Int, _ reason: String) {
        guard let claim = assignment.slots[index].claim else { return }
        let partition = assignment.slots[index].partition
        assignment.slots[index].sessionLost()
        show(index, isOwn: false)
        forget(index)
        context.telemetry.emit(PartitionFenced(partition: partition, reason: reason))
        answer(.lost(partition, tenure: claim.tenure, reason: reason))
    }

    // MARK: claims

    /// Claims all partitions that are taken and not claimed yet, in one round trip.
    ///
    /// After a lost session these are all partitions, because that session may still be about to
    /// commit. The claim waits for it or fences it. Reading alone could miss its rows and write
    /// them a second time.
    func claimTaken() {
        guard store.isConnected, hasTaken, isSteady, mayTry() else { return }
        let taken = assignment.slots.indices.filter { assignment.slots[$0].stage == .taken }
        do {
            let rows = try store.claim(taken.flatMap { claims(of: assignment.slots[$0]) })
            succeeded(isWrite: false)
            enter(.idle)
            for index in taken {
                let partition = assignment.slots[index].partition
                settle(index, rows.filter { $0.place.partition == partition })
            }
        } catch {
            failed(error)
        }
    }

    /// Returns the claims of a partition's inputs, with the epochs that this worker knows.
    private func claims(of slot: WorkerSlot) -> [SinkClaim] {
        slot.inputs.map { input in
            SinkClaim(
                place: InputNumber.place(input), epoch: slot.claim?.epoch ?? 1,
                knownEpoch: slot.stored(input)?.ownerEpoch)
        }
    }

    /// Notes the result of a claim: the partition is held, or lost.
    private func settle(_ index: Int, _ rows: [SinkRow]) {
        if let refused = rows.first(where: { !$0.isClaimed }) {
            lost(index, Self.reason(refused))
            return
        }
        guard let claim = assignment.slots[index].claim else { return }
        for row in rows {
            assignment.slots[index].store(row.position, of: InputNumber.of(row.place))
        }
        assignment.reading += 1
        let nanoseconds = assignment.slots[index].opened(
            reading: assignment.reading, now: clock.monotonic())
        if let nanoseconds { metrics.takeover.observe(Double(nanoseconds) / 1e9) }
        show(index)
        let epoch = rows.map(\.position.ownerEpoch).max() ?? 0
        answer(
            .opened(
                assignment.slots[index].partition, tenure: claim.tenure,
                epoch: UInt64(clamping: epoch)))
    }

    // MARK: owners in the database

    private static func reason(_ row: SinkRow) -> String {
        "\(row.position.owner) claimed it at epoch \(row.position.ownerEpoch)"
    }

    /// Handles a fenced batch. Some partition of it has a new owner, or a person has changed its
    /// position. Finds out which, drops those, and keeps the rest.
    func dropFenced(_ error: PostgresError) {
        let inputs = batch.inputs
        checkPositions(inputs.sorted())
        // No row explains the error, so writing the batch again would never end.
        if store.isConnected, !batch.isEmpty, batch.inputs == inputs { failed(error) }
    }

    /// Gives up the partition of each input that another writer owns. If a person accepted an
    /// input's position, reads from the new position.
    func checkPositions(_ inputs: [Int]) {
        guard !inputs.isEmpty, store.isConnected, isSteady else { return }
        do {
            let rows = try store.read(inputs.map { InputNumber.place($0) })
            for row in rows {
                guard let index = slot(row.place.partition),
                    let known = assignment.slots[index].stored(InputNumber.of(row.place)),
                    row.position.ownerEpoch > known.ownerEpoch
                else { continue }
                if row.position.owner == store.owner {
                    accepted(index, InputNumber.of(row.place))
                } else {
                    lost(index, Self.reason(row))
                }
            }
        } catch {
            failed(error)
        }
    }

    /// Reads a partition again. Packets that are not written yet are from the tape before the
    /// change.
    private func accepted(_ index: Int, _ input: Int) {
        removeFromBatches(Set(assignment.slots[index].inputs))
        assignment.slots[index].sessionLost()
        show(index)
        claimTaken()
        context.telemetry.emit(
            PositionAccepted(
                input: InputNumber.name(input),
                sequence: assignment.slots[index].stored(input)?.position?.sequence ?? 0))
    }
}
