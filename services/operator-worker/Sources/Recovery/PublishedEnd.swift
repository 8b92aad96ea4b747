import MarketModel
import Primitives
import StreamCore
import TapeCodec
import TapeTransport

/// The end of a partition's output on the tape, as stated in the last packet that is no marker.
struct PublishedEnd: Hashable, Sendable {
    /// The last ordinal; 0 when there are packets, but no output.
    var ordinal: UInt64
    /// The running checksum up to and including that ordinal.
    var checksum: UInt64
    /// The generation that made the last packet.
    var generation: UInt32
    /// The input up to which all output is published.
    var input: TapePosition
    /// The time up to which all bars are published.
    var watermark: Timestamp
    /// The definition that made this output; `nil` when the tape does not state it any more. It is
    /// looked up only if `RecoverySituation.needsDefinition`.
    var definition: UInt64?

    /// The same for an `OutputLedger`; `nil` when there is no output.
    var end: OutputLedger.End? {
        ordinal < OutputLedger.firstOrdinal
            ? nil : OutputLedger.End(ordinal: ordinal, checksum: checksum)
    }
}

extension PublishedEnd {
    /// Fails when the packet states no output.
    init?(_ packet: StoredPacket) {
        let state = packet.withBytes { PacketReader.outputState(of: $0) }
        guard let state else { return nil }
        self.init(packet.header, state)
    }

    init(_ header: PacketHeader, _ state: OutputState) {
        self.init(
            ordinal: header.nextOrdinal - 1, checksum: state.checksum,
            generation: state.generation, input: state.input, watermark: header.watermark)
    }
}
