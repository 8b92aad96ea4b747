import MarketModel
import OperatorGraph
import Primitives
import StreamCore
import TapeCodec
import TapeProtocol
import TapeTransport

/// The facts that a partition's owner finds when it begins, and the decision how it begins. The
/// checkpoint threads find the facts, and the worker's thread decides: first by `refusal`, before
/// the lane is opened, and then by `recovery`.
///
/// A *line of output* is the output of one definition and generation, in order. A new line begins
/// after the old one when the generation rises, when this release makes other output of the same
/// graph than an earlier one, or when a person requests a rebuild. A *definition* is here the hash
/// of the graph that makes the bars. The *lane* is the worker's own writer of the partition's bars:
/// before it is open, another worker may still publish.
struct RecoverySituation: Sendable {
    var partition: Partition
    /// The worker's own definition and generation.
    var definition: UInt64
    var generation: UInt32
    var program: GraphProgram
    /// The program of the share over all partitions; `nil` for other shares.
    var universe: UniverseProgram?
    /// The configuration keys that name the graph, for messages. The bars may be made by the other
    /// one than this worker's.
    static let definitionKeys = "OPERATOR_GRAPH or OPERATOR_SERIES"

    /// What the bucket of checkpoints holds.
    var stored = StoredCheckpoints()
    /// The end of the output on the tape; `nil` when there are only markers.
    var published: PublishedEnd?
    /// The generation in the last packet on the subject of the bars, which the previous owner
    /// wrote; `nil` when there is none. Once the lane is open, only a marker counts here:
    /// `published` has that of other packets.
    var markerGeneration: UInt32?
    /// The last packet on that subject, when the lane is not open yet; `nil` when there is none.
    var last: LastPacket?
    /// The end of the output in that packet; `nil` when it states none.
    var standing: PublishedEnd?
    /// The last ordinal before those of the open lane; `nil` when it is not open yet.
    var laneOrdinal: UInt64?
    /// The epoch of that lane.
    var laneEpoch: UInt64?
    /// A person's request that the partition's bars are rebuilt; `nil` when there is none.
    var request: RebuildRequest?
    /// When the stream of ticks was created; `nil` when that was not read.
    var streamCreated: Timestamp?
    /// Whether the packet of `published.input` was found on the tape. It is looked up only if
    /// `needsInput`.
    var isInputThere = false
}

/// How a partition begins, or why it does not.
enum Recovery: Sendable {
    case begin(Beginning)
    /// The lane first needs at least this next ordinal, and an epoch above this one, because the
    /// tape holds less than was published. Then the decision is made again. Bars up to `stored` are
    /// rows of a database, and so not lost.
    case raise(nextOrdinal: UInt64, aboveEpoch: UInt64, stored: UInt64 = 0)
    /// A worker with a higher generation works here, or is about to. This one tries again later.
    /// The text is the reason.
    case standBy(String)
    /// The partition stops, for this reason: a person has to act.
    case stop(String)
}

extension RecoverySituation {
    /// Why the lane may not be opened; `nil` when it may. Opening it takes the partition away from
    /// its present owner.
    var refusal: Recovery? {
        let newest = max(
            stored.head?.generation ?? 0, published?.generation ?? 0, markerGeneration ?? 0)
        if newest > generation {
            return .standBy(
                "its bars are of generation \(newest), this worker is of \(generation) "
                    + "(OPERATOR_GENERATION)")
        }
        if let head = stored.head, head.generation == generation, head.definition != definition,
            !isOfEarlierRelease, request == nil
        {
            return .stop(
                "its bars are made by another definition than this worker's: start with the "
                    + "settings that made them (\(Self.definitionKeys)), or raise "
                    + "OPERATOR_GENERATION above \(generation)")
        }
        return nil
    }

    /// Whether an earlier release made the existing output, of the same graph. The head states the
    /// definition. The tape states it where there is no such head.
    private var isOfEarlierRelease: Bool {
        guard let head = stored.head, head.isStated else {
            guard published?.generation == generation, let made = published?.definition
            else { return false }
            return program.earlierHashes.contains(made)
        }
        return head.generation == generation && program.earlierHashes.contains(head.definition)
    }

    /// Whether the tape has to be searched for the definition of the existing output: the head is
    /// missing, damaged or only claimed.
    var needsDefinition: Bool {
        stored.head?.isStated != true && published?.generation == generation
    }

    /// Whether a new line of output will begin. That needs to know whether the tape still holds the
    /// input of the existing output.
    var needsInput: Bool {
        request != nil || isOfEarlierRelease
            || max(stored.head?.generation ?? 0, published?.generation ?? 0) < generation
    }

    /// The decision, once the lane is open. It is pure, so that tests can list every case in a
    /// table.
    var recovery: Recovery {
        guard case .begin(var beginning) = decision else { return decision }
        if let time = published?.watermark, time.isDefined { beginning.watermark = time }
        if let universe {
            let restored = beginning.way == .checkpoint ? stored.candidate?.universe : nil
            beginning.universe = restored ?? UniverseMachine(universe)
        }
        switch beginning.way {
        case .start, .checkpoint: beginning.publishedInput = published?.input
        case .base: break
        }
        return .begin(beginning)
    }

    /// The decision, without the published end and without the machine of the share over all
    /// partitions.
    private var decision: Recovery {
        if let refusal { return refusal }
        // A tape of bars that was restored from a backup also lost epochs. An older owner's epoch
        // must not be used again.
        if let head = stored.head, let laneEpoch, laneEpoch < head.epoch {
            return .raise(nextOrdinal: (laneOrdinal ?? 0) + 1, aboveEpoch: head.epoch)
        }
        let rows = request?.stored
        if let rows, let laneEpoch, laneEpoch <= rows.epoch {
            return .raise(
                nextOrdinal: max(laneOrdinal ?? 0, rows.lastOrdinal) + 1,
                aboveEpoch: rows.epoch, stored: rows.lastOrdinal)
        }
        // Three records say how far the output came. If the tape holds less than the bucket or the
        // lane have seen, it lost bars.
        let onTape = published?.ordinal ?? 0
        let acknowledged = stored.head?.output?.ordinal ?? 0
        let reached = max(onTape, acknowledged, laneOrdinal ?? 0)
        if request != nil {
            return rebuilding(behind: max(reached, rows?.lastOrdinal ?? 0))
        }
        if reached > onTape {
            return .stop(
                "the tape ends at bar \(onTape), but \(reached) were acknowledged: bars were lost "
                    + "or restored from a backup; \(remedy)")
        }
        let before = max(stored.head?.generation ?? 0, published?.generation ?? 0)
        if before > 0, before < generation || isOfEarlierRelease { return newGeneration }
        guard let candidate = stored.candidate else {
            return .begin(
                Beginning(
                    way: .start, machine: GraphMachine(program), output: nil,
                    published: published?.end,
                    input: CheckpointInput(position: nil, publishFrom: nil, hasBegun: false)))
        }
        if candidate.output?.ordinal == published?.end?.ordinal,
            candidate.output != published?.end
        {
            return .stop(
                Self.divergence(
                    at: onTape, expected: published?.checksum ?? 0,
                    found: candidate.output?.checksum ?? 0, partition))
        }
        return .begin(
            Beginning(
                way: .checkpoint, machine: candidate.machine, output: candidate.output,
                published: published?.end, input: candidate.input, number: candidate.number))
    }

    /// Returns the reason to stop when output was computed again with another result.
    static func divergence(
        at ordinal: UInt64, expected: UInt64, found: UInt64, _ partition: Partition
    ) -> String {
        "the bars computed from the tape differ from those that stand on it at output \(ordinal) "
            + "(checksum \(expected) there, \(found) here): start with the settings that made "
            + "them (\(definitionKeys)), or continue after them with "
            + "`tapeline partition rebuild \(partition)`"
    }

    /// Returns the end of a reason to stop, which states what a person can do.
    static func remedy(_ partition: Partition) -> String {
        "to go on with what is there: `tapeline partition rebuild \(partition)`"
    }

    private var remedy: String { Self.remedy(partition) }

    // MARK: new lines of output

    /// A line after the output of the older generation or release. Its state is built from the
    /// start of the tape.
    private var newGeneration: Recovery {
        guard let published else { return base(output: nil, Base(endsRequest: false)) }
        guard isInputThere else {
            return .stop(
                "the ticks behind which generation \(published.generation) ended are not on the "
                    + "tape any more; \(remedy)")
        }
        return base(
            output: published.end, Base(end: published.input.reached, endsRequest: false))
    }

    /// The line that a person requested. It begins at the input where the existing output ends, if
    /// that is found. Otherwise all of the present tape is input, and only windows that were not
    /// published yet count. `reached` is the last ordinal of the existing output.
    private func rebuilding(behind reached: UInt64) -> Recovery {
        guard (laneOrdinal ?? 0) >= reached else {
            return .raise(
                nextOrdinal: reached + 1, aboveEpoch: 0,
                stored: request?.stored?.lastOrdinal ?? 0)
        }
        let output =
            reached < OutputLedger.firstOrdinal
            ? nil : OutputLedger.End(ordinal: reached, checksum: published?.checksum ?? 0)
        guard let published, isInputThere, let end = published.input.reached else {
            // Another owner that begins this rebuild again finds there what the old line took.
            var start = TapePosition.before(streamCreated ?? .undefined)
            start.sources = published?.input.sources ?? []
            return base(
                output: output,
                Base(end: nil, openingInput: start, endsRequest: true),
                publishFrom: published?.watermark,
                earlier: (published?.input.sources ?? request?.stored?.sources).map {
                    EarlierSources($0)
                })
        }
        return base(output: output, Base(end: end, openingInput: end, endsRequest: true))
    }

    private func base(
        output: OutputLedger.End?, _ base: Base, publishFrom: Timestamp? = nil,
        earlier: EarlierSources? = nil
    ) -> Recovery {
        .begin(
            Beginning(
                way: .base(base), machine: GraphMachine(program), output: output,
                published: output,
                input: CheckpointInput(
                    position: nil, publishFrom: publishFrom ?? SourceTable.noWatermark,
                    hasBegun: false, earlier: earlier)))
    }
}

extension CheckpointHead {
    /// Whether it states a generation and a definition. A head that was only claimed does not.
    fileprivate var isStated: Bool { generation > 0 }
}

extension TapePosition {
    /// Returns the position before the first packet of a stream.
    static func before(_ streamCreated: Timestamp) -> TapePosition {
        TapePosition(
            streamCreated: streamCreated, sequence: 0,
            packet: PacketIdentity(epoch: 0, firstOrdinal: 0, checksum: 0), sources: [])
    }

    /// The position; `nil` when it is before the first packet.
    var reached: TapePosition? { sequence == 0 ? nil : self }
}
