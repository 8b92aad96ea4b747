import MarketModel
import Membership
import MembershipTransport
import PostgresClient
import Primitives
import ServiceRuntime
import TapeCodec
import TapeTransport
import Telemetry

// Which partitions are this process's own.
extension WriterThread {
    /// How often the row of a reader that stopped is looked at: a person may have accepted.
    private static let lookNanoseconds: Int64 = 1_000_000_000

    // MARK: orders

    /// Takes the membership's orders, and stands still while others may have taken over.
    func attend() {
        let now = clock.monotonic().nanoseconds
        // Asked before the orders are taken: a process that is steady again has then heard what it
        // lost meanwhile.
        let isSteady = port.isSteady(now: now)
        port.take(into: &orders)
        carryOutOrders(isSteady: isSteady)
        stand(isSteady)
        let words = untold
        untold = words.filter { !port.tell($0) }
    }

    private func carryOutOrders(isSteady: Bool) {
        guard !orders.isEmpty else { return }
        let given = orders.contains { if case .release = $0 { true } else { false } }
        // One write for all that is given away; what is dropped is not ours to write.
        for case .drop(let partition, let tenure) in orders { drop(partition, tenure) }
        if given, isSteady, store.isConnected, !batch.isEmpty { write() }
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

    private func slot(_ partition: Partition) -> Int? {
        slots.firstIndex { $0.partition == partition }
    }

    private func slot(_ partition: Partition, tenure: UInt64) -> Int? {
        slot(partition).flatMap { slots[$0].claim?.tenure == tenure ? $0 : nil }
    }

    private func take(_ partition: Partition, _ claim: Claim) {
        guard let index = slot(partition) else { return }
        forget(index)
        slots[index].take(claim, now: clock.monotonic().nanoseconds)
    }

    /// What is at hand was written, or cannot be: then the new owner reads it from the tape.
    private func release(_ partition: Partition, _ tenure: UInt64) {
        if let index = slot(partition, tenure: tenure) { forget(index) }
        say(.released(partition, tenure: tenure))
    }

    private func drop(_ partition: Partition, _ tenure: UInt64) {
        if let index = slot(partition, tenure: tenure) { forget(index) }
    }

    /// Its rows are somebody else's from here on.
    private func forget(_ index: Int) {
        guard slots[index].stage != .idle else { return }
        batch.remove(inputs: Set(slots[index].inputs))
        for input in slots[index].inputs {
            close(input)
            inputs[input].stored = nil
            context.readiness.set(inputs[input].name, nil)
        }
        slots[index].forget()
    }

    private func say(_ word: OwnershipNews) {
        if !port.tell(word) { untold.append(word) }
    }

    private func lost(_ index: Int, _ reason: String) {
        guard let claim = slots[index].claim else { return }
        let partition = slots[index].partition
        forget(index)
        context.telemetry.emit(PartitionFenced(partition: partition, reason: reason))
        say(.lost(partition, tenure: claim.tenure, reason: reason))
    }

    // MARK: steadiness

    /// Who is not steady neither reads nor writes; nothing is forgotten by it.
    private func stand(_ steady: Bool) {
        guard steady != isSteady else { return }
        isSteady = steady
        for index in inputs.indices where inputs[index].isOpen {
            if steady { readers.release(index, take) } else { readers.hold(index) }
        }
        if !steady, slots.contains(where: { $0.stage != .idle }) {
            context.telemetry.emit(WriterPaused(thread: number))
        }
    }

    // MARK: claims

    /// All that is taken and not claimed yet, in one round trip.
    ///
    /// After a lost session that is everything: the session may still be about to commit. The claim
    /// waits for it or fences it; reading alone could miss its rows and write them a second time.
    func claimTaken() {
        guard isSteady, store.isConnected else { return }
        let taken = slots.indices.filter { slots[$0].stage == .taken }
        guard !taken.isEmpty else { return }
        do {
            let rows = try store.claim(taken.flatMap { claims(of: slots[$0]) })
            for index in taken { settle(index, rows.filter { isOf(slots[index], $0) }) }
        } catch {
            failed(error)
        }
    }

    private func isOf(_ slot: PartitionSlot, _ row: SinkRow) -> Bool {
        row.place.partition == slot.partition
    }

    private func claims(of slot: PartitionSlot) -> [SinkClaim] {
        slot.inputs.map { input in
            SinkClaim(
                place: inputs[input].place, epoch: slot.claim?.epoch ?? 1,
                knownEpoch: inputs[input].stored?.ownerEpoch)
        }
    }

    private func settle(_ index: Int, _ rows: [SinkRow]) {
        if let refused = rows.first(where: { !$0.isClaimed }) {
            lost(index, Self.reason(refused))
            return
        }
        guard let claim = slots[index].claim else { return }
        for input in slots[index].inputs {
            guard let row = rows.first(where: { $0.place == inputs[input].place }) else { continue }
            open(input, at: row.position)
        }
        if let nanoseconds = slots[index].opened(now: clock.monotonic().nanoseconds) {
            metrics.takeover.observe(Double(nanoseconds) / 1e9)
        }
        let epoch = rows.map(\.position.ownerEpoch).max() ?? 0
        say(
            .opened(
                slots[index].partition, tenure: claim.tenure, epoch: UInt64(clamping: epoch)))
    }

    private func open(_ input: Int, at position: SinkPosition) {
        inputs[input].stored = position
        inputs[input].isOpen = true
        readers.close(input)
        readers.open(input, at: position.position)
    }

    // MARK: what the database says of owners

    private static func reason(_ row: SinkRow) -> String {
        "\(row.position.owner) claimed it at epoch \(row.position.ownerEpoch)"
    }

    /// Some partition of the batch has a new owner, or another position by a person's hand: finds
    /// out which, drops those, keeps the rest.
    func dropFenced() { look(Set(batch.items.map(\.input)).sorted()) }

    /// Rows of readers that have stopped, once a second.
    func lookAtStopped() {
        let now = clock.monotonic().nanoseconds
        guard isSteady, store.isConnected,
            lookedAt == Int64.min || now >= lookedAt + Self.lookNanoseconds
        else { return }
        lookedAt = now
        look(inputs.indices.filter { inputs[$0].isOpen && readers.problem($0) != nil })
    }

    /// Leaves the partition of each input that another writer owns; reads on elsewhere if an
    /// input's position was accepted.
    private func look(_ indices: [Int]) {
        guard !indices.isEmpty else { return }
        do {
            let rows = try store.read(indices.map { inputs[$0].place })
            for index in indices {
                guard let row = rows.first(where: { $0.place == inputs[index].place }),
                    let known = inputs[index].stored?.ownerEpoch,
                    row.position.ownerEpoch > known
                else { continue }
                if row.position.owner == store.owner {
                    accepted(index)
                } else if let slot = slot(inputs[index].place.partition) {
                    lost(slot, Self.reason(row))
                }
            }
        } catch {
            failed(error)
        }
    }

    /// What was read and not written is of the tape as it was.
    private func accepted(_ index: Int) {
        guard let slot = slot(inputs[index].place.partition) else { return }
        batch.remove(inputs: Set(slots[slot].inputs))
        for input in slots[slot].inputs { close(input) }
        slots[slot].sessionLost()
        claimTaken()
        context.telemetry.emit(
            PositionAccepted(
                input: inputs[index].name,
                sequence: inputs[index].stored?.position?.sequence ?? 0))
    }
}
