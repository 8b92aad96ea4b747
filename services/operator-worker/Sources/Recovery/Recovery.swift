import MarketModel
import OperatorGraph
import Primitives
import StreamCore
import TapeCodec
import TapeProtocol

/// What a partition's owner finds when it begins.
struct RecoverySituation: Sendable {
    var partition: Partition
    /// Its own settings.
    var definition: UInt64
    var generation: UInt32
    var program: GraphProgram
    /// Of the share that works over all partitions.
    var universe: UniverseProgram?
    /// The key that says what is computed: for people.
    var definitionKey = "OPERATOR_SERIES"

    var stored = StoredCheckpoints()
    /// What stands on the tape; nil: no packet but markers.
    var standing: StandingOutput?
    /// Of the subject's last marker, written by whoever came before.
    var markerGeneration: UInt32?
    /// What stands last, of a lane that is not open yet.
    var last: LastPacket?
    /// The ordinal behind which the open lane goes on; nil: it is not open yet.
    var laneOrdinal: UInt64?
    /// The epoch of that lane.
    var laneEpoch: UInt64?
    var isRebuildRequested = false
    /// When the stream of ticks was made; nil when it was not asked for.
    var streamCreated: Timestamp?
    /// The packet of `standing.input` was found on the tape.
    var isInputThere = false
}

/// How a partition begins, or why it does not.
enum Recovery: Sendable {
    case begin(Beginning)
    /// The lane's next ordinal has to be at least this first, its epoch above that one; then it is
    /// decided again.
    case raise(nextOrdinal: UInt64, aboveEpoch: UInt64)
    /// Somebody with newer settings works here, or is about to: look again.
    case standBy(String)
    /// A person has to look.
    case stop(String)
}

extension RecoverySituation {
    /// Whether the lane may be opened, which takes the partition away from its present owner.
    var refusal: Recovery? {
        let newest = max(
            stored.head?.generation ?? 0, standing?.generation ?? 0, markerGeneration ?? 0)
        if newest > generation {
            return .standBy(
                "its bars are of generation \(newest), this worker is of \(generation) "
                    + "(OPERATOR_GENERATION)")
        }
        if let head = stored.head, head.generation == generation, head.definition != definition,
            !isRebuildRequested
        {
            return .stop(
                "its bars are made by another definition than this worker's: start with the "
                    + "settings that made them (\(definitionKey)), or raise OPERATOR_GENERATION "
                    + "above \(generation)")
        }
        return nil
    }

    /// Whether a new line of output will begin, which needs to know of the standing one's input.
    var needsInput: Bool {
        isRebuildRequested
            || max(stored.head?.generation ?? 0, standing?.generation ?? 0) < generation
    }

    /// Pure, so that every case of it is a row of a table.
    var recovery: Recovery {
        guard case .begin(var beginning) = decision else { return decision }
        if let told = standing?.watermark, told.isDefined { beginning.watermark = told }
        if let universe {
            let restored = beginning.way == .checkpoint ? stored.candidate?.universe : nil
            beginning.universe = restored ?? UniverseMachine(universe)
        }
        switch beginning.way {
        case .start, .checkpoint: beginning.told = standing?.input
        case .base: break
        }
        return .begin(beginning)
    }

    private var decision: Recovery {
        if let refusal { return refusal }
        // A tape of bars that was put back forgot epochs, too. An older owner's may not be used.
        if let head = stored.head, let laneEpoch, laneEpoch < head.epoch {
            return .raise(nextOrdinal: (laneOrdinal ?? 0) + 1, aboveEpoch: head.epoch)
        }
        let stood = standing?.ordinal ?? 0
        let counted = stored.head?.output?.ordinal ?? 0
        let reached = max(stood, counted, laneOrdinal ?? 0)
        if isRebuildRequested { return rebuilding(behind: reached) }
        if reached > stood {
            return .stop(
                "the tape ends at bar \(stood), but \(reached) were acknowledged: bars were lost "
                    + "or put back; \(remedy)")
        }
        let before = max(stored.head?.generation ?? 0, standing?.generation ?? 0)
        if before > 0, before < generation { return newGeneration }
        guard let candidate = stored.candidate else {
            return .begin(
                Beginning(
                    way: .start, machine: GraphMachine(program), output: nil,
                    standing: standing?.end,
                    input: CheckpointInput(position: nil, publishFrom: nil, hasBegun: false)))
        }
        if candidate.output?.ordinal == standing?.end?.ordinal,
            candidate.output != standing?.end
        {
            return .stop(
                Self.divergence(
                    at: stood, expected: standing?.checksum ?? 0,
                    found: candidate.output?.checksum ?? 0, partition,
                    definitionKey: definitionKey))
        }
        return .begin(
            Beginning(
                way: .checkpoint, machine: candidate.machine, output: candidate.output,
                standing: standing?.end, input: candidate.input, number: candidate.number))
    }

    static func divergence(
        at ordinal: UInt64, expected: UInt64, found: UInt64, _ partition: Partition,
        definitionKey: String
    ) -> String {
        "the bars computed from the tape differ from those that stand on it at output \(ordinal) "
            + "(checksum \(expected) there, \(found) here): start with the settings that made "
            + "them (\(definitionKey)), or go on behind them with "
            + "`tapeline partition rebuild \(partition)`"
    }

    static func remedy(_ partition: Partition) -> String {
        "to go on with what is there: `tapeline partition rebuild \(partition)`"
    }

    private var remedy: String { Self.remedy(partition) }

    // MARK: new lines of output

    /// Behind the older generation's output, with state from the start of the tape.
    private var newGeneration: Recovery {
        guard let standing else { return base(output: nil, Base(endsRequest: false)) }
        guard isInputThere else {
            return .stop(
                "the ticks behind which generation \(standing.generation) ended are not on the "
                    + "tape any more; \(remedy)")
        }
        return base(
            output: standing.end, Base(end: standing.input.reached, endsRequest: false))
    }

    /// What a person asked for. Where the standing output ends in the input, if that can be found;
    /// else all of the tape as it is now is input, and only windows count that nobody published.
    private func rebuilding(behind reached: UInt64) -> Recovery {
        guard (laneOrdinal ?? 0) >= reached else {
            return .raise(nextOrdinal: reached + 1, aboveEpoch: 0)
        }
        let output =
            reached < OutputLedger.firstOrdinal
            ? nil : OutputLedger.Standing(ordinal: reached, checksum: standing?.checksum ?? 0)
        guard let standing, isInputThere, let end = standing.input.reached else {
            let start = TapePosition.before(streamCreated ?? .undefined)
            return base(
                output: output,
                Base(end: nil, tells: start, endsRequest: true), publishFrom: standing?.watermark)
        }
        return base(output: output, Base(end: end, tells: end, endsRequest: true))
    }

    private func base(
        output: OutputLedger.Standing?, _ base: Base, publishFrom: Timestamp? = nil
    ) -> Recovery {
        .begin(
            Beginning(
                way: .base(base), machine: GraphMachine(program), output: output,
                standing: output,
                input: CheckpointInput(
                    position: nil, publishFrom: publishFrom ?? SourceTable.noWatermark,
                    hasBegun: false)))
    }
}

extension TapePosition {
    /// Before the first packet of a stream.
    static func before(_ streamCreated: Timestamp) -> TapePosition {
        TapePosition(
            streamCreated: streamCreated, sequence: 0,
            packet: PacketIdentity(epoch: 0, firstOrdinal: 0, checksum: 0), sources: [])
    }

    /// Nil when it is before the first packet.
    var reached: TapePosition? { sequence == 0 ? nil : self }
}
