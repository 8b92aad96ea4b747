import MarketModel
import Primitives

/// How far the tape of one partition reaches back, source by source. Pure.
///
/// Retention empties the subjects of a partition up to one place of the stream, but for each one's
/// newest packet. So the first packet of a source that is seldom heard of says little: what it
/// lacks may be months old. The second packet with content says more, of any source: while it
/// stands together with the one before it, nothing behind it was ever taken off the partition.
struct RepairReach: Hashable, Sendable {
    struct Packet: Hashable, Sendable {
        let sequence: UInt64
        let sendTime: Timestamp
        let firstOrdinal: UInt64
    }

    /// A source's first packets that stand.
    struct Start: Hashable, Sendable {
        let source: SourceName
        /// Nil: there is none.
        let first: Packet?
        /// The next one with content.
        var second: Packet?
    }

    /// What a reading met.
    struct Reading: Hashable, Sendable {
        /// Its first packet.
        var first: UInt64 = 0
        /// Sources of which it did not see the beginning, with the first packet of each.
        var begins: [SourceName: UInt64] = [:]
        /// Packets that were stored since are in it.
        var start: Timestamp
        /// The tape has to reach back so much more.
        var margin: Int64
    }

    let starts: [Start]

    /// Why it does not reach back to where the reading begins; nil: it does.
    func shortfall(_ reading: Reading) -> String? {
        let isWhole = starts.contains { start in
            start.second.map { Self.holds($0, before: reading.first, reading) } ?? false
        }
        guard !isWhole else { return nil }
        for (source, sequence) in reading.begins.sorted(by: { $0.key < $1.key }) {
            guard let first = starts.first(where: { $0.source == source })?.first else {
                return "the tape of \(source) was emptied meanwhile"
            }
            guard first.firstOrdinal > 1, !Self.holds(first, before: sequence, reading) else {
                continue
            }
            let reach = first.sendTime.advanced(byNanoseconds: reading.margin)
            let hour = reading.margin > 0 ? "an hour behind that " : ""
            return "the tape of \(source) begins at \(first.sendTime), and "
                + "\(hour)repairs reach back to \(reach)"
        }
        return nil
    }

    private static func holds(
        _ packet: Packet, before sequence: UInt64, _ reading: Reading
    ) -> Bool {
        packet.sequence < sequence
            && packet.sendTime.advanced(byNanoseconds: reading.margin) <= reading.start
    }
}
