internal import MarketModel
internal import TapeCodec

/// What a range of a tape, or a recording, lacks: ordinals that its packets do not have.
public struct MissingTicks: Hashable, Sendable {
    /// Taken off the tape before the first packet that still stands. Some of them may have been
    /// sent before the range begins.
    public private(set) var purged: UInt64 = 0
    /// Gone between packets that stand.
    public private(set) var lost: UInt64 = 0
    private var next: [Partition: UInt64] = [:]

    public init() {}

    public var isEmpty: Bool { purged == 0 && lost == 0 }

    /// One line for a person; nil: nothing is missing.
    public var summary: String? {
        var parts: [String] = []
        if purged > 0 { parts.append("\(purged) ticks had been purged from the tape before") }
        if lost > 0 { parts.append("\(lost) ticks in between are lost") }
        return parts.isEmpty ? nil : parts.joined(separator: ", and ")
    }

    /// The partition's first packet that stands begins here, and nothing before it was left out.
    mutating func begins(_ partition: Partition, at ordinal: UInt64) {
        purged = Self.sum(purged, max(1, ordinal) - 1)
    }

    /// The partition's next packet, whether it is meant or not.
    mutating func took(_ header: PacketHeader, isMeant: Bool) {
        guard header.kind == .ticks else { return }
        if let expected = next[header.partition], header.firstOrdinal > expected, isMeant {
            lost = Self.sum(lost, header.firstOrdinal - expected)
        }
        next[header.partition] = header.nextOrdinal
    }

    /// Ordinals are whatever a packet says.
    private static func sum(_ left: UInt64, _ right: UInt64) -> UInt64 {
        let (sum, overflow) = left.addingReportingOverflow(right)
        return overflow ? UInt64.max : sum
    }
}
