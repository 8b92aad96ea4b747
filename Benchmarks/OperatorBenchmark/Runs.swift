import BenchmarkRows
internal import CAllocationCounter
internal import CBareBars
import MarketModel
import OperatorGraph
import Primitives
import StreamCore
import TapeCodec

/// The result of one way of making bars.
struct Outcome {
    var best = Duration.seconds(3_600)
    /// The allocations in the steady state.
    var allocations: UInt64 = 0
    var total = Total()

    /// Returns millions of trades per second.
    func millions(_ load: Load) -> Double {
        Double(load.trades) / (best / Duration.microseconds(1))
    }

    /// Sums over all bars, which show whether two ways made the same ones.
    struct Total: Equatable {
        var bars: UInt64 = 0
        var trades: UInt64 = 0
        var prices: UInt64 = 0
        var volume: UInt64 = 0
        var notional: UInt64 = 0

        mutating func add(_ bar: Bar) {
            bars &+= 1
            trades &+= bar.trades
            for price in [bar.open, bar.high, bar.low, bar.close, bar.vwap] {
                prices &+= UInt64(bitPattern: price.raw)
            }
            volume &+= UInt64(truncatingIfNeeded: bar.volume)
            notional &+= UInt64(truncatingIfNeeded: bar.notional)
        }
    }
}

/// Runs packets through a graph, as the operator's shell does.
struct GraphRun {
    let program: GraphProgram
    /// True to compute as a proof does: each packet's checksum and messages are checked first, and
    /// each bar is added to the checksum of the output.
    var proves = false

    /// The first part of a load is not timed. After it, the machine has everything that it keeps in
    /// the steady state.
    static let warmPart = 0.4

    func measure(_ load: Load, repetitions: Int) throws -> Outcome {
        var outcome = Outcome()
        let warm = Int(Double(load.packets.count) * Self.warmPart)
        for _ in 0..<repetitions {
            var bench = Bench(self)
            try bench.feed(load.packets[..<warm])
            let before = allocations_of_this_thread()
            let start = processorTime()
            try bench.feed(load.packets[warm...])
            outcome.best = min(outcome.best, processorTime() - start)
            outcome.allocations = allocations_of_this_thread() - before
            outcome.total = try bench.finish(load)
        }
        outcome.best /= Double(load.packets.count - warm) / Double(load.packets.count)
        return outcome
    }

    private struct Bench {
        private let proves: Bool
        private var machine: GraphMachine
        private var output = GraphOutput()
        private var ledger = OutputLedger(published: nil)
        private var bars: [Bar] = []

        init(_ run: GraphRun) {
            proves = run.proves
            machine = GraphMachine(run.program)
            output.bars.reserveCapacity(65_536)
            bars.reserveCapacity(1 << 20)
        }

        mutating func feed(_ packets: ArraySlice<SealedPacket>) throws {
            for packet in packets {
                try packet.withBytes { span in
                    let header = proves ? try PacketReader.validate(span) : packet.header
                    guard machine.take(header, span, into: &output) else {
                        throw OperatorBenchmark.Unusable()
                    }
                }
                keep()
            }
        }

        private mutating func keep() {
            for bar in output.bars {
                if proves {
                    _ = ledger.record(
                        bar, of: machine.symbols.pair(at: bar.symbol),
                        series: machine.program.series[Int(bar.series)].name)
                }
                bars.append(bar)
            }
            output.removeAll()
        }

        mutating func finish(_ load: Load) throws -> Outcome.Total {
            guard let end = load.end else { throw OperatorBenchmark.Unusable() }
            [UInt8]().withRawSpan { _ = machine.take(end, $0, into: &output) }
            keep()
            var total = Outcome.Total()
            for bar in bars { total.add(bar) }
            return total
        }
    }
}

/// Runs the same packets through the plain loop in C.
struct BareRun {
    let widths: [Int64]

    func measure(_ load: Load, repetitions: Int) throws -> Outcome {
        var outcome = Outcome()
        let warm = Int(Double(load.packets.count) * GraphRun.warmPart)
        for _ in 0..<repetitions {
            let handle = unsafe widths.withUnsafeBufferPointer {
                unsafe bare_bars_new($0.baseAddress, Int32($0.count))
            }
            guard let bars = unsafe handle else { throw OperatorBenchmark.Unusable() }
            defer { unsafe bare_bars_free(bars) }
            try unsafe feed(load.packets[..<warm], bars)
            let start = processorTime()
            try unsafe feed(load.packets[warm...], bars)
            outcome.best = min(outcome.best, processorTime() - start)
            let total = unsafe bare_bars_finish(bars)
            outcome.total = Outcome.Total(
                bars: total.bars, trades: total.trades, prices: total.prices,
                volume: total.volume, notional: total.notional)
        }
        outcome.best /= Double(load.packets.count - warm) / Double(load.packets.count)
        return outcome
    }

    private func feed(_ packets: ArraySlice<SealedPacket>, _ bars: OpaquePointer) throws {
        for packet in packets {
            let isTaken = packet.withBytes { span in
                unsafe span.withUnsafeBytes { bytes in
                    unsafe bare_bars_take(
                        bars, bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), bytes.count)
                }
            }
            guard isTaken == 1 else { throw OperatorBenchmark.Unusable() }
        }
    }
}
