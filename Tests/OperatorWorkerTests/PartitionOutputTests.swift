import MarketModel
import OperatorGraph
import Primitives
import ServiceTestSupport
import StreamCore
import TapeCodec
import Testing

@testable import OperatorWorker

/// One `PartitionOperator` with a simulated lane. Its packets have trades of one symbol.
private struct LineBench {
    static let start: Int64 = 1_700_000_000_000_000_000

    let bars = SimulatedBars()
    let lane: SimulatedLane
    var core: PartitionOperator
    private var builder: PacketBuilder
    private let symbol: UInt32
    private var nextOrdinal: UInt64
    private var sequence: UInt64 = 0

    /// `publishFrom`: in a new line of output, that of `CheckpointInput`; `nil` for the first line.
    init(
        publishFrom: Timestamp? = nil, firstOrdinal: UInt64 = 1, barsMax: Int = 1_000,
        hasValues: Bool = true
    ) throws {
        lane = SimulatedLane(bars, generation: 1, barsMax: barsMax)
        lane.open()
        let rule = BarRule(series: try BarSeriesSet(["1s"]))
        let nodes = [
            GraphNode(
                name: "bars", input: .ticks(.trade), operation: .bars(rule, calendar: nil)),
            GraphNode(
                name: "stats", input: .ticks(.trade),
                operation: .aggregate(
                    AggregateRule(bars: rule, functions: [.count]), calendar: nil)),
        ]
        let program = GraphProgram(
            GraphDefinition(name: "values", nodes: hasValues ? nodes : [nodes[0]]))
        var settings = try OperatorSettings(TestService.configuration(Main.description, [:]))
        settings.program = program
        let base = Base(end: nil, openingInput: nil, endsRequest: true)
        core = PartitionOperator(
            partition: Partition(0), settings: settings,
            beginning: Beginning(
                way: publishFrom == nil ? .start : .base(base), machine: GraphMachine(program),
                input: CheckpointInput(
                    position: nil, publishFrom: publishFrom, hasBegun: false)),
            lane: lane)
        core.stored()
        builder = PacketBuilder(
            kind: .ticks, partition: Partition(0), source: try #require(SourceName("test")))
        nextOrdinal = firstOrdinal
        symbol = builder.register(
            SymbolDefinition(
                symbol: try #require(Symbol("A")), provider: "test",
                since: Timestamp(nanoseconds: Self.start - RepairAgenda.dayNanoseconds)))
    }

    static func time(_ tenths: Int64) -> Timestamp {
        Timestamp(nanoseconds: start + tenths * 100_000_000)
    }

    mutating func take(_ tenths: [Int64], watermark: Int64) {
        for tenth in tenths {
            let header = TickHeader(
                symbol: symbol, providerTime: Self.time(tenth), receiveTime: Self.time(tenth))
            let isIn = builder.append(
                Trade(
                    header: header, price: Price(raw: 1_000_000_000),
                    size: Quantity(raw: 100_000_000)))
            #expect(isIn)
        }
        let packet = builder.seal(
            PacketBuilder.Seal(
                epoch: 1, firstOrdinal: nextOrdinal, watermark: Self.time(watermark),
                sendTime: Self.time(watermark)))
        nextOrdinal = packet.header.nextOrdinal
        sequence += 1
        let position = TapePosition(
            streamCreated: Timestamp(nanoseconds: 77), sequence: sequence,
            packet: packet.header.identity, sources: [])
        packet.withBytes { core.take(packet.header, $0, at: position) }
    }

    /// Publishes what can be published. Returns, for each packet with a window's first bar, the
    /// tenth at which the oldest of these windows ends.
    @discardableResult
    mutating func publish() -> [Int64] {
        var ends: [Int64] = []
        for _ in 0..<4 {
            core.pump(lane, now: .at(0))
            lane.arrive()
            if let header = lane.acknowledge(), let end = core.acknowledge(header) {
                ends.append(Self.tenth(end))
            }
        }
        return ends
    }

    /// The published outputs, each by its kind and the tenth at which its window opens.
    var published: [String] {
        bars.packets.flatMap(\.outputs).map { output in
            switch output {
            case .bar(let bar, _, _):
                let isPartial = bar.flags.contains(.partial)
                return "\(isPartial ? "partial" : "bar") \(Self.tenth(bar.openTime))"
            case .late(let late, _, _): return "late \(Self.tenth(late.openTime))"
            case .value(let value, _): return "value \(Self.tenth(value.periodStart))"
            }
        }
    }

    private static func tenth(_ time: Timestamp) -> Int64 {
        (time.nanoseconds - start) / 100_000_000
    }
}

@Suite("The output of one partition in a lane")
struct PartitionOutputTests {
    @Test("A window that opens at the first tick of a tape without its start is not whole")
    func tapeStart() throws {
        // The window of the first tick may lack ticks of the same time.
        var first = try LineBench(firstOrdinal: 1_000)
        first.take([0, 5, 12], watermark: 100)
        first.publish()
        #expect(first.published == ["partial 0", "bar 10", "value 0", "value 10"])
        var later = try LineBench(publishFrom: SourceTable.noWatermark, firstOrdinal: 1_000)
        later.take([0, 5, 12], watermark: 100)
        later.publish()
        #expect(later.published == ["bar 10", "value 10"] && later.core.unpublished == 2)
    }

    @Test("The first output alone fills a packet, which states the input that it ends")
    func onePerPacket() throws {
        var bench = try LineBench(barsMax: 1, hasValues: false)
        bench.take([0], watermark: 100)
        bench.take([110], watermark: 300)
        bench.publish()
        #expect(bench.published.count == 2, "\(bench.published)")
        #expect(bench.bars.packets.compactMap { $0.output?.input.sequence } == [1, 2])
    }

    @Test("A new line leaves out earlier values as it does bars, but not days and repairs")
    func publishFrom() throws {
        var bench = try LineBench(publishFrom: LineBench.time(20))
        bench.take([0, 10, 20, 30], watermark: 100)
        bench.publish()
        #expect(bench.published == ["bar 20", "bar 30", "value 20", "value 30"])
        #expect(bench.core.unpublished == 4)
        var value = GraphValue(
            symbol: TickHeader.noSymbol, name: "n", value: 1,
            periodStart: LineBench.time(-864_000), periodEnd: LineBench.time(0),
            reason: BarReason.closed.rawValue)
        bench.core.output.values = [value]
        bench.core.keepOutput(isHidden: false)
        #expect(bench.core.isEmpty && bench.core.unpublished == 5)
        bench.core.output.values = [value]
        bench.core.keepOutput(isHidden: false, isRepair: true)
        #expect(bench.core.outbox.count == 1)
        value.isDay = true
        bench.core.output.values = [value]
        bench.core.keepOutput(isHidden: false)
        #expect(bench.core.outbox.count == 2 && bench.core.unpublished == 5)
    }

    @Test("A packet is as old as the oldest window whose first bar it brings")
    func windowEnds() throws {
        var bench = try LineBench()
        bench.take([0, 12, 25], watermark: 29)
        #expect(bench.publish() == [10])
        // While a packet is in flight, the next one is filled.
        bench.take([35], watermark: 39)
        bench.core.pump(bench.lane, now: .at(0))
        bench.take([45, 55], watermark: 60)
        #expect(bench.publish() == [30, 40])
    }

    @Test("Only the first bar of a window says how old its packet is")
    func laterVersions() {
        var ends = WindowEnds()
        let bar = { (close: Int64, reason: BarReason) in
            var bar = Bar(
                symbol: 0, series: 0, openTime: LineBench.time(close - 10),
                closeTime: LineBench.time(close))
            bar.reason = reason.rawValue
            return bar
        }
        ends.packed(bar(10, .late))
        ends.packed(bar(30, .closed))
        ends.packed(bar(20, .repair))
        ends.sent()
        ends.packed(bar(40, .closed))
        #expect(ends.acknowledged() == LineBench.time(30))
        #expect(ends.acknowledged() == nil)
        ends.sent()
        #expect(ends.acknowledged() == LineBench.time(40))
        ends.packed(bar(50, .gap))
        ends.sent()
        #expect(ends.acknowledged() == nil)
    }

    @Test("A partition that stopped because no packet can hold a value may begin again")
    func refused() throws {
        var bench = try LineBench()
        bench.lane.refusesValues = true
        bench.take([0, 5], watermark: 100)
        #expect(!bench.core.mayLeave)
        bench.publish()
        #expect(bench.core.stopped?.contains("cannot be published") == true)
        #expect(bench.published == ["bar 0"] && bench.lane.isIdle)
        #expect(!bench.core.isEmpty && bench.core.mayLeave)
    }

    @Test("A partition that is handed over in a repair stores the days that remain")
    func repair() throws {
        var bench = try LineBench()
        bench.take([0, 5], watermark: 40 * 864_000)
        bench.publish()
        let position = try #require(bench.core.position)
        let range = DirtyRange(
            symbol: 0, from: LineBench.start,
            to: LineBench.start + 2 * RepairAgenda.dayNanoseconds,
            reason: BarReason.repair.rawValue)
        bench.core.requestRepair(RepairAgenda([range], at: position, isHidden: false))
        // In the first day the state cannot be stored, so the hand-over waits for nothing.
        bench.core.beginRepair()
        bench.core.dropReading()
        #expect(bench.core.isAtRest && !bench.core.isStorable)
        bench.core.beginRepair()
        let needsMore = bench.core.endFirstPass()
        #expect(!needsMore)
        _ = bench.core.finishRepair(published: [])
        bench.publish()
        bench.core.beginRepair()
        #expect(!bench.core.isStorable)
        bench.core.dropReading()
        #expect(bench.core.isStorable && !bench.core.isAtRest)
        let image = try bench.core.checkpoint(now: .at(1), isLast: true)
        #expect(image?.sequence == position.sequence && bench.core.isAtRest)
    }
}
