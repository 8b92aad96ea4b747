import MarketModel
import Primitives
import TapeCodec

/// Notices holes in what a tail shows; pure. The tape's readers stop where a tail has to continue,
/// so a tail reads raw and follows the ordinals itself.
struct TailOrdinals {
    enum Problem: Equatable {
        /// Ordinals that are not on the tape.
        case hole(PacketPlace, ClosedRange<UInt64>)
        case ordinalsGoBack(PacketPlace, expected: UInt64)
        case undecodable(sequence: UInt64, PacketError)
    }

    /// The source, partition and sequence of a packet.
    struct PacketPlace: Equatable {
        let sequence: UInt64
        let partition: Partition
        let source: SourceName
        let firstOrdinal: UInt64
    }

    private struct Key: Hashable {
        let partition: Partition
        let source: SourceName
        let kind: PacketKind
    }

    private var nextOrdinals: [Key: UInt64] = [:]

    /// Checks that the packet's ordinals follow those of its source.
    mutating func follow(_ header: PacketHeader, sequence: UInt64) -> Problem? {
        let key = Key(partition: header.partition, source: header.source, kind: header.kind)
        defer { nextOrdinals[key] = header.nextOrdinal }
        guard let next = nextOrdinals[key], header.firstOrdinal != next,
            header.kind != .watermark
        else { return nil }
        let place = PacketPlace(
            sequence: sequence, partition: header.partition, source: header.source,
            firstOrdinal: header.firstOrdinal)
        if header.firstOrdinal < next { return .ordinalsGoBack(place, expected: next) }
        return .hole(place, next...(header.firstOrdinal - 1))
    }
}

extension TailOrdinals.Problem: CustomStringConvertible {
    var description: String {
        switch self {
        case .hole(let place, let ordinals):
            "ordinals \(ordinals.lowerBound) to \(ordinals.upperBound) of \(place.source) in "
                + "partition \(place.partition) are missing on the tape before \(place.sequence)"
        case .ordinalsGoBack(let place, let expected):
            "at \(place.sequence) ordinal \(place.firstOrdinal) of \(place.source) in partition "
                + "\(place.partition) follows where \(expected) was due: the tape was put back"
        case .undecodable(let sequence, let error):
            "the packet at \(sequence) cannot be read: \(error)"
        }
    }
}
