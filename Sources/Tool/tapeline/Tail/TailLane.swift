import MarketModel
import Primitives
import TapeCodec

/// What a tail may believe of one stream: pure. It reads through a consumer that is made anew,
/// behind the last message, after every doubt, and notices what is missing on the tape itself.
struct TailLane {
    static let pullsMax = 2
    static let pullMessages = 256
    static let pullBytes = 2 * 1_024 * 1_024
    /// Nothing heard for this long, not even a heartbeat.
    static let stallNanosecondsMax: Int64 = 5_000_000_000

    enum Problem: Equatable {
        /// Ordinals that the tape does not hold.
        case hole(PacketPlace, ClosedRange<UInt64>)
        case ordinalsGoBack(PacketPlace, expected: UInt64)
        case undecodable(sequence: UInt64, PacketError)
    }

    /// Where a packet stands and whose it is.
    struct PacketPlace: Equatable {
        let sequence: UInt64
        let partition: Partition
        let source: SourceName
        let firstOrdinal: UInt64
    }

    enum Verdict: Equatable {
        case take
        /// Of an older consumer.
        case ignore
        /// A delivery is missing: the consumer has to be made anew.
        case renew
    }

    private struct Key: Hashable {
        let partition: Partition
        let source: SourceName
        let kind: PacketKind
    }

    /// Raised with every consumer.
    private(set) var tenure: UInt64 = 0
    /// Of the message that was taken last; 0: none yet.
    private(set) var sequence: UInt64 = 0
    private(set) var isOver = false
    private var nextDelivery: UInt64 = 1
    private var lastHeard: Int64 = 0
    private var nextOrdinals: [Key: UInt64] = [:]

    /// For a reader at the end: what stands up to there was never wanted.
    mutating func begin(behind sequence: UInt64) { self.sequence = sequence }

    /// The consumer could not be made anew: why, until it can.
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

    /// A message of the stream, whatever it holds.
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

    /// Whether the packet's ordinals follow those of its source.
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
