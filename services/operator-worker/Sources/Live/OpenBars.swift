import TapeTransport
import MarketModel
import OperatorGraph
import Primitives
import ServiceRuntime
import StreamCore
import TapeCodec

/// Publishes the bars of one partition's open windows to live readers. These packets are not on the
/// tape, and the bars are not part of the state.
struct OpenBars {
    /// The least interval between two publications of a bar.
    static let intervalNanoseconds: Int64 = 100_000_000

    private var builder: PacketBuilder
    /// The builder's numbers of symbols, by the machine's index; `nil` for a symbol without bars so
    /// far.
    private var symbols: [UInt32?] = []
    /// The builder's numbers of series, by the program's index.
    private let series: [UInt16]
    /// The last packet, whose memory the next one reuses.
    private var spare: SealedPacket?
    private var bars: [Bar] = []

    init(_ partition: Partition, _ program: GraphProgram) {
        var builder = PacketBuilder(kind: .bars, partition: partition, source: .operator)
        series = program.series.map {
            builder.register(
                SeriesDefinition(
                    name: $0.name, widthNanoseconds: $0.widthNanoseconds,
                    latenessNanoseconds: $0.latenessNanoseconds))
        }
        self.builder = builder
    }

    /// Publishes all bars that changed since the last call. `now` is the wall clock, for the
    /// packets.
    mutating func publish(
        _ core: PartitionOperator, _ live: LivePublisher, epoch: UInt64, now: Timestamp
    ) {
        bars.removeAll(keepingCapacity: true)
        core.machine.takeOpenBars(into: &bars)
        for var bar in bars {
            bar.generation = core.settings.generation
            bar.symbol = symbol(bar.symbol, core)
            bar.series = series[Int(bar.series)]
            if builder.isFull { send(live, core.watermark, epoch: epoch, now: now) }
            let isIn = builder.append(bar)
            precondition(isIn, "an empty packet refused a bar")
        }
        if builder.tickCount > 0 { send(live, core.watermark, epoch: epoch, now: now) }
    }

    private mutating func send(
        _ live: LivePublisher, _ watermark: Timestamp, epoch: UInt64, now: Timestamp
    ) {
        // Open bars have no ordinals, so the packet's first ordinal means nothing.
        let seal = PacketBuilder.Seal(
            epoch: epoch, firstOrdinal: 1, watermark: watermark, sendTime: now)
        let packet = builder.seal(seal, recycling: spare.take())
        live.offer(packet)
        spare = packet
    }

    /// Returns the builder's number of a symbol, and registers the symbol if it is new there.
    private mutating func symbol(_ index: UInt32, _ core: PartitionOperator) -> UInt32 {
        while symbols.count <= index { symbols.append(nil) }
        if let known = symbols[Int(index)] { return known }
        let pair = core.machine.symbols.pair(at: index)
        let number = builder.register(
            SymbolDefinition(
                symbol: pair.symbol, provider: "", since: .undefined, source: pair.source))
        symbols[Int(index)] = number
        return number
    }
}

extension Worker {
    /// Publishes the open bars of working partitions, if that is due and somebody may hear them. A
    /// partition that computes output on the tape again has nothing new.
    func publishOpenBars(now: MonotonicTime) {
        guard let live, now >= openBarsAt, !live.isQuiet else { return }
        openBarsAt = now + OpenBars.intervalNanoseconds
        let time = clock.now()
        for index in slots.indices where slots[index].isOwned {
            guard case .working = slots[index].stage, let core = slots[index].core,
                core.isCaughtUp
            else { continue }
            var open = slots[index].openBars ?? OpenBars(slots[index].partition, settings.program)
            slots[index].openBars = nil
            let epoch = publisher.epoch(lane: slots[index].lane)
            open.publish(core, live, epoch: epoch, now: time)
            slots[index].openBars = open
        }
    }
}
