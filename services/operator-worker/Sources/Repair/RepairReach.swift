import MarketModel
import Primitives

/// How far the ticks of one partition reach back on the tape, source by source. Pure.
///
/// Retention removes a partition's packets before one sequence of the stream, but keeps each
/// subject's newest packet. So the first packet of a source that rarely sends proves little: the
/// packets after it may have been removed for months. The second packet with content of any source
/// proves more: while it is stored together with the packet before it, no later packet of the
/// partition was ever removed.
struct RepairReach: Hashable, Sendable {
    /// A packet on the tape of ticks.
    struct Packet: Hashable, Sendable {
        let sequence: UInt64
        let sendTime: Timestamp
        let firstOrdinal: UInt64
        /// When the stream was made, if this is the marker with which its subject began there.
        /// After a restore, the first ordinal of a new tape is not 1. Undefined for other packets.
        var streamMade = Timestamp.undefined
    }

    /// The first stored packets of a source.
    struct Start: Hashable, Sendable {
        let source: SourceName
        /// The first packet; `nil` when there is none.
        let first: Packet?
        /// The next one that is no marker; `nil` when there is none.
        var second: Packet?
    }

    /// The first packets that a repair's reading met, of all sources and of each one.
    struct Reading: Hashable, Sendable {
        /// The sequence of the first packet; 0 before that one.
        var first: UInt64 = 0
        /// By source, the sequence of its first packet. Sources that were read from their first
        /// ordinal are not listed: no packet of theirs can have been removed.
        var firstOfSource: [SourceName: UInt64] = [:]
        /// The reading contains the packets that were stored from this time on.
        var start: Timestamp
        /// How much further the tape has to reach back, in nanoseconds.
        var margin: Int64
    }

    /// The starts of the sources in the question.
    let starts: [Start]

    /// Returns why the tape does not reach back to the start of the reading; `nil` when it does.
    func shortfall(_ reading: Reading) -> String? {
        let isWhole = starts.contains { start in
            start.second.map { Self.proves($0, before: reading.first, reading) } ?? false
        }
        guard !isWhole else { return nil }
        for (source, sequence) in reading.firstOfSource.sorted(by: { $0.key < $1.key }) {
            guard let first = starts.first(where: { $0.source == source })?.first else {
                return "the tape of \(source) was emptied meanwhile"
            }
            // With ordinal 1 nothing of this source was removed. A first packet before the ones
            // that were read is not the source's newest, so retention has not reached it.
            guard first.firstOrdinal > 1, !Self.proves(first, before: sequence, reading) else {
                continue
            }
            // Nothing of the subject was removed since it began. A former tape ended before this
            // one was made.
            let isFirst = first.streamMade.isDefined
            if isFirst, first.streamMade <= reading.start { continue }
            let margin = isFirst ? 0 : reading.margin
            let reach = isFirst ? first.streamMade : first.sendTime.advanced(byNanoseconds: margin)
            let hour = margin > 0 ? "an hour behind that " : ""
            return "the tape of \(source) begins at \(first.sendTime), and "
                + "\(hour)repairs reach back to \(reach)"
        }
        return nil
    }

    /// Returns whether the packet is on the tape before packet `sequence` of the reading, and was
    /// sent so long before the reading's start that retention is not about to reach it.
    private static func proves(
        _ packet: Packet, before sequence: UInt64, _ reading: Reading
    ) -> Bool {
        packet.sequence < sequence
            && packet.sendTime.advanced(byNanoseconds: reading.margin) <= reading.start
    }
}
