import MarketModel
import Primitives
import StreamCore
import TapeCodec

@testable import OperatorWorker

/// A bar without numbers that only its packet explains.
struct NamedBar: Hashable {
    let symbol: Symbol
    let series: SeriesName
    let bar: Bar

    init(_ bar: Bar, _ symbol: Symbol, _ series: SeriesName) {
        var plain = bar
        plain.symbol = 0
        plain.series = 0
        self.bar = plain
        self.symbol = symbol
        self.series = series
    }

    /// What is no bar has its place among them, too.
    init(_ late: LateTickRecord, _ symbol: Symbol, _ series: SeriesName) {
        var bar = Bar(symbol: 0, series: 0, openTime: late.openTime, closeTime: late.closeTime)
        bar.reason = UInt8.max - late.reason
        bar.number = Int64(bitPattern: late.ordinal)
        bar.open = late.price
        self.init(bar, symbol, series)
    }
}

/// What stands on `md.bars.<p>`: stored by compare-and-set, and nothing else is promised.
final class SimulatedBars {
    struct Packet {
        var epoch: UInt64
        var firstOrdinal: UInt64
        var bars: [NamedBar] = []
        var watermark = SourceTable.noWatermark
        /// Nil: a marker.
        var output: OutputState?
        var generation: UInt32

        var nextOrdinal: UInt64 { firstOrdinal + UInt64(bars.count) }
    }

    var packets: [Packet] = []

    var standing: StandingOutput? {
        guard let last = packets.last(where: { $0.output != nil }), let output = last.output else {
            return nil
        }
        return StandingOutput(
            ordinal: last.nextOrdinal - 1, checksum: output.checksum,
            generation: output.generation, input: output.input, watermark: last.watermark)
    }

    var markerGeneration: UInt32? {
        packets.last.flatMap { $0.output == nil ? $0.generation : nil }
    }
}

/// One owner's lane: a packet in flight, whose fate the world decides.
final class SimulatedLane: OutputLane {
    private(set) var epoch: UInt64 = 0
    private(set) var nextOrdinal: UInt64 = 1
    private(set) var isFenced = false
    private var expected = 0
    private var inFlight: SimulatedBars.Packet?
    private var isStored = false
    private let tape: SimulatedBars
    private let generation: UInt32
    private var symbols: [Symbol] = []
    private var series: [SeriesName] = []
    private var waiting: [NamedBar] = []
    /// Few, so that an input's output is cut.
    private let barsMax: Int

    init(_ tape: SimulatedBars, generation: UInt32, barsMax: Int) {
        self.tape = tape
        self.generation = generation
        self.barsMax = barsMax
    }

    var isOpen: Bool { epoch > 0 }
    var isReady: Bool { isOpen && !isFenced && inFlight == nil }
    var isFull: Bool { waiting.count >= barsMax }
    var waitingTicks: Int { waiting.count }
    var isIdle: Bool { isReady && waiting.isEmpty }

    /// A marker behind what stands; it is stored at once.
    func open(ordinal: UInt64 = 1, above floor: UInt64 = 0) {
        epoch = max(epoch, floor, tape.packets.last?.epoch ?? 0) + 1
        nextOrdinal = max(nextOrdinal, ordinal, tape.packets.last?.nextOrdinal ?? 1)
        tape.packets.append(
            SimulatedBars.Packet(
                epoch: epoch, firstOrdinal: nextOrdinal, generation: generation))
        expected = tape.packets.count
    }

    /// For a reader that takes every packet away.
    func reset() { expected = tape.packets.count }

    func register(_ definition: SymbolDefinition) -> UInt32 {
        symbols.append(definition.symbol)
        return UInt32(symbols.count - 1)
    }

    func register(_ definition: SeriesDefinition) -> UInt16 {
        series.append(definition.name)
        return UInt16(series.count - 1)
    }

    func append(_ bar: Bar) -> Bool {
        guard !isFull else { return false }
        waiting.append(NamedBar(bar, symbols[Int(bar.symbol)], series[Int(bar.series)]))
        return true
    }

    func append(_ late: LateTickRecord) -> Bool {
        guard !isFull else { return false }
        waiting.append(
            NamedBar(late, symbols[Int(late.header.symbol)], series[Int(late.series)]))
        return true
    }

    func append(_ value: IndicatorValue) -> AppendOutcome {
        preconditionFailure("the graphs of the simulation make no values: \(value.name)")
    }

    func publish(watermark: Timestamp, output: OutputState) {
        precondition(isReady, "a packet is published while another one is in flight")
        inFlight = SimulatedBars.Packet(
            epoch: epoch, firstOrdinal: nextOrdinal, bars: waiting, watermark: watermark,
            output: output, generation: generation)
        isStored = false
        waiting = []
    }

    /// The packet in flight arrives, if its expectation holds. Also after its owner has died.
    func arrive() {
        guard let packet = inFlight, !isStored, !isFenced else { return }
        guard tape.packets.count == expected else {
            isFenced = true
            return
        }
        tape.packets.append(packet)
        expected += 1
        isStored = true
    }

    /// The acknowledgement comes.
    func acknowledge() -> PacketHeader? {
        guard let packet = inFlight, isStored else { return nil }
        inFlight = nil
        nextOrdinal = packet.nextOrdinal
        var header = PacketHeader(
            kind: .bars, partition: Partition(0), source: .operator, epoch: packet.epoch,
            firstOrdinal: packet.firstOrdinal, watermark: packet.watermark,
            sendTime: packet.watermark)
        header.tickCount = UInt32(packet.bars.count)
        return header
    }
}
