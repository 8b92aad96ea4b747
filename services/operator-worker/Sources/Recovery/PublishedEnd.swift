import MarketModel
import Primitives
import StreamCore
import TapeCodec

/// The end of the bars on the tape, as stated in their last packet that is no marker.
struct PublishedEnd: Hashable, Sendable {
    /// The last ordinal; 0 when there are packets, but no bars.
    var ordinal: UInt64
    /// The running checksum after that ordinal.
    var checksum: UInt64
    /// The generation of the graph that made it.
    var generation: UInt32
    /// The input up to which all output is published.
    var input: TapePosition
    /// The time up to which all bars are published.
    var watermark: Timestamp

    /// The end of the output; `nil` when there are no bars.
    var end: OutputLedger.End? {
        ordinal < OutputLedger.firstOrdinal
            ? nil : OutputLedger.End(ordinal: ordinal, checksum: checksum)
    }

    init(
        ordinal: UInt64, checksum: UInt64, generation: UInt32, input: TapePosition,
        watermark: Timestamp
    ) {
        self.ordinal = ordinal
        self.checksum = checksum
        self.generation = generation
        self.input = input
        self.watermark = watermark
    }

    init(_ header: PacketHeader, _ state: OutputState) {
        self.init(
            ordinal: header.nextOrdinal - 1, checksum: state.checksum,
            generation: state.generation, input: state.input, watermark: header.watermark)
    }
}
