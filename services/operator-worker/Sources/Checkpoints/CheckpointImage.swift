import MarketModel
import StreamCore

/// The state of one partition after one input, as bytes of an `OperatorCheckpoint`. They may be
/// stored when all output that the state includes is acknowledged.
struct CheckpointImage: Sendable {
    /// The hash and generation of the graph that made it.
    var definition: UInt64
    var generation: UInt32
    /// The end of the output that it includes; `nil` when it includes none.
    var output: OutputLedger.End?
    /// The sequence of the last input; 0 when none was taken.
    var sequence: UInt64
    var bytes: [UInt8]
    /// Whether it is the first one of a new line of output. Then earlier checkpoints are no longer
    /// valid.
    var isBase = false
    /// Whether storing it completes a person's request for a rebuild, so that the request is
    /// removed.
    var endsRequest = false
}

/// The result of storing an image.
enum CheckpointOutcome: Hashable, Sendable {
    case stored(number: UInt64)
    /// An owner with a higher epoch or other settings writes the partition's checkpoints, as the
    /// text says. This one must stop writing.
    case superseded(String)
}
