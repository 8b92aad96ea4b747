import MarketModel
import NatsTransport
import Primitives
import TapeCodec
import TapeProtocol
import TapeTransport

// Reads the last packets of subjects from the streams' leaders.
extension TapeClient {
    /// Returns the heads of all sources and partitions of a stream of ticks. Each watermark is the
    /// later one of the packet's and the source's own.
    func tickHeads(stream index: Int) throws -> [TapeReport.Head] {
        let stream = names.tickStream(index)
        let watermarks = try heads(stream: stream, matching: names.watermarks(stream: index))
        let ticks = try heads(stream: stream, matching: "\(names.namespace).ticks.*.*")
        return ticks.map { tick in
            var tick = tick
            let own = watermarks.first { $0.source == tick.source }?.watermark ?? .undefined
            if own.isDefined, !tick.watermark.isDefined || own > tick.watermark {
                tick.watermark = own
            }
            return tick
        }
    }

    func heads(stream: String, matching filter: String) throws -> [TapeReport.Head] {
        try jetStream.subjects(stream: stream, matching: filter).keys.sorted()
            .compactMap { try head(stream: stream, subject: $0) }
    }

    func head(stream: String, subject: String) throws -> TapeReport.Head? {
        guard let message = try jetStream.lastMessage(stream: stream, subject: subject) else {
            return nil
        }
        do throws(PacketError) {
            let header = try message.payload.withRawSpan { span throws(PacketError) in
                try PacketReader.header(of: span)
            }
            // A marker, or a packet that a person put there, has no watermark.
            let saysTime = header.watermark.nanoseconds > Int64.min
            return TapeReport.Head(
                partition: header.partition, source: header.source,
                lastOrdinal: header.nextOrdinal &- 1, epoch: header.epoch,
                watermark: saysTime ? header.watermark : .undefined, sequence: message.sequence)
        } catch {
            throw ToolError.unreadable(
                "the packet at \(message.sequence) of \(stream) cannot be read: \(error)")
        }
    }
}
