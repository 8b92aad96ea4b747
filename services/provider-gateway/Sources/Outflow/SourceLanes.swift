import MarketModel
import Primitives
import TapeCodec
import TapeProtocol
import TapeTransport

/// The lanes of one source in one tenure: one per partition in which the source can have ticks
/// (*tick lanes*), and one per stream of the tape for watermarks. It also reads where the source
/// left off. A lane is named by its index in the publisher. `SourceOpening` makes it, then
/// `Outflow` owns it.
struct SourceLanes {
    /// Where a symbol's records go.
    struct Place {
        /// The lane of the symbol's partition.
        var lane: Int
        /// The number with which the publisher appends the symbol's records to the lane;
        /// `TickHeader.noSymbol` for records without a symbol.
        var symbol: UInt32
        /// Whether the symbol's definition says which provider delivers the symbol, and since when.
        var isSubscribed = false
    }

    /// The places of the symbols, by the instrument's number in the source's list. `add` fills it.
    var places: [Place] = []
    /// The definitions of these symbols.
    var definitions: [SymbolDefinition] = []
    /// The tick lanes. They are the publisher's first ones, so they are numbered from 0.
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

    /// All lanes: those of ticks, then those of watermarks.
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

    /// Raises each lane above the record, so that no ordinal is used again and no epoch is opened
    /// again that the record has.
    func raise(to record: SourceRecord) {
        for (name, lane) in named {
            guard let head = record.heads[name] else { continue }
            publisher.raise(
                nextOrdinal: head.lastOrdinal + 1, aboveEpoch: head.epoch, stored: head.stored,
                lane: lane)
        }
    }

    /// Raises the lanes above the epoch that the group has recorded for earlier owners.
    func raise(aboveEpoch epoch: UInt64) {
        for lane in all { publisher.raise(nextOrdinal: 1, aboveEpoch: epoch, lane: lane) }
    }

    /// The highest epoch that is open; 0 before the first one.
    var highestEpoch: UInt64 { all.map { publisher.epoch(lane: $0) }.max() ?? 0 }

    /// Returns the partitions for which the record has higher ordinals than this gateway has used.
    /// The tape has lost ticks there, because it was restored from a backup. Ordinals of packets in
    /// flight are used ones: readers may have these packets long before the acknowledgement
    /// arrives.
    func partitions(behind record: SourceRecord) -> Set<Partition> {
        Set(
            laneOf.filter { partition, lane in
                guard let head = record.heads[.ticks(partition)] else { return false }
                return head.lastOrdinal >= publisher.nextUnusedOrdinal(lane: lane)
            }.keys)
    }

    /// Returns the partition of a symbol.
    func partition(of symbol: Symbol) -> Partition { names.partition(of: symbol) }

    /// All lanes, with their names in the source's record.
    private var named: [(SourceRecord.Lane, Int)] {
        tickLanes.map { (.ticks(publisher.partition(lane: $0)), $0) }
            + watermarkLanes.enumerated().map { (.watermarks(stream: $0.offset), $0.element.lane) }
    }

    /// Adds the partition's lane to the publisher and returns it.
    private mutating func addTickLane(_ partition: Partition) -> Int {
        let lane = publisher.addLane(
            subject: names.ticks(partition, settings.source),
            stream: names.tickStream(of: partition),
            builder: PacketBuilder(
                kind: .ticks, partition: partition, source: settings.source,
                growth: settings.pace.growth))
        tickLanes.append(lane)
        return lane
    }

    /// Adds the lane of a stream's watermarks. The packets of such a lane have the stream's number
    /// in place of a partition.
    private mutating func addWatermarkLane(_ stream: Int) {
        let lane = publisher.addLane(
            subject: names.watermarks(stream: stream, settings.source),
            stream: names.tickStream(stream),
            builder: PacketBuilder(
                kind: .watermark, partition: Partition(stream), source: settings.source))
        let own = laneOf.filter { names.streamIndex(of: $0.key) == stream }.map(\.value).sorted()
        watermarkLanes.append((lane, own))
    }

    /// The epochs that this tenure has opened on the tick lanes, for `SourceSpool.hold`.
    var openEpochs: [(partition: Partition, epoch: UInt64)] {
        tickLanes.map { (publisher.partition(lane: $0), publisher.epoch(lane: $0)) }
    }

    /// The state in which earlier tenures left the tape. A *marker* is the packet that opens an
    /// epoch.
    struct Predecessor {
        /// Per partition, the epochs of its last packets, from the newest back to the first that is
        /// no marker. This tenure's own epoch is not included.
        var epochs: [Partition: [UInt64]] = [:]
        /// Per partition, the ordinal after its last tick.
        var nextOrdinal: [Partition: UInt64] = [:]
        /// Per partition, the content of its last packet that is no marker, without epoch and
        /// ordinals. It is absent when there is no such packet.
        var content: [Partition: PacketContent] = [:]
    }

    /// Reads what earlier tenures left. Blocks meanwhile. Call it when the epochs are open: until
    /// then a predecessor may still add packets.
    func predecessor(client: TapeClient) throws -> Predecessor {
        var found = Predecessor()
        let partitions = Array(laneOf.keys)
        let ends = try client.lastPacketsOfEach(partitions.map(onTape))
        for (partition, packets) in zip(partitions, ends) {
            let own = laneOf[partition].map { publisher.epoch(lane: $0) }
            found.epochs[partition] = packets.map(\.header.epoch).filter { $0 != own }
            found.nextOrdinal[partition] = packets.last?.header.nextOrdinal ?? 1
            if let last = packets.last, last.marker == nil {
                found.content[partition] = last.content
            }
        }
        return found
    }

    /// Returns where the source's ticks of a partition are on the tape.
    func onTape(_ partition: Partition) -> (stream: String, subject: String) {
        (names.tickStream(of: partition), names.ticks(partition, settings.source))
    }
}
