package import MarketModel
package import TapeCodec

/// Counts the missing ordinals of ticks, or of bars, in a range of a tape or in a recording.
package struct MissingTicks: Hashable, Sendable {
    /// `ticks` or `bars`.
    private let kind: PacketKind
    /// Ordinals that were purged before the first packet that is still on the tape. Some of them
    /// may have been sent before the range begins.
    package private(set) var purged: UInt64 = 0
    /// Missing ordinals between packets that are on the tape.
    package private(set) var lost: UInt64 = 0
    /// By partition, up to the last one that had a packet: the ordinal that the next packet should
    /// begin with; `UInt64.max`: it had none.
    private var next: [UInt64] = []

    package init(of kind: PacketKind = .ticks) { self.kind = kind }

    package var isEmpty: Bool { purged == 0 && lost == 0 }

    /// One line for a person; `nil` when nothing is missing.
    package var summary: String? {
        var parts: [String] = []
        if purged > 0 { parts.append("\(purged) \(kind) had been purged from the tape before") }
        if lost > 0 { parts.append("\(lost) \(kind) in between are lost") }
        return parts.isEmpty ? nil : parts.joined(separator: ", and ")
    }

    /// Notes the partition's first packet that is still on the tape, when none before it was left
    /// out.
    package mutating func begins(_ partition: Partition, at ordinal: UInt64) {
        purged = Self.sum(purged, max(1, ordinal) - 1)
    }

    /// Notes the partition's next packet. Only what is missing before a packet of the range counts.
    package mutating func took(_ header: PacketHeader, isInRange: Bool) {
        guard header.kind == kind else { return }
        let place = header.partition.number
        while next.count <= place { next.append(.max) }
        if header.firstOrdinal > next[place], isInRange {
            lost = Self.sum(lost, header.firstOrdinal - next[place])
        }
        next[place] = header.nextOrdinal
    }

    /// Adds without overflow, because packets may contain any ordinals.
    private static func sum(_ left: UInt64, _ right: UInt64) -> UInt64 {
        let (sum, overflow) = left.addingReportingOverflow(right)
        return overflow ? UInt64.max : sum
    }
}
