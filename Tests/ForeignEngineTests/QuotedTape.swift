import Foundation
import MarketModel
import OperatorGraph
import Primitives
import StreamCore
import TapeCodec
import Testing

/// Trades and quotes of two sources in the order of the tape. Some quotes were held back, so that
/// their receive times go back, and some trades come long after the last quote.
struct QuotedTape {
    private struct Tick {
        let source: Int
        let symbol: Int
        let isQuote: Bool
        /// Counts from 1 within its source.
        let ordinal: Int64
        let received: Int64
    }

    static let sources = 2
    static let symbols = 20

    private var ticks: [Tick] = []

    /// About as many quotes as trades.
    init(seed: UInt64, trades: Int) {
        var random = SeededRandom(seed: seed)
        var now = MarketTape.start
        var ordinals = [Int64](repeating: 0, count: Self.sources)
        var count = 0
        while count < trades {
            let isPause = Int.random(in: 0..<10_000, using: &random) == 0
            now += isPause ? 3_000_000_000 : Int64.random(in: 0...3_000_000, using: &random)
            let source = Int.random(in: 0..<Self.sources, using: &random)
            let symbol = Int.random(in: 0..<Self.symbols, using: &random)
            let isQuote = Bool.random(using: &random)
            let isHeld = isQuote && Int.random(in: 0..<20, using: &random) == 0
            let held = isHeld ? Int64.random(in: 1...1_000_000_000, using: &random) : 0
            ordinals[source] += 1
            ticks.append(
                Tick(
                    source: source, symbol: symbol, isQuote: isQuote, ordinal: ordinals[source],
                    // The clock of the second source is behind.
                    received: now - held - Int64(source) * 300_000_000))
            if !isQuote { count += 1 }
        }
    }

    // MARK: files

    /// Writes rows of 64-bit integers, as the script reads them.
    func write(to path: String) throws {
        var numbers: [Int64] = []
        numbers.reserveCapacity(ticks.count * 5)
        for tick in ticks {
            numbers.append(Int64(tick.source))
            numbers.append(Int64(tick.symbol))
            numbers.append(tick.isQuote ? 1 : 0)
            numbers.append(tick.ordinal)
            numbers.append(tick.received)
        }
        let data = unsafe numbers.withUnsafeBytes { unsafe Data($0) }
        try data.write(to: URL(fileURLWithPath: path))
    }

    /// Returns the numbers of a file.
    static func numbers(in path: String) throws -> [Int64] {
        let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
        return stride(from: 0, to: bytes.count - 7, by: 8).map { place in
            var number: UInt64 = 0
            for byte in bytes[place..<place + 8].reversed() { number = number << 8 | UInt64(byte) }
            return Int64(bitPattern: number)
        }
    }

    // MARK: ours

    /// One source's packets.
    private struct Lane {
        let source: SourceName
        var builder: PacketBuilder
        private(set) var symbols: [UInt32] = []
        private var ordinal: UInt64 = 1

        init(_ number: Int) throws {
            source = try #require(SourceName("market\(number)"))
            builder = PacketBuilder(kind: .ticks, partition: Partition(0), source: source)
            for symbol in 0..<QuotedTape.symbols {
                symbols.append(
                    builder.register(
                        SymbolDefinition(
                            symbol: try #require(Symbol("S\(symbol)")), provider: "market",
                            since: .undefined)))
            }
        }

        mutating func seal(at time: Timestamp) -> SealedPacket {
            let packet = builder.seal(
                PacketBuilder.Seal(
                    epoch: 1, firstOrdinal: ordinal, watermark: time, sendTime: time))
            ordinal = packet.header.nextOrdinal
            return packet
        }
    }

    /// Returns how many trades the bars of each series count. A quote's bid is its ordinal, and a
    /// trade's size is the ordinal of the quote that it must get: `pairs`, in the order of the
    /// trades.
    func counts(of graph: GraphDefinition, _ pairs: [Int64]) throws -> [String: UInt64] {
        var machine = GraphMachine(GraphProgram(graph))
        var output = GraphOutput()
        var lanes: [Lane] = []
        for number in 0..<Self.sources { lanes.append(try Lane(number)) }
        var counts: [String: UInt64] = [:]
        func take(_ packet: SealedPacket) {
            let isTaken = packet.withBytes { machine.take(packet.header, $0, into: &output) }
            #expect(isTaken)
            for bar in output.bars {
                counts[machine.program.series[Int(bar.series)].name.text, default: 0] += bar.trades
            }
            output.removeAll()
        }
        var (next, refused) = (0, 0)
        var last = Timestamp(nanoseconds: MarketTape.start)
        for tick in ticks {
            let time = Timestamp(nanoseconds: tick.received)
            let header = TickHeader(
                symbol: lanes[tick.source].symbols[tick.symbol], providerTime: time,
                receiveTime: time)
            let isIn: Bool
            if tick.isQuote {
                isIn = lanes[tick.source].builder.append(Self.quote(header, tick.ordinal))
            } else {
                let size = Quantity(raw: pairs[next] * 100_000_000)
                isIn = lanes[tick.source].builder.append(
                    Trade(header: header, price: Price(raw: 1_000_000_000), size: size))
                next += 1
                last = time
            }
            if !isIn { refused += 1 }
            guard lanes[tick.source].builder.isFull else { continue }
            take(lanes[tick.source].seal(at: time.advanced(byNanoseconds: -2_000_000_000)))
        }
        // Two days later all windows are closed.
        last = last.advanced(byNanoseconds: 172_800_000_000_000)
        for index in lanes.indices { take(lanes[index].seal(at: last)) }
        #expect(refused == 0)
        return counts
    }

    private static func quote(_ header: TickHeader, _ ordinal: Int64) -> Quote {
        let bid = Price(raw: ordinal * 1_000_000_000)
        let size = Quantity(raw: 100_000_000)
        return Quote(header: header, bidPrice: bid, bidSize: size, askPrice: bid, askSize: size)
    }
}
