import Foundation
import MarketModel
import OperatorGraph
import Primitives
import StreamCore
import TapeCodec
import Testing

/// Trades of many symbols as they arrive: out of order within what the watermark allows, several in
/// one nanosecond, often exactly at the end of a window, with quiet times, and past midnight UTC.
struct MarketTape {
    struct Tick {
        var time: Int64
        var price: Int64
        var size: Int64
        var symbol: Int
    }

    static let symbols = 20
    /// 2023-11-14 22:30 UTC.
    static let start: Int64 = 1_700_001_000_000_000_000
    /// How many nanoseconds before the latest time a tick may be.
    private static let disorder: Int64 = 200_000_000

    private(set) var ticks: [Tick] = []
    /// Per tick: no later tick has an earlier time than this.
    private var watermarks: [Int64] = []

    /// `unitSizes` makes each trade exactly one share.
    init(seed: UInt64, count: Int, unitSizes: Bool) {
        var random = SeededRandom(seed: seed)
        var prices = (0..<Self.symbols).map { Int64($0) * 7_000_000_000 - 3_000_000_000 }
        var now = Self.start
        for _ in 0..<count {
            now += Self.pause(&random)
            let symbol = Int.random(in: 0..<Self.symbols, using: &random)
            // Steps of 1e-4. The prices of the first symbols fall below zero.
            prices[symbol] += Int64.random(in: -20...20, using: &random) * 100_000
            let size = unitSizes ? 100_000_000 : Self.size(&random)
            ticks.append(
                Tick(
                    time: Self.time(before: now, &random), price: prices[symbol], size: size,
                    symbol: symbol))
            watermarks.append(now - Self.disorder)
        }
    }

    private static func pause(_ random: inout SeededRandom) -> Int64 {
        switch Int.random(in: 0..<100_000, using: &random) {
        case 0: 400_000_000_000
        case 1..<20_000: 0
        default: Int64.random(in: 0...34_000_000, using: &random)
        }
    }

    private static func time(before now: Int64, _ random: inout SeededRandom) -> Int64 {
        let time = now - Int64.random(in: 0...disorder, using: &random)
        switch Int.random(in: 0..<8, using: &random) {
        // Rounds up to the next 100 ms, so one of ten is the end of a second.
        case 0: return min(time / 100_000_000 * 100_000_000 + 100_000_000, now)
        case 1: return now
        default: return time
        }
    }

    /// Small enough that a day's sum of them is exact in nautilus_trader, too.
    private static func size(_ random: inout SeededRandom) -> Int64 {
        Bool.random(using: &random)
            ? Int64.random(in: 1...500, using: &random) * 100_000_000
            : Int64.random(in: 1...9_000_000_000, using: &random)
    }

    // MARK: ours

    /// Returns all bars of the graph, after running the tape as packets up to a watermark two days
    /// later.
    func bars(of graph: GraphDefinition) throws -> (bars: [Bar], symbols: [Int]) {
        var machine = GraphMachine(GraphProgram(graph))
        var output = GraphOutput()
        var bars: [Bar] = []
        let source = try #require(SourceName("market"))
        var builder = PacketBuilder(kind: .ticks, partition: Partition(0), source: source)
        let numbers = try (0..<Self.symbols).map { number in
            builder.register(
                SymbolDefinition(
                    symbol: try #require(Symbol("S\(number)")), provider: "market",
                    since: .undefined))
        }
        var ordinal: UInt64 = 1
        for first in stride(from: 0, to: ticks.count, by: PacketLimits.ticksMax) {
            let packet = seal(&builder, from: first, numbers, ordinal)
            ordinal += UInt64(packet.header.tickCount)
            try packet.withBytes { span in
                let header = try PacketReader.validate(span)
                #expect(machine.take(header, span, into: &output))
            }
            bars += output.bars
            #expect(output.late.isEmpty)
            output.removeAll()
        }
        let end = PacketHeader(
            kind: .watermark, partition: Partition(0), source: source, epoch: 1,
            firstOrdinal: 1,
            watermark: Timestamp(nanoseconds: (watermarks.last ?? 0) + 172_800_000_000_000),
            sendTime: .undefined)
        [UInt8]().withRawSpan { _ = machine.take(end, $0, into: &output) }
        bars += output.bars
        #expect(machine.received == UInt64(ticks.count))
        let areBalanced = machine.machineCounters.allSatisfy(\.isBalanced)
        #expect(areBalanced)
        let names = (0..<machine.symbols.count).map {
            Int(machine.symbols.pair(at: UInt32($0)).symbol.text.dropFirst()) ?? -1
        }
        return (bars, names)
    }

    private func seal(
        _ builder: inout PacketBuilder, from first: Int, _ numbers: [UInt32], _ ordinal: UInt64
    ) -> SealedPacket {
        let end = min(first + PacketLimits.ticksMax, ticks.count)
        for tick in ticks[first..<end] {
            let time = Timestamp(nanoseconds: tick.time)
            let header = TickHeader(
                symbol: numbers[tick.symbol], providerTime: time, receiveTime: time)
            let isIn = builder.append(
                Trade(
                    header: header, price: Price(raw: tick.price), size: Quantity(raw: tick.size)))
            #expect(isIn)
        }
        return builder.seal(
            PacketBuilder.Seal(
                epoch: 1, firstOrdinal: ordinal,
                watermark: Timestamp(nanoseconds: watermarks[end - 1]),
                sendTime: Timestamp(nanoseconds: watermarks[end - 1])))
    }

    // MARK: files

    /// Writes rows of 64-bit integers, as the script reads them.
    func write(to path: String) throws {
        try Self.write(ticks.flatMap { [$0.time, $0.price, $0.size, Int64($0.symbol)] }, to: path)
    }

    static func write(_ bars: [Bar], symbols: [Int], to path: String) throws {
        var numbers: [Int64] = []
        for bar in bars {
            numbers += [
                Int64(symbols[Int(bar.symbol)]), Int64(bar.series), bar.openTime.nanoseconds,
                bar.closeTime.nanoseconds, bar.number, Int64(bar.flags.rawValue), bar.open.raw,
                bar.high.raw, bar.low.raw, bar.close.raw, bar.vwap.raw, Int64(bar.trades),
                Int64(truncatingIfNeeded: bar.volume), Int64(truncatingIfNeeded: bar.volume >> 64),
                Int64(truncatingIfNeeded: bar.notional),
                Int64(truncatingIfNeeded: bar.notional >> 64), Int64(bar.excluded.total),
            ]
        }
        try write(numbers, to: path)
    }

    private static func write(_ numbers: [Int64], to path: String) throws {
        let data = unsafe numbers.withUnsafeBytes { unsafe Data($0) }
        try data.write(to: URL(fileURLWithPath: path))
    }
}
