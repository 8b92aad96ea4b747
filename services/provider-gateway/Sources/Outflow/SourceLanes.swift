import MarketModel
import Primitives
import TapeCodec
import TapeProtocol
import TapeTransport

/// The lanes of one source: one per partition that has symbols, and one per stream for watermarks.
/// It also finds out where the source left off. A lane is named by its index in the publisher.
struct SourceLanes {
    /// Where a symbol's records go.
    struct Place {
        /// The lane of the symbol's partition.
        var lane: Int
        /// The symbol's number in the lane's packets; `TickHeader.noSymbol` when there is no
        /// symbol.
        var symbol: UInt32
        /// Whether the symbol's definition has its provider and the time since which that delivers
        /// it.
        var isSubscribed = false
    }

    /// The places of the symbols, by the instrument's number in the source's list; filled by
    /// `resume` and `add`.
    var places: [Place] = []
    /// The lanes of the partitions.
    private(set) var tickLanes: [Int] = []
    /// Per stream, the lane of its watermarks and the tick lanes that they cover.
    private(set) var watermarkLanes: [(lane: Int, tickLanes: [Int])] = []

    let settings: GatewaySettings
    let names: TapeNames
    let publisher: TapePublisher
    /// The lane of each partition that has one.
    var laneOf: [Partition: Int] = [:]

    init(_ settings: GatewaySettings, names: TapeNames, publisher: TapePublisher) {
        self.settings = settings
        self.names = names
        self.publisher = publisher
        for partition in settings.delivery.partitions(names) {
            laneOf[partition] = addTickLane(partition)
        }
        for stream in 0..<TapeNames.tickStreams { addWatermarkLane(stream) }
    }

    /// All lanes, those of watermarks included.
    var all: [Int] { tickLanes + watermarkLanes.map(\.lane) }

    /// The place of records without a symbol. They go into the first lane.
    var placeWithoutSymbol: Place { Place(lane: tickLanes[0], symbol: TickHeader.noSymbol) }

    // MARK: the source's record

    /// Returns the epochs and last ordinals that the tape has acknowledged, as far as this gateway
    /// knows.
    func record(time: Timestamp) -> SourceRecord {
        var record = SourceRecord(time: time)
        for (name, lane) in named {
            record.heads[name] = SourceRecord.Head(
                epoch: publisher.epoch(lane: lane),
                lastOrdinal: publisher.nextOrdinal(lane: lane) - 1)
        }
        return record
    }

    /// Raises the lanes, so that no ordinal up to the record's is used and no epoch up to the
    /// record's is opened again.
    func raise(to record: SourceRecord) {
        for (name, lane) in named {
            guard let head = record.heads[name] else { continue }
            publisher.raise(
                nextOrdinal: head.lastOrdinal + 1, aboveEpoch: head.epoch, lane: lane)
        }
    }

    /// Raises the lanes above the epoch that the group has recorded for earlier owners.
    func raise(aboveEpoch epoch: UInt64) {
        for lane in all { publisher.raise(nextOrdinal: 1, aboveEpoch: epoch, lane: lane) }
    }

    /// The highest epoch that is open; 0 before the first one.
    var highestEpoch: UInt64 { all.map { publisher.epoch(lane: $0) }.max() ?? 0 }

    /// Returns the partitions for which the record has higher ordinals than this gateway has used.
    /// Ordinals of packets in flight are used ones: readers may have these packets long before the
    /// acknowledgement arrives.
    func partitions(behind record: SourceRecord) -> Set<Partition> {
        Set(
            laneOf.filter { partition, lane in
                guard let head = record.heads[.ticks(partition)] else { return false }
                return head.lastOrdinal >= publisher.nextUnusedOrdinal(lane: lane)
            }.keys)
    }

    func partition(of symbol: Symbol) -> Partition { names.partition(of: symbol) }

    /// All lanes, with their names in the source's record.
    private var named: [(SourceRecord.Lane, Int)] {
        tickLanes.map { (.ticks(publisher.partition(lane: $0)), $0) }
            + watermarkLanes.enumerated().map { (.watermarks(stream: $0.offset), $0.element.lane) }
    }

    private mutating func addTickLane(_ partition: Partition) -> Int {
        let lane = publisher.addLane(
            subject: names.ticks(partition, settings.source),
            stream: names.tickStream(of: partition),
            builder: PacketBuilder(kind: .ticks, partition: partition, source: settings.source))
        tickLanes.append(lane)
        return lane
    }

    private mutating func addWatermarkLane(_ stream: Int) {
        let lane = publisher.addLane(
            subject: names.watermarks(stream: stream, settings.source),
            stream: names.tickStream(stream),
            builder: PacketBuilder(
                kind: .watermark, partition: Partition(stream), source: settings.source))
        let own = laneOf.filter { names.streamIndex(of: $0.key) == stream }.map(\.value).sorted()
        watermarkLanes.append((lane, own))
    }

    /// The epochs of the tick lanes, in the form that the spool needs.
    var openEpochs: [(partition: Partition, epoch: UInt64)] {
        tickLanes.map { (publisher.partition(lane: $0), publisher.epoch(lane: $0)) }
    }

    /// The state in which the predecessor left the tape.
    struct Predecessor {
        /// Per partition, the epochs of its last packets: from the last one of an earlier tenure
        /// back to one that is no marker.
        var epochs: [Partition: [UInt64]] = [:]
        /// Per partition, the ordinal after its last tick.
        var nextOrdinal: [Partition: UInt64] = [:]
        /// Per partition, the content of its last packet that is no marker.
        var content: [Partition: PacketContent] = [:]
    }

    /// Reads what the predecessor left. Blocks meanwhile. Call it when the epochs are open.
    func predecessor(client: TapeClient) throws -> Predecessor {
        var found = Predecessor()
        for (partition, lane) in laneOf {
            let packets = try client.lastPackets(
                stream: names.tickStream(of: partition),
                subject: names.ticks(partition, settings.source))
            let own = publisher.epoch(lane: lane)
            found.epochs[partition] = packets.map(\.header.epoch).filter { $0 != own }
            found.nextOrdinal[partition] = packets.last?.header.nextOrdinal ?? 1
            if let last = packets.last, last.marker == nil {
                found.content[partition] = last.content
            }
        }
        return found
    }
}
