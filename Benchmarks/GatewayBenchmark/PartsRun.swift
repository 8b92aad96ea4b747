internal import CAllocationCounter
internal import Glibc
import IBEngine
import IBSimulator
import MarketModel
import Primitives
import ProviderKit
import ServiceRuntime
import TapeCodec

/// Runs a tick from the socket's bytes to a sealed packet on one thread, without socket and server.
/// Measures its cost, and that it allocates nothing.
struct PartsRun {
    struct Outcome {
        var messages = 0
        var ticks = 0
        /// The allocations in the measured stretch.
        var allocations: UInt64 = 0
        /// Seconds of processor time: from bytes to records, and from records through the channel
        /// to packets.
        var engine = 0.0
        var packets = 0.0
    }

    private static let connection = 1
    private static let warmSeconds = 12
    private static let steadySeconds = 10
    private static let sealParts = 80

    private struct Lane {
        var builder: PacketBuilder
        var spare: SealedPacket?
        var nextOrdinal: UInt64 = 1
    }

    private let start = SystemClock().now()
    private var milliseconds: Int64 = 0
    private var engine: IBEngine
    private var out = IBEngine.Output()
    private var simulator: Simulator
    private var requests = RequestWatch()
    private let instruments: [Instrument]
    private let channel = ProviderChannel()
    private var batch: [ProviderRecord] = []
    private var lanes: [Lane] = []
    private var places: [(lane: Int, symbol: UInt32)] = []

    init() throws {
        let names = (0..<Feeds.level1 + Feeds.tickByTick).compactMap { Symbol("SIM\($0)") }
        instruments = names.enumerated().map { number, name in
            var contract = Instrument.Contract(.stock)
            contract.exchange = "SMART"
            contract.currency = "USD"
            return Instrument(
                symbol: name, contract: contract,
                feeds: number < Feeds.level1 ? .level1 : [.allTrades, .quotes])
        }
        var settings = IBEngineSettings(seed: 1)
        settings.tickByTickLines = 2 * Feeds.tickByTick
        engine = IBEngine(settings)
        simulator = StoppedBroker.simulator(now: start)
        guard let source = SourceName("ibkr") else { throw Unusable("no names") }
        for number in 0..<Stage.partitions {
            lanes.append(
                Lane(
                    builder: PacketBuilder(
                        kind: .ticks, partition: Partition(number), source: source)))
        }
        for name in names {
            let lane = Partition(of: name, count: Stage.partitions).number
            let definition = SymbolDefinition(symbol: name, provider: "ibkr", since: start)
            places.append((lane, lanes[lane].builder.register(definition)))
        }
    }

    private var now: Moment {
        Moment(
            wall: start.advanced(byNanoseconds: milliseconds * 1_000_000),
            monotonic: MonotonicTime(nanoseconds: (milliseconds + 1_000) * 1_000_000))
    }

    mutating func run() throws -> Outcome {
        try subscribe()
        let script = TickScript(
            .broker(requests.feeds), ticksPerSecond: 50_000,
            seconds: Double(Self.warmSeconds + Self.steadySeconds), start: now.wall)
        receive(script.opening, 0..<script.opening.count)
        var outcome = Outcome()
        var before: UInt64 = 0
        for (number, part) in script.parts.enumerated() {
            if number == Self.warmSeconds * 1_000 {
                outcome = Outcome()
                before = allocations_of_this_thread()
            }
            milliseconds += 1
            let from = number > 0 ? script.parts[number - 1].bytesEnd : 0
            let began = Self.processorTime()
            receive(script.bytes, from..<part.bytesEnd)
            engine.drained(now, into: &out)
            engine.timePassed(now, into: &out)
            answer()
            let decided = Self.processorTime()
            _ = channel.send(&out.live.records, floor: out.live.floor)
            outcome.ticks += take()
            if number % Self.sealParts == 0 { seal() }
            outcome.engine += decided - began
            outcome.packets += Self.processorTime() - decided
        }
        outcome.allocations = allocations_of_this_thread() - before
        outcome.messages =
            script.messages * Self.steadySeconds / (Self.warmSeconds + Self.steadySeconds)
        return outcome
    }

    /// Runs until everything was requested.
    private mutating func subscribe() throws {
        let begun = instruments.enumerated().map {
            (UInt32($0.offset), $0.element, reached: Timestamp.undefined)
        }
        engine.follow(begun: begun, ended: [], gaps: [], now, into: &out)
        _ = simulator.opened(Self.connection, now: now.wall)
        var isConnected = false
        while !requests.feeds.isComplete || milliseconds < 10_000 {
            guard milliseconds < 120_000 else { throw Unusable("not everything was asked for") }
            milliseconds += 5
            engine.timePassed(now, into: &out)
            if out.wish == .connect, !isConnected {
                isConnected = true
                engine.connected(now, into: &out)
            }
            out.wish = nil
            answer()
            simulator.advance(to: now.wall)
            let count = simulator.allowance(of: Self.connection, now: now.wall)
            let bytes = Array(simulator.bytes(for: Self.connection, count: count))
            simulator.sent(count, to: Self.connection, now: now.wall)
            receive(bytes, bytes.indices)
            engine.drained(now, into: &out)
            out.events.removeAll()
            out.live.records.removeAll(keepingCapacity: true)
        }
    }

    private mutating func receive(_ bytes: [UInt8], _ range: Range<Int>) {
        guard !range.isEmpty else { return }
        bytes.withRawSpan { engine.received($0.extracting(range), now, into: &out) }
    }

    /// Answers what the engine sends.
    private mutating func answer() {
        out.events.removeAll(keepingCapacity: true)
        guard !out.bytes.isEmpty else { return }
        requests.add(out.bytes)
        simulator.received(out.bytes, from: Self.connection, now: now.wall)
        out.bytes.removeAll(keepingCapacity: true)
    }

    /// Takes the ticks as the gateway does. Returns their number.
    private mutating func take() -> Int {
        batch.removeAll(keepingCapacity: true)
        _ = channel.receive(into: &batch)
        var ticks = 0
        for record in batch {
            switch record {
            case .tape(.trade(var trade)):
                let place = places[Int(trade.header.symbol)]
                trade.header.symbol = place.symbol
                if lanes[place.lane].builder.append(trade) { ticks += 1 }
            case .tape(.quote(var quote)):
                let place = places[Int(quote.header.symbol)]
                quote.header.symbol = place.symbol
                if lanes[place.lane].builder.append(quote) { ticks += 1 }
            default: continue
            }
        }
        return ticks
    }

    private mutating func seal() {
        for lane in lanes.indices where lanes[lane].builder.tickCount > 0 {
            let count = UInt64(lanes[lane].builder.tickCount)
            let seal = PacketBuilder.Seal(
                epoch: 1, firstOrdinal: lanes[lane].nextOrdinal, watermark: now.wall,
                sendTime: now.wall)
            lanes[lane].nextOrdinal += count
            let spare = lanes[lane].spare.take()
            lanes[lane].spare = lanes[lane].builder.seal(seal, recycling: spare)
        }
    }

    /// Counts only this thread, so other processes of a shared machine do not matter.
    private static func processorTime() -> Double {
        var time = timespec()
        unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}
