internal import CAllocationCounter
internal import Glibc
import MarketModel
import Primitives
import StreamCore
import TapeCodec

/// Nanoseconds of processor time per trade from the bytes of a packet to the windows of three
/// series: what the operator's shell does for each packet, with few and with many symbols (each is
/// defined in each packet). Fails when a packet in the steady state allocates.
@main
struct OperatorBenchmark {
    static let packetTrades = 1_024
    static let packetCount = 10
    static let rounds = 20
    static let repetitions = 7

    static func main() throws {
        var isClean = true
        for symbols in [10, 100, 500] {
            let result = try measure(try makePackets(symbols: symbols))
            print(
                "\(symbols) symbols: \(tenths(result.best)) ns per trade, allocations in the "
                    + "steady state \(result.allocations)")
            isClean = isClean && result.allocations == 0
        }
        isClean = try GraphBench.run() && isClean
        guard isClean else {
            print("failed: the steady state allocates")
            exit(1)
        }
    }

    /// The benchmark's own data are not what it needs.
    struct Unusable: Error {}

    static func tenths(_ duration: Duration) -> String {
        let trades = Double(packetTrades * packetCount * rounds)
        let tenths = Int(duration / Duration.nanoseconds(1) * 10 / trades)
        return "\(tenths / 10).\(tenths % 10)"
    }

    /// Of this thread: other processes of a shared machine do not count.
    static func processorTime() -> Duration {
        var time = timespec()
        unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
    }

    static func makePackets(symbols: Int) throws -> [[UInt8]] {
        guard let name = SourceName("bench") else { throw Unusable() }
        var builder = PacketBuilder(kind: .ticks, partition: Partition(0), source: name)
        let numbers = (0..<symbols).compactMap { Symbol("SYM\($0)") }.map {
            builder.register(
                SymbolDefinition(symbol: $0, provider: "bench", since: Timestamp(nanoseconds: 0)))
        }
        var random = SeededRandom(seed: 1)
        var time: Int64 = 1_700_000_000_000_000_000
        var ordinal: UInt64 = 1
        return try (0..<packetCount).map { _ in
            for _ in 0..<packetTrades {
                time += 10_000
                let symbol = numbers[Int.random(in: 0..<symbols, using: &random)]
                let trade = Trade(
                    header: TickHeader(
                        symbol: symbol, providerTime: Timestamp(nanoseconds: time),
                        receiveTime: Timestamp(nanoseconds: time)),
                    price: Price(raw: Int64.random(in: 90...110, using: &random) * 1_000_000_000),
                    size: Quantity(raw: 100_000_000))
                guard builder.append(trade) else { throw Unusable() }
            }
            let packet = builder.seal(
                PacketBuilder.Seal(
                    epoch: 1, firstOrdinal: ordinal, watermark: Timestamp(nanoseconds: time),
                    sendTime: Timestamp(nanoseconds: time)))
            ordinal += UInt64(packetTrades)
            return packet.withBytes { $0.array }
        }
    }

    struct Result {
        var best = Duration.seconds(60)
        var allocations: UInt64 = 0
    }

    static func measure(_ packets: [[UInt8]]) throws -> Result {
        var result = Result()
        for _ in 0..<repetitions {
            var shell = try Shell()
            for packet in packets { packet.withRawSpan { shell.take($0) } }
            let before = allocations_of_this_thread()
            let start = processorTime()
            for _ in 0..<rounds {
                for packet in packets { packet.withRawSpan { shell.take($0) } }
            }
            result.best = min(result.best, processorTime() - start)
            result.allocations = allocations_of_this_thread() - before
            let trades = packetTrades * packetCount * (rounds + 1)
            guard shell.machine.received == UInt64(trades) else { throw Unusable() }
        }
        return result
    }
}
