import MarketModel
import Primitives
import StreamCore
import TapeCodec

@testable import OperatorWorker

/// The content of `md.bars.<p>`. It is stored by compare-and-set, with no other guarantee.
final class SimulatedBars {
    struct Packet {
        var epoch: UInt64
        var firstOrdinal: UInt64
        var outputs: [NamedOutput] = []
        var watermark = SourceTable.noWatermark
        /// `nil` for a marker.
        var output: OutputState?
        var generation: UInt32

        var nextOrdinal: UInt64 { firstOrdinal + UInt64(outputs.count) }
    }

    var packets: [Packet] = []

    var published: PublishedEnd? {
        guard let last = packets.last(where: { $0.output != nil }), let output = last.output else {
            return nil
        }
        return PublishedEnd(
            ordinal: last.nextOrdinal - 1, checksum: output.checksum,
            generation: output.generation, input: output.input, watermark: last.watermark)
    }

    var markerGeneration: UInt32? {
        packets.last.flatMap { $0.output == nil ? $0.generation : nil }
    }
}

/// One owner's lane, with one packet in flight whose outcome the world decides.
final class SimulatedLane: OutputLane {
    private(set) var epoch: UInt64 = 0
    private(set) var nextOrdinal: UInt64 = 1
    private(set) var isFenced = false
    private var expected = 0
    private var inFlight: SimulatedBars.Packet?
    private var isStored = false
    private let tape: SimulatedBars
    private let generation: UInt32
    private var symbols: [SourceSymbol] = []
    private var series: [SeriesName] = []
    private var waiting: [NamedOutput] = []
    /// Small, so that an input's output is split.
    private let barsMax: Int
    /// Whether no packet can hold a value.
    var refusesValues = false

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

    /// Appends a marker, which is stored immediately.
    func open(ordinal: UInt64 = 1, above floor: UInt64 = 0) {
        epoch = max(epoch, floor, tape.packets.last?.epoch ?? 0) + 1
        nextOrdinal = max(nextOrdinal, ordinal, tape.packets.last?.nextOrdinal ?? 1)
        tape.packets.append(
            SimulatedBars.Packet(
                epoch: epoch, firstOrdinal: nextOrdinal, generation: generation))
        expected = tape.packets.count
    }

    func register(_ definition: SymbolDefinition) -> UInt32 {
        symbols.append(definition.pair)
        return UInt32(symbols.count - 1)
    }

    func register(_ definition: SeriesDefinition) -> UInt16 {
        series.append(definition.name)
        return UInt16(series.count - 1)
    }

    func append(_ bar: Bar) -> Bool {
        guard !isFull else { return false }
        waiting.append(NamedOutput(bar, symbols[Int(bar.symbol)], series[Int(bar.series)]))
        return true
    }

    func append(_ late: LateTickRecord) -> Bool {
        guard !isFull else { return false }
        waiting.append(
            NamedOutput(late, symbols[Int(late.header.symbol)], series[Int(late.series)]))
        return true
    }

    func append(_ value: IndicatorValue) -> AppendOutcome {
        guard !refusesValues else {
            return .refused(FieldTooLong(field: "name", bytes: 129, bytesMax: 128))
        }
        guard !isFull else { return .full }
        let symbol = value.header.symbol
        waiting.append(
            NamedOutput(value, symbol == TickHeader.noSymbol ? nil : symbols[Int(symbol)]))
        return .appended
    }

    func publish(watermark: Timestamp, output: OutputState) {
        precondition(isReady, "a packet is published while another one is in flight")
        inFlight = SimulatedBars.Packet(
            epoch: epoch, firstOrdinal: nextOrdinal, outputs: waiting, watermark: watermark,
            output: output, generation: generation)
        isStored = false
        waiting = []
    }

    /// Stores the packet in flight, if its expectation is true. This may happen after its owner has
    /// died.
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

    /// Delivers the acknowledgement.
    func acknowledge() -> PacketHeader? {
        guard let packet = inFlight, isStored else { return nil }
        inFlight = nil
        nextOrdinal = packet.nextOrdinal
        var header = PacketHeader(
            kind: .bars, partition: Partition(0), source: .operator, epoch: packet.epoch,
            firstOrdinal: packet.firstOrdinal, watermark: packet.watermark,
            sendTime: packet.watermark)
        header.tickCount = UInt32(packet.outputs.count)
        return header
    }
}
