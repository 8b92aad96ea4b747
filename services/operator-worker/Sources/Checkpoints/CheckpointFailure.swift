import NatsTransport
import StreamCore
import TapeTransport

/// Why a checkpoint was not written or could not be looked for. The tape has everything, so the
/// answer to each is to try again later.
enum CheckpointFailure: Error, Sendable, CustomStringConvertible {
    case bucket(JetStreamError)
    case noBucket(TapeError)
    /// Whether a write was stored did not come out.
    case unsettled(key: String, reason: String)
    /// Others wrote at every try.
    case contended(key: String)
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
