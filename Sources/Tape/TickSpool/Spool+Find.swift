package import MarketModel
package import TapeCodec

/// Which frames of one partition are on the tape.
package enum SpoolStanding: Hashable, Sendable {
    /// The frames up to this one, which is the partition's last packet on the tape; 0: none.
    case through(number: UInt64)
    /// The frames below this ordinal. The ordinals with which frames were sealed decide.
    case below(ordinal: UInt64)

    /// Returns whether the frame is on the tape.
    package func includes(number: UInt64, nextOrdinal: UInt64) -> Bool {
        switch self {
        case .through(let last): number <= last
        case .below(let ordinal): nextOrdinal <= ordinal
        }
    }
}

/// Which frames of a spool are on the tape, found by the last packet of each partition there.
///
/// A packet *went past the spool* when it was published without being spooled, because the spool
/// was empty then.
package struct SpoolFinding: Sendable {
    /// The frame that has the partition's last packet on the tape. A partition whose last packet is
    /// in no frame is absent.
    package internal(set) var numbers: [Partition: UInt64] = [:]
    /// Partitions of which no frame is on the tape, unless their last packet is in one.
    var whole: Set<Partition> = []

    /// Returns which frames of the partition are on the tape; `nextOrdinal` is the ordinal after
    /// its last packet there. A packet that is in no frame went past the spool. Frames that were
    /// on the tape before it are below the mark, if that is sure. Otherwise ordinals decide: a
    /// packet that went past the spool has ordinals after those of all frames that were on the
    /// tape before it, unless frames were left out as damaged.
    package func standing(_ partition: Partition, nextOrdinal: UInt64) -> SpoolStanding {
        if let number = numbers[partition] { return .through(number: number) }
        return whole.contains(partition) ? .through(number: 0) : .below(ordinal: nextOrdinal)
    }
}

extension Spool {
    /// Returns, for each named partition, the number of its last frame with this content, which is
    /// that of its last packet on the tape; a partition without one is absent. Call it before
    /// reading.
    package func find(
        _ wanted: [Partition: PacketContent]
    ) throws(SpoolError) -> SpoolFinding {
        var found = SpoolFinding()
        found.whole = Set(wanted.keys.filter { queues[queue(of: $0)].isSure })
        // When a mark was lost, the packet may be in a frame that is consumed and still there.
        let isSure = queues.allSatisfy(\.isSure)
        var cursor = SegmentCursor(at: isSure ? consumedBelow : 1)
        while let item = try cursor.next(
            in: chain,
            wants: {
                let content = wanted[$0.partition]
                return content?.byteCount == $0.packetBytes && content?.tickCount == $0.tickCount
            })
        {
            switch item {
            case .frame(let header, let packet):
                guard packet.content == wanted[header.partition] else { continue }
                found.numbers[header.partition] = header.number
            case .damaged(let damage):
                if let header = damage.header {
                    found.whole.remove(header.partition)
                } else {
                    found.whole.removeAll()
                }
            }
        }
        return found
    }
}
