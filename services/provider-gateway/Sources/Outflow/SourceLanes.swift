import MarketModel
import Primitives
import TapeCodec
import TapeProtocol
import TapeTransport

/// Lays out the subjects of one source: a lane per partition that has symbols, and one per stream
/// for watermarks. Finds out where the source left off.
struct SourceLanes {
    /// Where a symbol's ticks go.
    struct Place {
        var lane: Int
        /// Its number in the lane.
        var symbol: UInt32
        /// Its definition says since when it is fed.
        var isSubscribed = false
    }

    /// Per symbol; filled by `resume`, and by `add`.
    var places: [Place] = []
    private(set) var tickLanes: [Int] = []
    /// Per stream: the lane of its watermarks, and the tick lanes that they speak for.
    private(set) var watermarkLanes: [(lane: Int, tickLanes: [Int])] = []

    let settings: GatewaySettings
    let names: TapeNames
    let publisher: TapePublisher
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

    var all: [Int] { tickLanes + watermarkLanes.map(\.lane) }

    /// Of what concerns no symbol.
    var placeOfNone: Place { Place(lane: tickLanes[0], symbol: TickHeader.noSymbol) }

    // MARK: what is remembered of them

    /// What the tape has acknowledged, as far as this gateway knows.
    func record(time: Timestamp) -> SourceRecord {
        var record = SourceRecord(time: time)
        for (name, lane) in named {
            record.heads[name] = SourceRecord.Head(
                epoch: publisher.epoch(lane: lane),
                lastOrdinal: publisher.nextOrdinal(lane: lane) - 1)
        }
        return record
    }

    /// No ordinal at or below the record's is given out, and no epoch of it opened again.
    func raise(to record: SourceRecord) {
        for (name, lane) in named {
            guard let head = record.heads[name] else { continue }
            publisher.raise(
                nextOrdinal: head.lastOrdinal + 1, aboveEpoch: head.epoch, lane: lane)
        }
    }

    /// Above what the group has on record of earlier owners.
    func raise(aboveEpoch epoch: UInt64) {
        for lane in all { publisher.raise(nextOrdinal: 1, aboveEpoch: epoch, lane: lane) }
    }

    var highestEpoch: UInt64 { all.map { publisher.epoch(lane: $0) }.max() ?? 0 }

    /// Partitions of which the record knows more than was given out here. What is in flight was
    /// given out: readers may have it long before its acknowledgement comes.
    func behind(_ record: SourceRecord) -> Set<Partition> {
        Set(
            laneOf.filter { partition, lane in
                guard let head = record.heads[.ticks(partition)] else { return false }
                return head.lastOrdinal >= publisher.nextUnusedOrdinal(lane: lane)
            }.keys)
    }

    func partition(of symbol: Symbol) -> Partition { names.partition(of: symbol) }

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

    /// Those of ticks, as the spool wants to know them.
    var openEpochs: [(partition: Partition, epoch: UInt64)] {
        tickLanes.map { (publisher.partition(lane: $0), publisher.epoch(lane: $0)) }
    }

    /// What a predecessor left on the tape.
    struct Predecessor {
        /// Per partition, from the last packet of an earlier tenure back to one that is no marker.
        var epochs: [Partition: [UInt64]] = [:]
        /// Per partition: the ordinal behind its last tick.
        var nextOrdinal: [Partition: UInt64] = [:]
        /// Per partition: what its last packet that is no marker holds.
        var content: [Partition: PacketContent] = [:]
    }

    /// Blocks while it reads. To be called when the epochs are open.
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
