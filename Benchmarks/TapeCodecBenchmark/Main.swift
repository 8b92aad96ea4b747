import BenchmarkRows
internal import CAllocationCounter
internal import Glibc
import MarketModel
import Primitives
import TapeCodec

/// Measures millions of ticks per second of one core, into packets and out of them, checksum
/// included. Fails if a packet in the steady state allocates.
@main
struct TapeCodecBenchmark {
    static let repetitions = 7
    static let ticksPerRun = 1_024 * 1_000

    static func main() throws {
        var isClean = true
        for ticks in [1, 16, 128, 1_024] {
            let encoded = try encode(ticksPerPacket: ticks)
            let decoded = try decode(ticksPerPacket: ticks)
            print(
                "\(ticks) ticks a packet: encode \(millions(encoded.best)) M/s, "
                    + "decode \(millions(decoded.best)) M/s, allocations \(encoded.allocations) "
                    + "and \(decoded.allocations) in \(ticksPerRun / ticks) packets")
            BenchmarkRow("encode, \(ticks) ticks a packet", rate(encoded.best), "M ticks/s").tell()
            BenchmarkRow("decode, \(ticks) ticks a packet", rate(decoded.best), "M ticks/s").tell()
            isClean = isClean && decoded.allocations == 0 && encoded.allocations == 0
        }
        guard isClean else {
            print("failed: the steady state allocates")
            exit(1)
        }
    }

    /// The benchmark's generated data are wrong.
    struct Unusable: Error {}

    struct Result {
        var best = Duration.seconds(60)
        var allocations: UInt64 = 0
    }

    /// Returns millions of ticks per second.
    static func rate(_ duration: Duration) -> Double {
        Double(ticksPerRun) / (duration / Duration.microseconds(1))
    }

    static func millions(_ duration: Duration) -> Int { Int(rate(duration)) }

    static let seal = PacketBuilder.Seal(
        epoch: 1, firstOrdinal: 1, watermark: Timestamp(nanoseconds: 0),
        sendTime: Timestamp(nanoseconds: 0))

    static func builder() throws -> (PacketBuilder, UInt32) {
        guard let source = SourceName("bench"), let symbol = Symbol("AAPL") else {
            throw Unusable()
        }
        var builder = PacketBuilder(kind: .ticks, partition: Partition(0), source: source)
        let number = builder.register(
            SymbolDefinition(
                symbol: symbol, provider: "bench", since: Timestamp(nanoseconds: 0)))
        return (builder, number)
    }

    static func trade(_ symbol: UInt32, _ index: Int64) -> Trade {
        Trade(
            header: TickHeader(
                symbol: symbol, providerTime: Timestamp(nanoseconds: index),
                receiveTime: Timestamp(nanoseconds: index), providerID: UInt64(index)),
            price: Price(raw: index), size: Quantity(raw: index))
    }

    static func encode(ticksPerPacket: Int) throws -> Result {
        var (builder, symbol) = try builder()
        var result = Result()
        var recycled: SealedPacket?
        for _ in 0..<2 { recycled = builder.seal(seal, recycling: recycled.take()) }
        for _ in 0..<repetitions {
            let before = allocations_of_this_thread()
            let start = processorTime()
            var index: Int64 = 0
            for _ in 0..<(ticksPerRun / ticksPerPacket) {
                for _ in 0..<ticksPerPacket {
                    index &+= 1
                    guard builder.append(trade(symbol, index)) else { throw Unusable() }
                }
                recycled = builder.seal(seal, recycling: recycled.take())
            }
            result.best = min(result.best, processorTime() - start)
            result.allocations = allocations_of_this_thread() - before
        }
        return result
    }

    static func decode(ticksPerPacket: Int) throws -> Result {
        var (builder, symbol) = try builder()
        for index in 0..<ticksPerPacket {
            guard builder.append(trade(symbol, Int64(index))) else { throw Unusable() }
        }
        let packet = builder.seal(seal)
        var result = Result()
        var sum: Int64 = 0
        for _ in 0..<repetitions {
            let before = allocations_of_this_thread()
            let start = processorTime()
            for _ in 0..<(ticksPerRun / ticksPerPacket) {
                sum &+= try packet.withBytes { try prices(in: $0) }
            }
            result.best = min(result.best, processorTime() - start)
            result.allocations = allocations_of_this_thread() - before
        }
        guard ticksPerPacket < 2 || sum != 0 else { throw Unusable() }
        return result
    }

    static func prices(in packet: RawSpan) throws -> Int64 {
        _ = try PacketReader.header(of: packet)
        var sum: Int64 = 0
        var cursor = RecordCursor()
        while let record = cursor.next(in: packet) {
            if case .trade(let trade) = record { sum &+= trade.price.raw }
        }
        return sum
    }
}
