package import Primitives
package import TapeCodec

/// Why a reader gives up its consumer and makes a new one. Reading pauses for a moment, and nothing
/// is lost.
package enum ReaderDoubt: Hashable, Sendable, CustomStringConvertible {
    case reconnected
    /// The server sent nothing for too long.
    case stalled
    /// The consumer's numbers of deliveries do not follow each other.
    case missedDelivery(expected: UInt64, found: UInt64)
    /// The ordinals of a source do not follow each other.
    case missingOrdinals(expected: UInt64, found: UInt64)
    /// The server refused a pull with this status.
    case refusedPull(code: Int, String)
    /// The stream seems to end before the position. Its description is read again before that is
    /// believed.
    case endsEarly(position: UInt64, last: UInt64)

    package var description: String {
        switch self {
        case .reconnected: "the connection was lost and opened again"
        case .stalled: "nothing was heard from the consumer"
        case .missedDelivery(let expected, let found):
            "delivery \(found) came where \(expected) was due"
        case .missingOrdinals(let expected, let found):
            "ordinal \(found) came where \(expected) was due"
        case .refusedPull(let code, let text): "the server answered \(code) \(text)"
        case .endsEarly(let position, let last):
            "the stream is said to end at \(last), before the position \(position)"
        }
    }

    /// A bounded label for metrics.
    package var label: String {
        switch self {
        case .reconnected: "reconnected"
        case .stalled: "stalled"
        case .missedDelivery: "missed_delivery"
        case .missingOrdinals: "missing_ordinals"
        case .refusedPull: "refused_pull"
        case .endsEarly: "ends_early"
        }
    }
}

/// Why a reader stopped: the tape is not the one on which it reached its position, or has a packet
/// that cannot be read.
package enum ReaderProblem: Hashable, Sendable, CustomStringConvertible {
    /// The stream was created at another time than the position's.
    case streamRecreated(was: Timestamp, is: Timestamp)
    /// The stream ends before the position.
    case positionAboveEnd(sequence: UInt64, last: UInt64)
    /// The position's packet is no longer on the tape, so packets after it may be missing, too.
    case positionBelowStart(sequence: UInt64, first: UInt64)
    /// Another packet is stored at the position.
    case otherPacket(sequence: UInt64, was: PacketIdentity, is: PacketIdentity)
    /// A source's ordinals or epochs are lower than those that were read before.
    case ordinalsGoBack(sequence: UInt64, expected: UInt64, found: UInt64)
    /// The message is no packet that this program can read.
    case undecodable(sequence: UInt64, PacketError)

    package var description: String {
        switch self {
        case .streamRecreated(let was, let new):
            "the stream was created again (\(new), the position is of \(was)): the tape was lost"
        case .positionAboveEnd(let sequence, let last):
            "the position \(sequence) is after the tape's end \(last): "
                + "the tape was restored from a backup"
        case .positionBelowStart(let sequence, let first):
            "the position \(sequence) was purged, the tape begins at \(first)"
        case .otherPacket(let sequence, let was, let new):
            "another packet is stored at \(sequence) (epoch \(new.epoch), ordinal "
                + "\(new.firstOrdinal); it was epoch \(was.epoch), ordinal \(was.firstOrdinal)): "
                + "the tape was restored from a backup"
        case .ordinalsGoBack(let sequence, let expected, let found):
            "at \(sequence) ordinal \(found) follows where \(expected) was due: "
                + "the tape was written by two owners or restored from a backup"
        case .undecodable(let sequence, let error):
            "the packet at \(sequence) cannot be read: \(error)"
        }
    }
}
