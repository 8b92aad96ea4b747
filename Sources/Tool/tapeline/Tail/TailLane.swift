import MarketModel
import Primitives
import TapeCodec

/// Checks the deliveries of one stream; pure. After every doubt the tail makes a new consumer that
/// begins after the last message. The lane notices missed deliveries and holes in the tape itself.
struct TailLane {
    static let pullsMax = 2
    static let pullMessages = 256
    static let pullBytes = 2 * 1_024 * 1_024
    /// If nothing arrives for this long, not even a heartbeat, the consumer is treated as stalled.
    static let stallNanosecondsMax: Int64 = 5_000_000_000

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

    enum Verdict: Equatable {
        case take
        /// It came from an older consumer.
        case ignore
        /// A delivery is missing, so the consumer has to be made again.
        case renew
    }

    private struct Key: Hashable {
        let partition: Partition
        let source: SourceName
        let kind: PacketKind
    }

    /// The number of the consumer. It rises with every new one.
    private(set) var tenure: UInt64 = 0
    /// The sequence of the message taken last. 0 if none was.
    private(set) var sequence: UInt64 = 0
    private(set) var isOver = false
    private var nextDelivery: UInt64 = 1
    private var lastHeard: Int64 = 0
    private var nextOrdinals: [Key: UInt64] = [:]

    /// Begins after this sequence, for a tail that starts at the end.
    mutating func begin(behind sequence: UInt64) { self.sequence = sequence }

    /// Why the consumer could not be made. `nil` once it could.
    private(set) var trouble: String?
    mutating func failed(_ reason: String) { trouble = reason }

    mutating func renewed(now: Int64) {
        trouble = nil
        tenure += 1
        nextDelivery = 1
        lastHeard = now
    }

    mutating func heard(now: Int64) { lastHeard = now }
    mutating func end() { isOver = true }

    func isStalled(now: Int64) -> Bool {
        !isOver && (trouble != nil || now >= lastHeard + Self.stallNanosecondsMax)
    }

    /// Takes any message of the stream.
    mutating func delivery(
        tenure: UInt64, number: UInt64, sequence: UInt64, now: Int64
    ) -> Verdict {
        guard tenure == self.tenure, !isOver else { return .ignore }
        lastHeard = now
        guard number == nextDelivery else { return .renew }
        nextDelivery += 1
        self.sequence = sequence
        return .take
    }

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

extension TailLane.Problem: CustomStringConvertible {
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
