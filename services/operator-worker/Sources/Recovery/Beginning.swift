import MarketModel
import OperatorGraph
import Primitives
import StreamCore
import TapeCodec

/// The state with which a partition begins to work, as `RecoverySituation` decides it.
struct Beginning: Sendable {
    var way: Way
    var machine: GraphMachine
    /// The machine of the share over all partitions; `machine` is then not used.
    var universe: UniverseMachine?
    /// The end of the output that the machine's state includes; `nil` when it includes none.
    var output: OutputLedger.End?
    /// The end of the output on the tape; `nil` when there is none.
    var published: OutputLedger.End?
    /// The input up to which all output is published, as the tape states; `nil` for a base, or when
    /// nothing is published.
    var publishedInput: TapePosition?
    /// The watermark up to which the bars are published, as the tape states; `noWatermark` when it
    /// states none.
    var watermark = SourceTable.noWatermark
    /// The position at which reading continues, with the data about the input there.
    var input: CheckpointInput
    /// The number of the restored checkpoint; 0 for none.
    var number: UInt64 = 0

    /// From where the partition computes.
    enum Way: Hashable, Sendable {
        /// From the start of the tape. Output that is on the tape is computed again and suppressed.
        case start
        /// After a checkpoint. Output that is on the tape is computed again and suppressed.
        case checkpoint
        /// A new line of output after the existing one.
        case base(Base)

        /// The name in /status and in events.
        var name: String {
            switch self {
            case .start: "start"
            case .checkpoint: "checkpoint"
            case .base: "base"
            }
        }
    }
}

/// A new line of output. Its state is built from the tape without output, and stored as a
/// checkpoint before any bar of the new line is published.
struct Base: Hashable, Sendable {
    /// The last input whose output the previous line has published; `nil` when none is on the
    /// present tape.
    var end: TapePosition?
    /// The input that the line's first packet states as complete. That packet has no bars. `nil`
    /// when none is needed, because the tape's end states the same already.
    var openingInput: TapePosition?
    /// Whether a person requested it. Then storing its first checkpoint removes the request.
    var endsRequest: Bool
}
