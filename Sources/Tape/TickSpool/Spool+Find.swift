package import MarketModel
package import TapeCodec

/// Which unconsumed frames of one partition are on the tape already, as the next process has found.
package enum SpoolStanding: Hashable, Sendable {
    /// The frames up to this number, which is that of the partition's last packet on the tape; 0:
    /// none.
    case through(number: UInt64)
    /// The frames whose ordinals, as they were sealed, are below this one.
    case below(ordinal: UInt64)

    /// Returns whether the frame is on the tape. `nextOrdinal` is the ordinal after the frame.
    package func includes(number: UInt64, nextOrdinal: UInt64) -> Bool {
        switch self {
        case .through(let last): number <= last
        case .below(let ordinal): nextOrdinal <= ordinal
        }
    }
}

/// The result of `Spool.find`: which frames of a spool are on the tape, found by the last packet of
/// each partition there.
///
/// A packet *went past the spool* when it was published without being spooled, because its queue
/// was empty then.
package struct SpoolFinding: Sendable {
    /// The frame that has the partition's last packet on the tape. A partition whose last packet is
    /// in no frame is absent.
    package internal(set) var numbers: [Partition: UInt64] = [:]
    /// Partitions of which no unconsumed frame is on the tape, unless `numbers` has them. Their
    /// queue is sure and no frame of theirs is damaged.
    var whole: Set<Partition> = []

    /// Returns which frames of the partition are on the tape; `nextOrdinal` is the ordinal after
    /// its last packet there. If that packet is in no frame, it went past the spool. If the queue
    /// is sure, all frames that were on the tape before that packet are below the mark, and no
    /// other frame is there. Otherwise ordinals decide: that packet has ordinals after those of all
    /// frames that were on the tape before it, unless frames were left out as damaged.
    package func standing(_ partition: Partition, nextOrdinal: UInt64) -> SpoolStanding {
        if let number = numbers[partition] { return .through(number: number) }
        return whole.contains(partition) ? .through(number: 0) : .below(ordinal: nextOrdinal)
    }
}

extension Spool {
    /// Finds the frames that are on the tape already. `wanted` is the content of each partition's
    /// last packet there. A gateway calls it at the beginning of a tenure, before the first `peek`.
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
