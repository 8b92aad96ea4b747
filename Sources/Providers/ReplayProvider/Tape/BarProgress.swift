internal import MarketModel
internal import Primitives
internal import Recordings
internal import TapeCodec

/// Which packets of bars were read, by partition.
struct BarProgress {
    /// When the tape took the first one of the range.
    private var begins: [Partition: Timestamp] = [:]
    /// The highest watermark: all bars up to it were on the tape.
    private var closed: [Partition: Timestamp] = [:]

    /// Notes the next packet that the tape took before the end of the range.
    mutating func took(_ header: PacketHeader, at time: Timestamp, isInRange: Bool) {
        if isInRange, begins[header.partition] == nil { begins[header.partition] = time }
        // The lowest time is no watermark: none was known yet.
        guard header.watermark.isDefined, header.watermark.nanoseconds > .min else { return }
        closed[header.partition] = max(
            closed[header.partition] ?? header.watermark, header.watermark)
    }

    /// Returns which bars of a partition were read completely. `afterStart`: earlier packets of the
    /// range may have been purged before they were read, so the first that was read is the
    /// beginning.
    func complete(
        _ partition: Partition, from: Timestamp, to: Timestamp, afterStart: Bool
    ) -> RecordedBars {
        var from = from.isDefined ? from : Timestamp(nanoseconds: .min)
        if afterStart {
            guard let begin = begins[partition] else { return RecordedBars(partition) }
            from = begin
        }
        return RecordedBars(
            partition, from: from, to: to, closed: closed[partition] ?? .undefined)
    }
}
