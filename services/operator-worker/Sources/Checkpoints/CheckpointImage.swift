import MarketModel
import StreamCore

/// The state of one partition behind one input, as bytes that may be stored: all output that it
/// counts is acknowledged.
struct CheckpointImage: Sendable {
    var definition: UInt64
    var generation: UInt32
    /// The end of the output that it counts.
    var output: OutputLedger.Standing?
    /// Where the input stands on the tape; 0: nothing was taken.
    var sequence: UInt64
    var bytes: [UInt8]
    /// The first one of a new line of output: no earlier checkpoint may be gone back to.
    var isBase = false
    /// With it a person's request is fulfilled.
    var endsRequest = false
}

/// What became of an image that was handed to the store.
enum CheckpointOutcome: Hashable, Sendable {
    case stored(number: UInt64)
    /// An owner with a higher epoch or other settings writes here: this one has to leave it be.
    case superseded(String)
}
