package import MarketModel
package import Primitives
package import TapeCodec
package import TapeProtocol

/// What the tape says of a source: the last packet on each subject of its watermarks. The source's
/// gateway publishes there once a second, and `tapeline source` retires the source there.
package struct SourceStanding: Sendable {
    /// The last packet of one subject.
    package struct Last: Sendable {
        package let packet: LastPacket
        package let header: PacketHeader
    }

    /// A retirement that stands.
    package struct Retirement: Equatable, Sendable {
        /// The highest of its epochs.
        package var epoch: UInt64
        /// When it was published, by the clock of the person's host.
        package var time: Timestamp
    }

    /// By stream, the last packet; `nil` where the source has published none.
    package let lasts: [Last?]

    /// Reads the packets from the streams' leaders. Blocks.
    package init(_ client: TapeClient, of source: SourceName) throws {
        let names = client.names
        let places = (0..<TapeNames.tickStreams).map {
            (stream: names.tickStream($0), subject: names.watermarks(stream: $0, source))
        }
        lasts = try client.lastPacketOfEach(places).map { last in
            last.map { Last(packet: $0.last, header: $0.header) }
        }
    }

    init(lasts: [Last?]) { self.lasts = lasts }

    /// Whether the tape has any watermark of the source.
    package var isKnown: Bool { lasts.contains { $0 != nil } }

    /// The streams in which the source is retired. After a gateway or a tool that ended too early,
    /// these may be only some of them.
    package var retiredStreams: [Int] {
        lasts.indices.filter { lasts[$0]?.header.retiresSource == true }
    }

    /// Whether the source is retired in each stream.
    package var isRetired: Bool { retiredStreams.count == lasts.count }

    /// The retirement, also when it stands in some streams only; `nil` when it stands in none.
    package var retirement: Retirement? {
        let headers = retiredStreams.compactMap { lasts[$0]?.header }
        guard let epoch = headers.map(\.epoch).max(), let time = headers.map(\.sendTime).max()
        else { return nil }
        return Retirement(epoch: epoch, time: time)
    }

    /// The highest epoch on the source's watermarks; 0 when there is none.
    package var epoch: UInt64 { lasts.compactMap { $0?.header.epoch }.max() ?? 0 }
}
