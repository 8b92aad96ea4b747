import MarketModel
import Primitives
import TapeCodec
import TapeProtocol
import TapeTransport

/// Lays out the subjects of one source: a lane per partition that has symbols, and one per stream
/// for watermarks. Finds out where the source left off.
struct SourceLanes {
    /// Per symbol: its lane and its number there.
    private(set) var places: [(lane: Int, symbol: UInt32)] = []
    private(set) var tickLanes: [Int] = []
    /// Per stream: the lane of its watermarks, and the tick lanes that they speak for.
    private(set) var watermarkLanes: [(lane: Int, tickLanes: [Int])] = []

    private let settings: GatewaySettings
    private let names: TapeNames
    private let publisher: TapePublisher

    init(_ settings: GatewaySettings, names: TapeNames, publisher: TapePublisher) {
        self.settings = settings
        self.names = names
        self.publisher = publisher
    }

    /// Blocks while it reads the tape.
    mutating func addAll(client: TapeClient, now: Timestamp) throws -> SyntheticProvider {
        let symbols = settings.provider.market.symbols
        let market = SyntheticMarket(settings.provider.market)
        let partitions = Set(symbols.map { names.partition(of: $0) }).sorted()
        var laneOf: [Partition: Int] = [:]
        var marks: [Partition: SyntheticProvider.Mark] = [:]
        var latest: Timestamp?
        for partition in partitions {
            let lane = addTickLane(partition)
            laneOf[partition] = lane
            let last = try client.lastContent(
                stream: names.tickStream(of: partition),
                subject: names.ticks(partition, settings.source))
            if let found = last?.withBytes({ SyntheticProvider.mark(of: $0, market: market) }) {
                marks[partition] = found.mark
                latest = max(latest ?? found.time, found.time)
            }
        }
        let provider = SyntheticProvider(
            settings.provider, marks: symbols.map { marks[names.partition(of: $0)] },
            behind: latest, now: now)
        for symbol in symbols {
            guard let lane = laneOf[names.partition(of: symbol)] else { continue }
            let definition = SymbolDefinition(
                symbol: symbol, provider: "synthetic", since: provider.origin)
            places.append((lane, publisher.register(definition, lane: lane)))
        }
        for stream in 0..<TapeNames.tickStreams { addWatermarkLane(stream, laneOf) }
        return provider
    }

    private mutating func addTickLane(_ partition: Partition) -> Int {
        let lane = publisher.addLane(
            subject: names.ticks(partition, settings.source),
            stream: names.tickStream(of: partition),
            builder: PacketBuilder(kind: .ticks, partition: partition, source: settings.source))
        tickLanes.append(lane)
        return lane
    }

    private mutating func addWatermarkLane(_ stream: Int, _ laneOf: [Partition: Int]) {
        let lane = publisher.addLane(
            subject: names.watermarks(stream: stream, settings.source),
            stream: names.tickStream(stream),
            builder: PacketBuilder(
                kind: .watermark, partition: Partition(stream), source: settings.source))
        let own = laneOf.filter { names.streamIndex(of: $0.key) == stream }.map(\.value).sorted()
        watermarkLanes.append((lane, own))
    }
}
