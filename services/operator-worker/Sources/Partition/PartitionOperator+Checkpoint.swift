import MarketModel
import OperatorGraph
import Primitives
import StreamCore
import TapeCodec

// Images of the state. An image is made between two packets, and returned when all output that it
// includes is acknowledged. Input and output continue meanwhile. `notStored` and `stored` report
// what became of it.
extension PartitionOperator {
    /// Returns an image to store; `nil` while none is due, or its output is not acknowledged. The
    /// worker calls it at each visit while no earlier image is being stored. `isLast` means that
    /// the partition is handed over, so that every new position is due.
    func checkpoint(
        now: MonotonicTime, isLast: Bool = false
    ) throws(CheckpointError) -> CheckpointImage? {
        if waiting == nil, isDue(now: now, isLast: isLast) {
            waiting = try image()
            schedule.took(imageAt: position, now: now)
        }
        guard let image = waiting, acknowledged >= image.output?.ordinal ?? 0 else { return nil }
        waiting = nil
        return image
    }

    /// Whether there is nothing left to publish or to store before the partition is handed over. A
    /// new line of output that has not begun is left to the next owner.
    var isAtRest: Bool {
        guard isEmpty, waiting == nil else { return false }
        return phase != .working || !isDue(now: .distantPast, isLast: true)
    }

    /// Whether the partition may be handed over: it is at rest, or the next owner has little to
    /// compute again.
    var mayGo: Bool { isAtRest || isEmpty && waiting == nil && !isWorthStoring }

    /// Whether the next owner would have much to compute again.
    var isWorthStoring: Bool { schedule.isWorthStoring }

    /// Whether the present state can be stored. If not, the next owner computes its end again.
    var isStorable: Bool { stopped == nil && ledger.isPastPublished && pending != nil }

    /// What of a repair is stored with the state; `nil` while the state cannot be stored. The
    /// state after a packet is complete when the repair that the packet requested is done.
    /// Between two days of a repair, the remaining days are stored. A new line of output begins
    /// after its hidden repair.
    private var pending: PendingRanges? { repair.map(\.pending) ?? PendingRanges.none }

    private func isDue(now: MonotonicTime, isLast: Bool) -> Bool {
        guard isStorable else { return false }
        switch phase {
        case .building, .publishing, .published: return false
        case .keeping: return schedule.isBaseDue(now: now)
        case .working: return schedule.isDue(at: position, now: now, isLast: isLast)
        }
    }

    private func image() throws(CheckpointError) -> CheckpointImage {
        guard let pending else { preconditionFailure("an image needs a state that can be stored") }
        let checkpoint = OperatorCheckpoint(
            definition: settings.definition, generation: settings.generation,
            output: ledger.computed,
            input: CheckpointInput(
                position: position, publishFrom: publishFrom, hasBegun: hasBegun,
                pending: pending, earlier: earlier
            ).bytes)
        var image = CheckpointImage(
            definition: settings.definition, generation: settings.generation,
            output: ledger.computed, sequence: position?.sequence ?? 0, bytes: [])
        image.isBase = phase == .keeping
        image.endsRequest = image.isBase && base?.endsRequest ?? false
        try checkpoint.encode(into: &image.bytes) { bytes in
            if let universe {
                universe.encode(into: &bytes)
            } else {
                machine.encode(into: &bytes)
            }
        }
        return image
    }

    /// Notes that the image was stored. A new line of output then begins to publish.
    func stored() {
        if phase == .keeping { phase = .working }
    }

    /// Notes that the image was not stored. Another one is due soon.
    func notStored(now: MonotonicTime) {
        schedule.failed(now: now)
    }

    /// Makes no more images, because the last one of a partition that is handed over was not
    /// stored.
    func giveUp() { schedule.isOver = true }

    /// Notes that another owner writes the checkpoints. A new line of output cannot begin without
    /// one, so it stops.
    func superseded(_ reason: String) {
        schedule.isOver = true
        if phase == .keeping { stopped = "its checkpoints are another worker's: \(reason)" }
    }
}
