import MarketModel
import NatsTransport
import Primitives
import TapeCodec
import TapeProtocol
import TapeTransport

/// Brings stored ledgers up to what stands on the tape: packet by packet, in small steps, so that
/// whoever opens the source can be called off meanwhile. To be begun when the epochs are open:
/// until then a predecessor may add packets.
struct GapRecovery {
    private struct Lane {
        let partition: Partition
        var next: UInt64
        /// The subject's last packet.
        let last: UInt64
    }

    /// Packets read in one step.
    static let packetsPerStep = 64

    private(set) var ledgers: [Partition: PartitionLedger]
    /// Partitions whose packets are not all there any more.
    private(set) var holes: [Partition] = []
    private(set) var packets = 0
    private let client: TapeClient
    private let source: SourceName
    private var lanes: [Lane] = []

    init(
        _ stored: [Partition: PartitionLedger], client: TapeClient, source: SourceName
    ) throws {
        ledgers = stored
        self.client = client
        self.source = source
        for number in 0..<client.names.partitions {
            let partition = Partition(number)
            var ledger = stored[partition] ?? PartitionLedger()
            let last = try client.lastPacket(
                stream: client.names.tickStream(of: partition),
                subject: client.names.ticks(partition, source))
            if let last, ledger.position.sequence < last.last.sequence {
                lanes.append(
                    Lane(
                        partition: partition, next: ledger.position.sequence + 1,
                        last: last.last.sequence))
            } else if let last, ledger.position.lastOrdinal != last.header.nextOrdinal &- 1 {
                // It was made anew, or put back: all of it is looked through for what is news.
                lanes.append(Lane(partition: partition, next: 1, last: last.last.sequence))
            } else if last == nil, ledger.position.lastOrdinal > 0 {
                _ = ledger.lose()
                ledger.position.sequence = 0
                holes.append(partition)
            }
            ledgers[partition] = ledger
        }
    }

    /// True when all is read. Blocks for some packets; what fails can be tried again.
    mutating func step() throws -> Bool {
        var left = Self.packetsPerStep
        while let lane = lanes.last, left > 0 {
            left -= 1
            let message = try client.jetStream.firstMessage(
                stream: client.names.tickStream(of: lane.partition), from: lane.next,
                subject: client.names.ticks(lane.partition, source))
            guard let message, message.sequence <= lane.last else {
                lanes.removeLast()
                continue
            }
            take(message, lane.partition)
            lanes[lanes.count - 1].next = message.sequence + 1
            if message.sequence == lane.last { lanes.removeLast() }
        }
        return lanes.isEmpty
    }

    private mutating func take(_ message: StoredMessage, _ partition: Partition) {
        packets += 1
        let wasWhole = ledgers[partition]?.isWhole ?? true
        do throws(PacketError) {
            let packet = try StoredPacket(message)
            packet.withBytes {
                _ = ledgers[partition]?.take(
                    $0, packet.header, sequence: message.sequence)
            }
        } catch {
            // Its ordinals are missing in the ledger, as if it were not there.
            _ = ledgers[partition]?.lose()
        }
        if wasWhole, ledgers[partition]?.isWhole == false { holes.append(partition) }
    }
}
