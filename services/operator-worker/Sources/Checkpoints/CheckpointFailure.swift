import NatsTransport
import StreamCore
import TapeTransport

/// Why a checkpoint was not written or could not be read. The state can be computed from the tape,
/// so nothing is lost, and a later try may succeed.
enum CheckpointFailure: Error, Sendable, CustomStringConvertible {
    /// A call to the bucket failed.
    case bucket(JetStreamError)
    /// The bucket could not be opened.
    case noBucket(TapeError)
    /// It is not known whether a write was stored.
    case unsettled(key: String, reason: String)
    /// Another writer was faster at every try.
    case contended(key: String)
    /// The state cannot be cut into parts.
    case bytes(CheckpointError)

    var description: String {
        switch self {
        case .bucket(let error): "\(error); trying again"
        case .noBucket(let error): "\(error); trying again"
        case .unsettled(let key, let reason):
            "it is unknown whether \(key) was stored (\(reason)); trying again"
        case .contended(let key):
            "\(key) was changed by others at every try: look for a second worker of this partition"
        case .bytes(let error): error.description
        }
    }
}
