import MarketModel
import Primitives
import ProviderKit
import ServiceRuntime
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
        for partition in Self.partitions(settings, names) {
            laneOf[partition] = addTickLane(partition)
        }
        for stream in 0..<TapeNames.tickStreams { addWatermarkLane(stream) }
    }

    /// Those that the source can have ticks in: providers may be given other symbols at any time.
    private static func partitions(_ settings: GatewaySettings, _ names: TapeNames) -> [Partition] {
        guard settings.delivery == nil else { return (0..<names.partitions).map { Partition($0) } }
        return Set(settings.synthetic.market.symbols.map { names.partition(of: $0) }).sorted()
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

    /// Per symbol: the record knows of more in its partition than was given out here. What is in
    /// flight was given out: readers may have it long before its acknowledgement comes.
    func isBehind(_ record: SourceRecord) -> [Bool] {
        places.map { place in
            let partition = publisher.partition(lane: place.lane)
            guard let head = record.heads[.ticks(partition)] else { return false }
            return head.lastOrdinal >= publisher.nextUnusedOrdinal(lane: place.lane)
        }
    }

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

    // MARK: where the source left off

    /// What goes on behind what stands, and what is missing in between.
    struct Resumption {
        var supply: TickSupply
        var gaps: GapBook
        /// It cannot wait for the tape.
        var isUrgent: Bool
    }

    /// Makes what goes on behind what stands on the tape. Blocks while it reads. To be called when
    /// the epochs are open: until then a predecessor may still add ticks.
    mutating func resume(
        client: TapeClient, now: Timestamp, gaps: GapDesk?, beat: ThreadBeat,
        context: ProviderKind.Context
    ) throws -> Resumption {
        if let delivery = settings.delivery {
            return try resume(
                delivery, client: client, now: now, desk: gaps, beat: beat, context: context)
        }
        return try resumeMarket(client: client, now: now)
    }

    /// What stands of one partition.
    private struct Left {
        var mark: SyntheticProvider.Mark?
        /// No later tick is earlier than this; undefined: nothing says so.
        var watermark = Timestamp.undefined

        mutating func reached(_ time: Timestamp) {
            // A marker's watermark says nothing.
            guard time.isDefined, time.nanoseconds != Int64.min else { return }
            watermark = watermark.isDefined ? max(watermark, time) : time
        }
    }

    /// Makes the market that goes on behind what stands.
    private mutating func resumeMarket(
        client: TapeClient, now: Timestamp
    ) throws -> Resumption {
        let market = SyntheticMarket(settings.synthetic.market)
        var left: [Partition: Left] = [:]
        var lost: Set<Partition> = []
        var standing = SyntheticProvider.Standing()
        for partition in laneOf.keys.sorted() {
            left[partition] = Left()
            let last = try client.lastContent(
                stream: names.tickStream(of: partition),
                subject: names.ticks(partition, settings.source))
            // More was given out than stands there.
            if let lane = laneOf[partition],
                publisher.nextOrdinal(lane: lane) > last?.header.nextOrdinal ?? 1
            {
                lost.insert(partition)
            }
            guard let last else { continue }
            standing.reached(last.header.watermark)
            left[partition]?.reached(last.header.watermark)
            guard let found = last.withBytes({ SyntheticProvider.mark(of: $0, market: market) })
            else { continue }
            standing.reached(found.time)
            left[partition]?.mark = found.mark
            if found.mark == nil { standing.foreign = max(standing.foreign, found.time) }
        }
        for stream in 0..<TapeNames.tickStreams {
            let last = try client.lastContent(
                stream: names.tickStream(stream),
                subject: names.watermarks(stream: stream, settings.source))
            guard let last else { continue }
            standing.reached(last.header.watermark)
            for partition in left.keys where names.streamIndex(of: partition) == stream {
                left[partition]?.reached(last.header.watermark)
            }
        }
        let symbols = settings.synthetic.market.symbols
        standing.marks = symbols.map { left[names.partition(of: $0)]?.mark }
        standing.isLost = symbols.map { lost.contains(names.partition(of: $0)) }
        let provider = SyntheticProvider(settings.synthetic, behind: standing, now: now)
        register(since: provider.origin)
        return Resumption(
            supply: TickSupply(provider), gaps: gaps(left, provider),
            isUrgent: settings.synthetic.pace == .realtime)
    }

    /// What a predecessor did not deliver, and this provider does not either: behind what stands
    /// of a partition until it is subscribed. A provider that makes everything again leaves only
    /// what the predecessor left out and did not put on record: then its watermark stood behind
    /// its own last tick.
    private func gaps(_ left: [Partition: Left], _ provider: SyntheticProvider) -> GapBook {
        var book = GapBook(laneOf: places.map(\.lane), laneCount: tickLanes.count)
        for (number, symbol) in settings.synthetic.market.symbols.enumerated() {
            guard let left = left[names.partition(of: symbol)], left.watermark.isDefined else {
                continue
            }
            let to = provider.since.isDefined ? provider.since : left.mark?.time
            guard let to else { continue }
            book.missed(
                GapBook.Gap(
                    symbol: number, kind: .any, from: left.watermark, to: to,
                    reason: .gatewayLost))
        }
        return book
    }

    private mutating func register(since origin: Timestamp) {
        for symbol in settings.synthetic.market.symbols {
            guard let lane = laneOf[names.partition(of: symbol)] else { continue }
            let definition = SymbolDefinition(
                symbol: symbol, provider: "synthetic", since: origin)
            places.append(
                Place(
                    lane: lane, symbol: publisher.register(definition, lane: lane),
                    isSubscribed: true))
        }
    }
}
