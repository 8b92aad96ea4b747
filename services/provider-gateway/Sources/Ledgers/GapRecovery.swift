import MarketModel
import NatsTransport
import Primitives
import TapeCodec
import TapeProtocol
import TapeTransport

/// Brings stored ledgers up to date with the tape, one window of packets at a time, so that opening
/// the source can be cancelled in between. Start it when the epochs are open: until then a
/// predecessor may add packets.
///
/// It asks for each packet instead of using a `RangeReader`: the gateway's user may make no
/// consumer. A packet that cannot be read does not end the reading here, it makes the ledger
/// incomplete.
struct GapRecovery {
    /// The packets of a partition that its ledger does not have: from one sequence to the subject's
    /// last.
    private struct Rest {
        let partition: Partition
        let sequences: ClosedRange<UInt64>
    }

    /// Partitions of one stream that are read together, in the order of the stream.
    private struct Lane {
        var walk: MessageWalk
        /// The partitions' packets to read, by subject.
        var rests: [String: Rest]
    }

    private(set) var ledgers: [Partition: PartitionLedger]
    /// Partitions of which some packets are no longer there, or cannot be read.
    private(set) var holes: [Partition] = []
    /// The number of packets that were read.
    private(set) var packets = 0
    private let client: TapeClient
    private let followed: FollowedProviders
    private var lanes: [Lane] = []

    init(
        _ stored: [Partition: PartitionLedger], client: TapeClient, source: SourceName,
        followed: FollowedProviders = FollowedProviders()
    ) throws {
        ledgers = stored
        self.client = client
        self.followed = followed
        var rests: [Rest] = []
        let names = client.names
        let partitions = (0..<names.partitions).map { Partition($0) }
        let lasts = try client.lastPacketOfEach(
            partitions.map {
                (stream: names.tickStream(of: $0), subject: names.ticks($0, source))
            })
        for (partition, last) in zip(partitions, lasts) {
            var ledger = stored[partition] ?? PartitionLedger()
            if let last, ledger.position.sequence < last.last.sequence {
                rests.append(
                    Rest(
                        partition: partition,
                        sequences: ledger.position.sequence + 1...last.last.sequence))
            } else if let last, ledger.position.lastOrdinal != last.header.nextOrdinal &- 1 {
                // The stream was created again or restored from a backup: read all of it for news.
                rests.append(Rest(partition: partition, sequences: 1...last.last.sequence))
            } else if last == nil, ledger.position.lastOrdinal > 0 {
                _ = ledger.lose()
                ledger.position.sequence = 0
                holes.append(partition)
            }
            ledgers[partition] = ledger
        }
        lanes = Self.lanes(rests, names, source)
    }

    /// Returns a lane for each stream. Partitions that are read from the tape's beginning get a
    /// separate lane, because the others only lack their last packets.
    private static func lanes(_ rests: [Rest], _ names: TapeNames, _ source: SourceName) -> [Lane] {
        var lanes: [Lane] = []
        for stream in 0..<TapeNames.tickStreams {
            let own = rests.filter { names.streamIndex(of: $0.partition) == stream }
            for isWhole in [false, true] {
                let together = own.filter { ($0.sequences.lowerBound == 1) == isWhole }
                guard let first = together.map(\.sequences.lowerBound).min(),
                    let last = together.map(\.sequences.upperBound).max()
                else { continue }
                let subjects = together.map { (names.ticks($0.partition, source), $0) }
                let filter = subjects.count == 1 ? subjects[0].0 : names.ticks(source)
                lanes.append(
                    Lane(
                        walk: MessageWalk(
                            stream: names.tickStream(stream), subject: filter, from: first,
                            through: last),
                        rests: Dictionary(uniqueKeysWithValues: subjects)))
            }
        }
        return lanes
    }

    /// Reads the next window of packets. Returns true when all is read. Blocks meanwhile; a step
    /// that fails can be tried again.
    mutating func step() throws -> Bool {
        guard let index = lanes.indices.last else { return true }
        for message in try lanes[index].walk.step(client.jetStream) {
            // Skip packets of other partitions, and those that the ledger has already.
            guard let rest = lanes[index].rests[message.subject],
                rest.sequences.contains(message.sequence)
            else { continue }
            take(message, rest.partition)
        }
        if lanes[index].walk.isOver { lanes.removeLast() }
        return lanes.isEmpty
    }

    private mutating func take(_ message: StoredMessage, _ partition: Partition) {
        packets += 1
        let wasWhole = ledgers[partition]?.isWhole ?? true
        do throws(PacketError) {
            let packet = try StoredPacket(message)
            packet.withBytes {
                _ = ledgers[partition]?.take(
                    $0, packet.header, sequence: message.sequence, followed)
            }
        } catch {
            // Note the loss: to the ledger, a damaged packet is as if it were not there.
            _ = ledgers[partition]?.lose()
        }
        if wasWhole, ledgers[partition]?.isWhole == false { holes.append(partition) }
    }
}
