import BenchmarkRows
internal import CAllocationCounter
internal import Glibc
import MarketModel
import Primitives
import StreamCore

/// Measures nanoseconds of processor time per trade of the bar machine, beside a plain loop over
/// the same trades in the same run.
///
/// The trades are already decoded: 500 symbols at random, in packets of 1,024 that span 10 ms of
/// event time, each followed by its watermark. Windows close and open meanwhile. Fails if the
/// steady state allocates.
@main
struct StreamCoreBenchmark {
    static let symbolCount = 500
    static let packetTrades = 1_024
    static let packetCount = 10
    static let rounds = 100
    static let repetitions = 7
    /// Longer than any one-second window is kept.
    static let warmUpRounds = 80

    static func main() throws {
        let packets = makePackets()
        let trades = packetTrades * packetCount * rounds
        let plain = try plain(packets)
        report("plain loop, one window per symbol", plain, trades)
        var isClean = true
        for texts in [["1s"], ["1s", "1m"], ["1s", "1m", "1h"]] {
            let result = try measure(texts, packets)
            let name = "bar machine, \(texts.joined(separator: " "))"
            report(name, result.best, trades)
            BenchmarkRow(name, each(result.best, trades), "ns/trade")
                .beside("plain loop, one window per symbol", each(plain, trades)).tell()
            print("    bars \(result.bars), allocations in the steady state \(result.allocations)")
            isClean = isClean && result.allocations == 0
        }
        try SnapshotRun.run()
        try WindowRun.run()
        guard isClean else {
            print("failed: the steady state allocates")
            exit(1)
        }
    }

    /// The benchmark's generated data are wrong.
    struct Unusable: Error {}

    /// Returns nanoseconds per trade.
    static func each(_ duration: Duration, _ trades: Int) -> Double {
        duration / Duration.nanoseconds(1) / Double(trades)
    }

    static func report(_ name: String, _ duration: Duration, _ trades: Int) {
        let tenths = Int(duration / Duration.nanoseconds(1) * 10 / Double(trades))
        print("\(name): \(tenths / 10).\(tenths % 10) ns per trade")
    }

    static let spanNanoseconds = Int64(packetTrades * packetCount) * 10_000

    static func makePackets() -> [[Trade]] {
        var random = SeededRandom(seed: 1)
        var time: Int64 = 1_700_000_000_000_000_000
        return (0..<packetCount).map { _ in
            (0..<packetTrades).map { _ in
                time += 10_000
                let header = TickHeader(
                    symbol: UInt32.random(in: 0..<UInt32(symbolCount), using: &random),
                    providerTime: Timestamp(nanoseconds: time),
                    receiveTime: Timestamp(nanoseconds: time))
                return Trade(
                    header: header,
                    price: Price(raw: Int64.random(in: 90...110, using: &random) * 1_000_000_000),
                    size: Quantity(raw: Int64.random(in: 1...9, using: &random) * 100_000_000))
            }
        }
    }

    static func plain(_ packets: [[Trade]]) throws -> Duration {
        var best = Duration.seconds(60)
        for _ in 0..<repetitions {
            var loop = PlainLoop(symbols: symbolCount)
            let start = processorTime()
            for _ in 0..<rounds {
                for packet in packets { loop.add(packet) }
            }
            best = min(best, processorTime() - start)
            guard loop.windows[0].trades > 0 else { throw Unusable() }
        }
        return best
    }

    struct Result {
        var best = Duration.seconds(60)
        var bars = 0
        var allocations: UInt64 = 0
    }

    static func measure(_ texts: [String], _ packets: [[Trade]]) throws -> Result {
        var result = Result()
        for _ in 0..<repetitions {
            var run = try Run(texts, symbols: symbolCount)
            // Runs the same trades repeatedly, each round later by the time that they span. The
            // allocations of the first hour and of the kept windows are made before the steady
            // state.
            run.feed(packets, shiftedBy: -3_600_000_000_000)
            for round in -warmUpRounds...0 {
                run.feed(packets, shiftedBy: Int64(round) * spanNanoseconds)
            }
            let bars = run.bars
            let before = allocations_of_this_thread()
            let start = processorTime()
            for round in 1...rounds {
                run.feed(packets, shiftedBy: Int64(round) * spanNanoseconds)
            }
            result.best = min(result.best, processorTime() - start)
            result.allocations = allocations_of_this_thread() - before
            result.bars = run.bars - bars
        }
        return result
    }
}

/// A machine, with what a shell does around it.
struct Run {
    private var machine: BarMachine
    private var tables = PartitionTables()
    private var closed: [Bar] = []
    private var ordinal: UInt64 = 0
    private(set) var bars = 0
    private let source: Int

    init(_ texts: [String], symbols: Int) throws {
        machine = BarMachine(series: try BarSeriesSet(texts))
        source = try machine.define(symbols, in: &tables)
        closed.reserveCapacity(4_096)
    }

    mutating func feed(_ packets: [[Trade]], shiftedBy shift: Int64) {
        for packet in packets {
            var last: Int64 = 0
            var index = 0
            var ordinal = ordinal
            machine.trades(source: source, tables) {
                guard index < packet.count else { return nil }
                var trade = packet[index]
                index &+= 1
                ordinal &+= 1
                trade.header.providerTime.nanoseconds &+= shift
                last = trade.header.providerTime.nanoseconds
                return (trade, ordinal)
            }
            self.ordinal = ordinal
            closed.removeAll(keepingCapacity: true)
            tables.advance(source, to: Timestamp(nanoseconds: last))
            machine.advance(source: source, tables, into: &closed)
            bars += closed.count
        }
    }
}

extension BarMachine {
    /// Defines one source that feeds this many symbols. Returns the source's index.
    mutating func define(_ symbols: Int, in tables: inout PartitionTables) throws -> Int {
        guard let name = SourceName("synthetic"),
            let source = tables.source(name)
        else { throw StreamCoreBenchmark.Unusable() }
        addSource()
        for number in 0..<symbols {
            guard let symbol = Symbol("SYM\(number)"),
                let change = tables.define(
                    Subscription(symbol: symbol, provider: "synthetic", since: .undefined),
                    source: source)
            else { throw StreamCoreBenchmark.Unusable() }
            apply(change, tables)
        }
        return source
    }
}
