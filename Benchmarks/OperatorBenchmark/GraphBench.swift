internal import CAllocationCounter
import MarketModel
import OperatorGraph
import Primitives
import StreamCore
import TapeCodec

/// The same packets through whole graphs: what each stage in front of the bars costs.
enum GraphBench {
    static func graphs() throws -> [(name: String, nodes: [GraphNode])] {
        let bars = try BarSeriesSet(["1s"])
        func barsNode(_ input: GraphInput) -> GraphNode {
            GraphNode(
                name: "bars", input: input,
                operation: .bars(BarRule(series: bars), calendar: nil))
        }
        let once = GraphNode(
            name: "once", input: .ticks(.trade),
            operation: .deduplicate(
                DeduplicateRule(key: [.id, .price, .size], timeToLive: 1_000_000_000)))
        let slow = GraphNode(
            name: "slow", input: .node(0),
            operation: .throttle(ThrottleRule(count: 1_000, per: 1_000_000_000)))
        let dear = GraphNode(
            name: "dear", input: .node(1),
            operation: .filter(
                TickExpression(
                    text: "price > 95 and size >= 1",
                    instructions: [
                        .field(.price), .number(95_000_000_000), .greater, .field(.size),
                        .number(1_000_000_000), .greaterOrEqual, .and,
                    ])))
        return [
            ("bars", [barsNode(.ticks(.trade))]),
            ("deduplicate, bars", [once, barsNode(.node(0))]),
            ("deduplicate, throttle, bars", [once, slow, barsNode(.node(1))]),
            ("deduplicate, throttle, filter, bars", [once, slow, dear, barsNode(.node(2))]),
        ]
    }

    /// A run of packets that goes on in time, so that times to live end; every tick is new.
    static func packets(symbols: Int) throws -> [[UInt8]] {
        guard let name = SourceName("bench") else { throw OperatorBenchmark.Unusable() }
        var builder = PacketBuilder(kind: .ticks, partition: Partition(0), source: name)
        let numbers = (0..<symbols).compactMap { Symbol("SYM\($0)") }.map {
            builder.register(
                SymbolDefinition(symbol: $0, provider: "bench", since: Timestamp(nanoseconds: 0)))
        }
        var random = SeededRandom(seed: 1)
        var time: Int64 = 1_700_000_000_000_000_000
        var ordinal: UInt64 = 1
        return try (0..<600).map { _ in
            for _ in 0..<OperatorBenchmark.packetTrades {
                time += 10_000
                let header = TickHeader(
                    symbol: numbers[Int.random(in: 0..<symbols, using: &random)],
                    providerTime: Timestamp(nanoseconds: time),
                    receiveTime: Timestamp(nanoseconds: time), providerID: UInt64(time))
                let trade = Trade(
                    header: header,
                    price: Price(raw: Int64.random(in: 90...110, using: &random) * 1_000_000_000),
                    size: Quantity(raw: 100_000_000))
                guard builder.append(trade) else { throw OperatorBenchmark.Unusable() }
            }
            let packet = builder.seal(
                PacketBuilder.Seal(
                    epoch: 1, firstOrdinal: ordinal, watermark: Timestamp(nanoseconds: time),
                    sendTime: Timestamp(nanoseconds: time)))
            ordinal += UInt64(OperatorBenchmark.packetTrades)
            return packet.withBytes { $0.array }
        }
    }

    /// True when no packet in the steady state allocates. Packets of one symbol: every definition
    /// makes a name, so that only their number per packet allocates, and it is subtracted.
    static func run() throws -> Bool {
        var isClean = true
        let packets = try packets(symbols: 10)
        let headers = try packets.map { bytes in
            try bytes.withRawSpan { span throws(PacketError) in try PacketReader.header(of: span) }
        }
        for (name, nodes) in try graphs() {
            var best = Duration.seconds(60)
            var allocations: UInt64 = 0
            for _ in 0..<3 {
                var machine = GraphMachine(
                    GraphProgram(GraphDefinition(name: "bench", nodes: nodes)))
                var output = GraphOutput()
                let half = packets.count / 2
                for index in 0..<half { take(packets[index], headers[index], &machine, &output) }
                let before = allocations_of_this_thread()
                let start = OperatorBenchmark.processorTime()
                for index in half..<packets.count {
                    take(packets[index], headers[index], &machine, &output)
                }
                best = min(best, OperatorBenchmark.processorTime() - start)
                allocations = allocations_of_this_thread() - before
            }
            let trades = packets.count / 2 * OperatorBenchmark.packetTrades
            let tenths = Int(best / Duration.nanoseconds(1) * 10 / Double(trades))
            print(
                "graph \(name): \(tenths / 10).\(tenths % 10) ns per trade, "
                    + "\(allocations) allocations in \(packets.count / 2) packets")
            isClean = isClean && allocations <= UInt64(packets.count / 2)
        }
        return isClean
    }

    private static func take(
        _ packet: [UInt8], _ header: PacketHeader, _ machine: inout GraphMachine,
        _ output: inout GraphOutput
    ) {
        let isTaken = packet.withRawSpan { machine.take(header, $0, into: &output) }
        precondition(isTaken, "one source is not too many")
        output.removeAll()
    }
}
