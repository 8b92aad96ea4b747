internal import MarketModel
internal import Primitives
internal import Recordings
internal import TapeCodec
internal import TapeProtocol

/// A recorded source's progress, from the watermarks that it put on its tape.
///
/// A packet's watermark is that of its partition; a watermark packet is for all partitions of its
/// stream. The source's progress is the watermark of the slowest partition.
struct ReplayFloor {
    /// The partitions in which the source has packets.
    private let present: [Int]
    /// The latest watermark by partition; `Int64.min`: none was read.
    private var reached: [Int64]
    /// The watermark of the slowest partition; undefined: one of them has none yet.
    private(set) var floor = Timestamp.undefined

    init(_ info: RecordingInfo) {
        present = info.present.map(\.number)
        reached = [Int64](repeating: Int64.min, count: info.partitions)
    }

    /// Notes a packet's watermark.
    mutating func took(_ header: PacketHeader) {
        let watermark = header.watermark
        // A marker's watermark has no meaning.
        guard watermark.isDefined, watermark.nanoseconds != Int64.min else { return }
        switch header.kind {
        case .ticks: note(header.partition.number, watermark)
        case .watermark:
            for partition in present
            where partition % TapeNames.tickStreams == header.partition.number {
                note(partition, watermark)
            }
        case .bars: return
        }
        let least = present.reduce(Int64.max) { min($0, reached[$1]) }
        if least != Int64.min, least != Int64.max { floor = Timestamp(nanoseconds: least) }
    }

    private mutating func note(_ partition: Int, _ watermark: Timestamp) {
        guard reached.indices.contains(partition) else { return }
        reached[partition] = max(reached[partition], watermark.nanoseconds)
    }
}
