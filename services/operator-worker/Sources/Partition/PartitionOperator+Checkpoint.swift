import MarketModel
import OperatorGraph
import StreamCore
import TapeCodec

// Images of the state. They are taken between two packets, and handed out when all output that
// they count is acknowledged; until then bars and ticks go on.
extension PartitionOperator {
    /// An image to store, when one is due and may be. At most one is to be on its way at a time.
    /// `isLast`: the service stops, so that every position that moved is due.
    mutating func checkpoint(
        now: Int64, isLast: Bool = false
    ) throws(CheckpointError) -> CheckpointImage? {
        if waiting == nil, isDue(now: now, isLast: isLast) {
            waiting = try image()
            schedule.took(imageAt: position, now: now)
        }
        guard let image = waiting, acknowledged >= image.output?.ordinal ?? 0 else { return nil }
        waiting = nil
        return image
    }

    /// Nothing is left that may leave or be kept.
    var isAtRest: Bool {
        guard isEmpty, waiting == nil else { return false }
        return phase != .working || !isDue(now: 0, isLast: true)
    }

    private func isDue(now: Int64, isLast: Bool) -> Bool {
        // The state behind a packet is complete when its repair is. Between two days of one, the
        // days that are still to be read are kept with it.
        guard stopped == nil, ledger.isPastStanding, repair?.isBetweenDays ?? true else {
            return false
        }
        switch phase {
        case .building, .telling, .told: return false
        case .keeping: return schedule.isBaseDue(now: now)
        case .working: return schedule.isDue(at: position, now: now, isLast: isLast)
        }
    }

    private func image() throws(CheckpointError) -> CheckpointImage {
        let checkpoint = OperatorCheckpoint(
            definition: settings.definition, generation: settings.generation,
            output: ledger.computed,
            input: CheckpointInput(
                position: position, publishFrom: publishFrom, hasBegun: hasBegun,
                pending: repair?.pending ?? []
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

    /// The image was stored; of a new line of output that is when it begins to work.
    mutating func stored() {
        if phase == .keeping { phase = .working }
    }

    /// It was not stored: another one is due soon.
    mutating func notStored(now: Int64) {
        schedule.failed(now: now)
    }

    /// The service stops: what was not stored stays so.
    mutating func giveUp() { schedule.isOver = true }

    /// Another owner writes the checkpoints. Without one a new line of output cannot begin.
    mutating func superseded(_ reason: String) {
        schedule.isOver = true
        if phase == .keeping { stopped = "its checkpoints are another worker's: \(reason)" }
    }
}
