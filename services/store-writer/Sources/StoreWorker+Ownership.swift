import MarketModel
import Membership
import MembershipTransport
import Primitives
import ServiceRuntime
import TapeCodec
import TapeTransport

// Which partitions the worker claims, and how it gives partitions up.
extension StoreWorker {
    /// Whether there are partitions to claim now: owned, and not claimed in this session.
    var hasTaken: Bool {
        let now = clock.monotonic()
        return assignment.slots.contains { $0.isToClaim(at: now) }
    }

    /// Returns the index of a partition's slot; `nil` when the partition is another worker's.
    func slot(_ partition: Partition) -> Int? {
        assignment.slots.firstIndex { $0.partition == partition }
    }

    func slot(ofInput input: Int) -> Int? { slot(InputNumber.place(input).partition) }

    /// Returns the index of a partition's slot, if this process owns the partition in this tenure.
    private func slot(_ partition: Partition, tenure: UInt64) -> Int? {
        slot(partition).flatMap { assignment.slots[$0].claim?.tenure == tenure ? $0 : nil }
    }

    /// Shows a partition's view to the intake. `isOwn` is false when another writer owns it.
    func show(_ index: Int, isOwn: Bool = true) {
        post(index)
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
        // Dropped partitions have another owner already: their packets must not be drained.
        for case .drop(let partition, let tenure) in orders { drop(partition, tenure) }
        drain()
        for order in orders {
            switch order {
            case .take(let partition, let claim): take(partition, claim)
            case .release(let partition, let tenure): release(partition, tenure)
            // Drops were carried out above. Doing it again is harmless: a take that follows has
            // another tenure.
            case .drop(let partition, let tenure): drop(partition, tenure)
            }
        }
        orders.removeAll(keepingCapacity: true)
    }

    /// Writes the packets of the partitions that are released, with the packets of other partitions
    /// between them. The intake has stopped reading these partitions before it passed the order on.
    private func drain() {
        var inputs: Set<Int> = []
        for case .release(let partition, let tenure) in orders {
            guard let index = slot(partition, tenure: tenure) else { continue }
            inputs.formUnion(assignment.slots[index].inputs)
        }
        // Packets that wait for their days are left to the next owner.
        inputs.subtract(waitingForDays.inputs)
        guard !inputs.isEmpty else { return }
        assignment.meetings.held = []
        // Each turn either writes some of the finite number of packets, or ends the loop: a failed
        // write closes the session, and a turn without progress returns. Unwritten packets stay on
        // the tape for the next owner.
        while isSteady, session.isOpen,
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

    /// Notes that this process owns the partition. `claimTaken` claims it later in this turn.
    private func take(_ partition: Partition, _ claim: Claim) {
        guard let index = slot(partition) else { return }
        forget(index)
        assignment.slots[index].take(claim, now: clock.monotonic())
    }

    /// Gives a partition up, after `drain`. Packets that could not be written are read from the
    /// tape by the new owner. The answer is sent for an earlier tenure, too: the membership waits
    /// for it.
    private func release(_ partition: Partition, _ tenure: UInt64) {
        if let index = slot(partition, tenure: tenure) { forget(index) }
        answer(.released(partition, tenure: tenure))
    }

    /// Gives up a partition that another member has taken. Its packets are not written.
    private func drop(_ partition: Partition, _ tenure: UInt64) {
        if let index = slot(partition, tenure: tenure) { forget(index) }
    }

    /// Forgets a partition and its unwritten packets in the batches.
    private func forget(_ index: Int) {
        removeFromBatches(Set(assignment.slots[index].inputs))
        assignment.slots[index].sessionLost()
        post(index)
        assignment.slots[index].forget()
    }

    /// Gives up a partition that another writer has claimed in the database.
    private func lost(_ index: Int, _ reason: String) {
        guard let claim = assignment.slots[index].claim else { return }
        let partition = assignment.slots[index].partition
        assignment.slots[index].sessionLost()
        show(index, isOwn: false)
        forget(index)
        context.telemetry.emit(.partitionFenced(partition: partition, reason: reason))
        answer(.lost(partition, tenure: claim.tenure, reason: reason))
    }

    // MARK: claims

    /// Claims all owned partitions that are not claimed in this session, in one round trip.
    ///
    /// After a lost session these are all of them. The server may still be about to commit the lost
    /// session's transaction; the claim waits for it or fences it. Without the claim, the worker
    /// could read the old position and write those rows a second time.
    func claimTaken() {
        guard session.isOpen, hasTaken, isSteady, mayTry() else { return }
        let now = clock.monotonic()
        let taken = assignment.slots.indices.filter { assignment.slots[$0].isToClaim(at: now) }
        do throws(StoreError) {
            let rows = try session.claim(taken.flatMap { claims(of: assignment.slots[$0]) })
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

    /// Returns the claims of a partition's inputs. Each has the epoch of the worker's last claim,
    /// if there was one in this tenure, and rises above it: also on a server that was promoted
    /// without that claim.
    private func claims(of slot: WorkerSlot) -> [SinkClaim] {
        slot.inputs.map { input in
            let known = slot.stored(input)?.ownerEpoch
            let next = known.map { UInt64(clamping: $0) &+ 1 } ?? 1
            return SinkClaim(
                place: InputNumber.place(input), epoch: max(slot.claim?.epoch ?? 1, next),
                knownEpoch: known)
        }
    }

    /// Notes the result of a claim. If another writer has one of its inputs, the partition is lost.
    /// If one has to wait, the partition is claimed again later, and others go on. Otherwise a new
    /// reading of it begins.
    private func settle(_ index: Int, _ rows: [SinkRow]) {
        if let refused = rows.first(where: { !$0.isClaimed }) {
            lost(index, Self.reason(refused))
            return
        }
        guard let claim = assignment.slots[index].claim else { return }
        if let wait = rows.compactMap(\.waits).max(by: { $0.until < $1.until }) {
            assignment.slots[index].wait(until: wait.until)
            context.telemetry.emit(
                .partitionWaits(
                    partition: assignment.slots[index].partition, reason: wait.reason))
            return
        }
        for row in rows {
            // The claim's COMMIT comes after all that it found.
            var position = row.position
            position.apart.left = Set(position.apart.groups)
            assignment.slots[index].store(noted(position), of: InputNumber.of(row.place))
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

    /// Handles a batch that the database refused because of a higher epoch: a partition of it has a
    /// new owner, or a person has accepted another position. Removes the packets of those
    /// partitions from the batch, and keeps the rest.
    func dropFenced(_ error: StoreError) {
        let readings = assignment.slots.map(\.reading)
        // Beside the batch, positions with groups of tables are written that come or go.
        checkPositions(
            assignment.slots.filter { $0.stage == .held }.flatMap(\.inputs))
        // No position has a higher epoch, so the same batch would be refused again and again. It is
        // treated as a failure of the session.
        if session.isOpen, assignment.slots.map(\.reading) == readings { failed(error) }
    }

    /// Reads the positions of these inputs from the database. A higher epoch than the known one has
    /// two reasons. Another owner has claimed it: the partition is given up. Or the owner is still
    /// this worker, because a person accepted another position: it is read from there.
    func checkPositions(_ inputs: [Int]) {
        guard !inputs.isEmpty, session.isOpen, isSteady else { return }
        do throws(StoreError) {
            let rows = try session.read(inputs.map { InputNumber.place($0) })
            for row in rows {
                guard let index = slot(row.place.partition),
                    let known = assignment.slots[index].stored(InputNumber.of(row.place)),
                    row.position.ownerEpoch > known.ownerEpoch
                else { continue }
                if row.position.owner == assignment.owner {
                    accepted(index, InputNumber.of(row.place))
                } else {
                    lost(index, Self.reason(row))
                }
            }
        } catch {
            failed(error)
        }
    }

    /// Claims a partition again whose position a person changed, and begins a new reading of it.
    /// Unwritten packets are forgotten, because they follow the old position.
    private func accepted(_ index: Int, _ input: Int) {
        removeFromBatches(Set(assignment.slots[index].inputs))
        assignment.slots[index].sessionLost()
        show(index)
        claimTaken()
        context.telemetry.emit(
            .positionAccepted(
                input: InputNumber.name(input),
                sequence: assignment.slots[index].stored(input)?.position?.sequence ?? 0))
    }
}
