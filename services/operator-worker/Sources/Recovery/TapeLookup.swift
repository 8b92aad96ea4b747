import MarketModel
import NatsTransport
import Primitives
import TapeCodec
import TapeProtocol
import TapeTransport

/// Reads single packets of the tape for a partition that begins. Every call blocks, so only the
/// checkpoint threads use it.
struct TapeLookup {
    private let client: TapeClient
    private let jetStream: JetStream

    init(_ client: TapeClient, _ jetStream: JetStream) {
        self.client = client
        self.jetStream = jetStream
    }

    /// Returns the last packet on the subject of the partition's bars, its generation, and the end
    /// of the output that it states. A worker must not continue after a higher generation.
    func last(
        of partition: Partition
    ) throws -> (LastPacket?, generation: UInt32?, PublishedEnd?) {
        let names = client.names
        let last = try client.lastPacket(
            stream: names.barStream, subject: names.output(partition))
        guard let last else { return (nil, nil, nil) }
        if let marker = last.marker { return (last.last, marker.generation, nil) }
        let end = PublishedEnd(last)
        return (last.last, end?.generation, end)
    }

    /// Returns the end of the partition's output, and the generation of the last packet if that is
    /// a marker.
    func end(of partition: Partition) throws -> (PublishedEnd?, markerGeneration: UInt32?) {
        let names = client.names
        let packets = try client.lastPackets(
            stream: names.barStream, subject: names.output(partition))
        let content = packets.last.flatMap { $0.marker == nil ? $0 : nil }
        return (content.flatMap { PublishedEnd($0) }, packets.first?.marker?.generation)
    }

    /// Returns the definition that made the partition's last output: its epoch's marker states it.
    /// `nil` when that marker is not on the tape any more. Epochs rise along a subject, so a binary
    /// search finds the marker.
    func definition(of partition: Partition) throws -> UInt64? {
        let names = client.names
        let (stream, subject) = (names.barStream, names.output(partition))
        guard let content = try client.lastContent(stream: stream, subject: subject) else {
            return nil
        }
        var first = content
        var (low, high) = (1 as UInt64, content.last.sequence - 1)
        while low <= high {
            let middle = low + (high - low) / 2
            guard
                let message = try jetStream.firstMessage(
                    stream: stream, from: middle, subject: subject)
            else { return nil }
            let packet = try StoredPacket(message)
            if packet.header.epoch < content.header.epoch {
                low = packet.last.sequence + 1
            } else {
                first = packet
                high = middle - 1
            }
        }
        return first.marker?.definition
    }

    /// Returns when the stream of the partition's input was created; `nil` when there is no stream.
    func created(inputOf partition: Partition) throws -> Timestamp? {
        try jetStream.streamInfo(client.names.inputStream(partition))?.created
    }

    /// Returns whether exactly the packet of this position is stored on the partition's input.
    func holds(_ position: TapePosition?, of partition: Partition) throws -> Bool {
        guard let position, try created(inputOf: partition) == position.streamCreated else {
            return false
        }
        // A position before the first packet needs no proof.
        guard position.sequence > 0 else { return true }
        let stream = client.names.inputStream(partition)
        guard
            let message = try jetStream.message(stream: stream, sequence: position.sequence)
        else { return false }
        do throws(PacketError) {
            let header = try message.payload.withRawSpan { span throws(PacketError) in
                try PacketReader.validate(span)
            }
            return header.identity == position.packet
        } catch {
            // Another packet is stored there.
            return false
        }
    }
}
