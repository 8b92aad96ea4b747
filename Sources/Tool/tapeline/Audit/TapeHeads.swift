import MarketModel
import NatsTransport
import Primitives
import TapeCodec
import TapeProtocol

/// The last ordinals on the tape, read from the streams' leaders.
struct TapeHeads: Sendable {
    static let connectionName = "tapeline"

    /// The last ordinal of ticks per partition, for one source.
    private(set) var ticks: [Partition: UInt64] = [:]
    /// The last ordinal of bars per partition.
    private(set) var bars: [Partition: UInt64] = [:]

    var tickCount: UInt64 { ticks.values.reduce(0, +) }
    var barCount: UInt64 { bars.values.reduce(0, +) }

    static func read(
        _ configuration: NatsConfiguration, names: TapeNames, source: SourceName
    ) throws(ToolError) -> TapeHeads {
        do {
            let connection = try NatsConnection(configuration) { _ in }
            defer { connection.close() }
            let jetStream = JetStream(connection)
            var heads = TapeHeads()
            for partition in (0..<names.partitions).map({ Partition($0) }) {
                heads.ticks[partition] = try last(
                    jetStream, names.tickStream(of: partition), names.ticks(partition, source))
                heads.bars[partition] = try last(
                    jetStream, names.barStream, names.bars(partition))
            }
            return heads
        } catch {
            throw .audit("the tape cannot be read: \(error)")
        }
    }

    private static func last(
        _ jetStream: JetStream, _ stream: String, _ subject: String
    ) throws -> UInt64? {
        guard let message = try jetStream.lastMessage(stream: stream, subject: subject) else {
            return nil
        }
        let header = try message.payload.withRawSpan { try PacketReader.header(of: $0) }
        return header.nextOrdinal - 1
    }
}
