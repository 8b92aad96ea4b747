import Membership
import MarketModel
import NatsTransport
import Primitives
import TapeCodec
import TapeProtocol
import TapeTransport

/// Finds how far the operators have come, from their output. Each packet of bars carries the input
/// position up to which all output is published.
struct OperatorPositions {
    /// How many packets of bars are searched, from the end, for one that names its input.
    private static let stepsMax = 4

    let client: TapeClient

    /// Returns the position of every partition, and of the share over all partitions if that has
    /// output.
    func positions() throws -> [GroupPosition] {
        let all = try (0..<client.names.partitions).map { try position(Partition($0)) }
        let universe = try position(client.names.universe)
        return universe.packet == nil ? all : all + [universe]
    }

    func position(_ partition: Partition) throws -> GroupPosition {
        var position = GroupPosition(
            group: .operators, input: partition == client.names.universe ? .bars : .ticks,
            partition: partition)
        let stream = client.names.barStream
        let subject = client.names.output(partition)
        var message = try client.jetStream.lastMessage(stream: stream, subject: subject)
        var steps = 0
        while let found = message, steps < Self.stepsMax {
            steps += 1
            if let state = try state(of: found) {
                position.moved = found.time
                position.packet = GroupPosition.Packet(
                    streamCreated: state.input.streamCreated, sequence: state.input.sequence,
                    identity: state.input.packet)
                position.sources = state.input.sources.map {
                    GroupPosition.Source(
                        source: $0.source, lastOrdinal: $0.lastOrdinal,
                        tapeOrdinal: $0.lastOrdinal, epoch: $0.epoch)
                }
                break
            }
            message = try previous(found, stream)
        }
        if position.packet?.sequence == 0 {
            // Nothing of this tape is read. The sources are what an earlier line took.
            position.packet = nil
            position.sources = []
        }
        return position
    }

    private func state(of message: StoredMessage) throws -> OutputState? {
        do throws(PacketError) {
            return try message.payload.withRawSpan { span throws(PacketError) in
                _ = try PacketReader.validate(span)
                return PacketReader.outputState(of: span)
            }
        } catch {
            throw ToolError.unreadable(
                "the packet at \(message.sequence) of \(client.names.barStream) cannot be read: "
                    + "\(error)")
        }
    }

    /// A marker names the sequence of its predecessor.
    private func previous(_ message: StoredMessage, _ stream: String) throws -> StoredMessage? {
        let marker = message.payload.withRawSpan { PacketReader.epochMarker(of: $0) }
        guard let sequence = marker?.previousSequence, sequence > 0 else { return nil }
        return try client.jetStream.message(stream: stream, sequence: sequence)
    }
}
