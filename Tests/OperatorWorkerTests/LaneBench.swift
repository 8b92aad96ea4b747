import MarketModel
import OperatorGraph
import Primitives
import ServiceTestSupport
import StreamCore
import TapeCodec
import Testing

@testable import OperatorWorker

/// One `PartitionOperator` with a simulated lane. Its packets have trades of one symbol. Times are
/// in tenths of a second.
struct LaneBench {
    static let start: Int64 = 1_700_000_000_000_000_000

    let bars = SimulatedBars()
    let settings: OperatorSettings
    private(set) var lane: SimulatedLane
    var core: PartitionOperator
    /// The tape of ticks: when it was made, its last packet, and its sources.
    private var created: Int64 = 77
    private var sequence: UInt64 = 0
    private var sources: [SourceOrdinal] = []
    private var builders: [String: PacketBuilder] = [:]
    /// By source, the ordinal of the next packet.
    var ordinals: [String: UInt64] = [:]

    /// `beginning`: `nil` for the start of the tape.
    init(_ definition: GraphDefinition, beginning: Beginning? = nil, barsMax: Int = 1_000) throws {
        var settings = try OperatorSettings(TestService.configuration(Main.description, [:]))
        settings.program = GraphProgram(definition)
        self.settings = settings
        lane = SimulatedLane(bars, generation: settings.generation, barsMax: barsMax)
        lane.open()
        core = Self.core(settings, beginning, lane)
    }

    private static func core(
        _ settings: OperatorSettings, _ beginning: Beginning?, _ lane: SimulatedLane
    ) -> PartitionOperator {
        guard let beginning else { return PartitionOperator(starting: settings, lane: lane) }
        return PartitionOperator(
            partition: Partition(0), settings: settings, beginning: beginning, lane: lane)
    }

    static func time(_ tenths: Int64) -> Timestamp {
        Timestamp(nanoseconds: start + tenths * 100_000_000)
    }

    static func tenth(_ time: Timestamp) -> Int64 { (time.nanoseconds - start) / 100_000_000 }

    /// Takes a packet with a trade at each of these times.
    mutating func take(
        _ tenths: [Int64], of source: String = "test", watermark: Int64, sent: Int64? = nil
    ) throws {
        let name = try #require(SourceName(source))
        let sent = Self.time(sent ?? watermark)
        var builder =
            builders.removeValue(forKey: source)
            ?? PacketBuilder(kind: .ticks, partition: Partition(0), source: name)
        let symbol = builder.register(
            SymbolDefinition(
                symbol: try #require(Symbol("A")), provider: "test",
                since: Self.time(-RepairAgenda.dayNanoseconds / 100_000_000)))
        for tenth in tenths {
            let header = TickHeader(
                symbol: symbol, providerTime: Self.time(tenth), receiveTime: sent)
            let isIn = builder.append(
                Trade(
                    header: header, price: Price(raw: 1_000_000_000),
                    size: Quantity(raw: 100_000_000)))
            #expect(isIn)
        }
        let packet = builder.seal(
            PacketBuilder.Seal(
                epoch: 1, firstOrdinal: ordinals[source] ?? 1, watermark: Self.time(watermark),
                sendTime: sent))
        builders[source] = builder
        ordinals[source] = packet.header.nextOrdinal
        sequence += 1
        sources.removeAll { $0.source == name }
        sources.append(
            SourceOrdinal(source: name, epoch: 1, lastOrdinal: packet.header.nextOrdinal - 1))
        sources.sort { $0.source < $1.source }
        let position = TapePosition(
            streamCreated: Timestamp(nanoseconds: created), sequence: sequence,
            packet: packet.header.identity, sources: sources)
        packet.withBytes { core.take(packet.header, $0, at: position) }
    }

    /// Publishes what can be published. Returns, for each packet with a window's first bar, the
    /// tenth at which the oldest of these windows ends.
    @discardableResult
    mutating func publish() -> [Int64] {
        var ends: [Int64] = []
        for _ in 0..<4 {
            core.pump(lane, now: .at(10_000_000_000 * Int64(sequence)))
            lane.arrive()
            if let header = lane.acknowledge(), let end = core.acknowledge(header) {
                ends.append(Self.tenth(end))
            }
        }
        return ends
    }

    var published: [NamedOutput] { bars.packets.flatMap(\.outputs) }

    /// The beginning of a new line of output at the start of the tape.
    func newLine(
        publishFrom: Timestamp? = SourceTable.noWatermark, endsRequest: Bool = false
    ) -> Beginning {
        let start = TapePosition.before(Timestamp(nanoseconds: created))
        return Beginning(
            way: .base(Base(end: nil, openingInput: start, endsRequest: endsRequest)),
            machine: GraphMachine(settings.program),
            input: CheckpointInput(position: nil, publishFrom: publishFrom, hasBegun: false))
    }

    // MARK: other owners

    /// Opens the lane of another owner.
    mutating func openLane() {
        lane = SimulatedLane(bars, generation: settings.generation, barsMax: 1_000)
        lane.open()
    }

    /// Goes on with another owner.
    mutating func begin(_ beginning: Beginning) { core = Self.core(settings, beginning, lane) }

    /// Loses the tape of ticks. Returns when the new one was made.
    mutating func loseTape() -> Timestamp {
        created += 1
        sequence = 0
        sources = []
        return Timestamp(nanoseconds: created)
    }
}
