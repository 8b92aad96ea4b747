import MarketModel
import OperatorGraph
import Primitives
import StreamCore
import TapeCodec

/// With what a partition begins to work.
struct Beginning: Sendable {
    var way: Way
    var machine: GraphMachine
    /// Of the share that works over all partitions; then `machine` stays as it is.
    var universe: UniverseMachine?
    /// The end of the output that the machine's input made.
    var output: OutputLedger.Standing?
    /// The end of the output on the tape.
    var standing: OutputLedger.Standing?
    /// The input up to which all output is out, as the tape says; nil: of a base, or nothing is.
    var told: TapePosition?
    /// The bars up to it are out, as the tape says.
    var watermark = SourceTable.noWatermark
    /// Where reading goes on, and what is known of the input there.
    var input: CheckpointInput
    /// The checkpoint that it comes from; 0: none.
    var number: UInt64 = 0

    enum Way: Hashable, Sendable {
        /// From the start of the tape; what stands is computed again and left out.
        case start
        /// Behind a checkpoint; the same, up to what stands.
        case checkpoint
        /// A new line of output behind what stands.
        case base(Base)

        var name: String {
            switch self {
            case .start: "start"
            case .checkpoint: "checkpoint"
            case .base: "base"
            }
        }
    }
}

/// A new line of output: state is built from the tape without output, and kept as a checkpoint
/// before any bar of the new line is published.
struct Base: Hashable, Sendable {
    /// The input whose bars are out already; nil: none of the tape as it is now.
    var end: TapePosition?
    /// What a packet names that says how far the bars are out; nil: no such packet is needed,
    /// because the tape's end says the same already.
    var tells: TapePosition?
    /// It was a person who asked for it.
    var endsRequest: Bool
}
