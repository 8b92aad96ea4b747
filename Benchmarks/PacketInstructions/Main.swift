internal import Glibc
import MarketModel
import OperatorGraph
import Primitives
import ServiceRuntime
import StreamCore
import TapeCodec
import TapeProtocol
import TapeTraces

/// Takes packets of one trade through one pure part, for `.ci/packet-instructions.py`, which counts
/// the instructions. The packets of `join` and `filters` hold ten quotes before the trade.
///
///     PacketInstructions build|publish|read|compute|traces|join|filters COUNT
///
/// All packets are made first, whatever COUNT is. So the difference between two runs with different
/// counts is only the part's own work on the packets between.
@main
struct PacketInstructions {
    static let packetsMax = 2_048
    /// One packet each millisecond.
    static let pauseNanoseconds: Int64 = 1_000_000
    static let beginning: Int64 = 1_700_000_000_000_000_000
    static let symbols = 4
    static let quotesOfTrade = 10

    /// The arguments or the generated data are wrong.
    struct Unusable: Error, CustomStringConvertible {
        let description: String
    }

    static func main() {
        do throws(Unusable) {
            let words = CommandLine.arguments
            guard words.count == 3, let count = Int(words[2]), (1...packetsMax).contains(count)
            else {
                throw Unusable(
                    description: "name a part and 1 to \(packetsMax) packets: "
                        + "PacketInstructions build|publish|read|compute|traces|join|filters COUNT"
                )
            }
            let isOfQuotes = ["join", "filters"].contains(words[1])
            let packets = try packets(quotes: isOfQuotes ? quotesOfTrade : 0)
            switch words[1] {
            case "build": try build(count)
            case "publish": try publish(packets, count)
            case "read": try read(packets, count)
            case "compute": try compute(packets, count, [])
            case "traces":
                try compute(
                    packets, count, [],
                    traces: TraceChoice(
                        namespace: "bench", share: 0.001, slowNanoseconds: .max))
            case "join": try compute(packets, count, [join])
            case "filters": try compute(packets, count, filters)
            default: throw Unusable(description: "there is no part \(words[1])")
            }
        } catch {
            print("PacketInstructions: \(error)")
            exit(1)
        }
    }

    // MARK: packets

    private static func builder() throws(Unusable) -> (builder: PacketBuilder, symbols: [UInt32]) {
        guard let source = SourceName("bench") else { throw Unusable(description: "no source") }
        var builder = PacketBuilder(kind: .ticks, partition: Partition(0), source: source)
        let numbers = (0..<symbols).compactMap { Symbol("S\($0)") }.map {
            builder.register(
                SymbolDefinition(
                    symbol: $0, provider: "bench", since: Timestamp(nanoseconds: 0)))
        }
        return (builder, numbers)
    }

    /// Fills and seals the packet with this number, with so many quotes before the trade.
    private static func seal(
        _ number: Int, _ builder: inout PacketBuilder, _ symbols: [UInt32], quotes: Int = 0,
        recycling spare: consuming SealedPacket? = nil
    ) throws(Unusable) -> SealedPacket {
        let time = Timestamp(nanoseconds: beginning + Int64(number) * pauseNanoseconds)
        for place in 0..<quotes {
            let quote = Quote(
                header: TickHeader(
                    symbol: symbols[(number + place) % symbols.count], providerTime: time,
                    receiveTime: time),
                bidPrice: Price(raw: 99_0000_0000 + Int64(place)),
                bidSize: Quantity(raw: 1_0000_0000),
                askPrice: Price(raw: 101_0000_0000 + Int64(place)),
                askSize: Quantity(raw: 1_0000_0000))
            guard builder.append(quote) else {
                throw Unusable(description: "a packet has no room")
            }
        }
        let trade = Trade(
            header: TickHeader(
                symbol: symbols[number % symbols.count], providerTime: time, receiveTime: time,
                providerID: UInt64(number)),
            price: Price(raw: 100_0000_0000 + Int64(number % 100)),
            size: Quantity(raw: 1_0000_0000))
        guard builder.append(trade) else { throw Unusable(description: "a packet has no room") }
        return builder.seal(
            PacketBuilder.Seal(
                epoch: 1, firstOrdinal: UInt64(number * (quotes + 1) + 1), watermark: time,
                sendTime: time),
            recycling: spare)
    }

    private static func packets(quotes: Int) throws(Unusable) -> [SealedPacket] {
        var (builder, symbols) = try builder()
        var packets: [SealedPacket] = []
        for number in 0..<packetsMax {
            packets.append(try seal(number, &builder, symbols, quotes: quotes))
        }
        return packets
    }

    // MARK: parts

    /// From a trade to a sealed packet.
    private static func build(_ count: Int) throws(Unusable) {
        var (builder, symbols) = try builder()
        var spare: SealedPacket?
        for number in 0..<count {
            spare = try seal(number, &builder, symbols, recycling: spare.take())
        }
    }

    /// From a sealed packet to its acknowledgement.
    private static func publish(_ packets: [SealedPacket], _ count: Int) throws(Unusable) {
        var (lane, effects) = (PublisherLane(), [PublisherLane.Effect]())
        var now = MonotonicTime(nanoseconds: 1)
        lane.open(behind: nil, now: now, into: &effects)
        guard case .makeMarker(let marker, _)? = effects.last else {
            throw Unusable(description: "the lane wants no marker")
        }
        var (builder, _) = try builder()
        let sealed = builder.seal(
            PacketBuilder.Seal(
                epoch: lane.epoch, firstOrdinal: marker.startOrdinal, watermark: .undefined,
                sendTime: .undefined), marker: marker)
        lane.publishMarker(sealed, now: now, into: &effects)
        lane.handle(
            .acknowledged(attempt: lane.attempt, sequence: 1), now: now, into: &effects)
        for number in 0..<count {
            effects.removeAll(keepingCapacity: true)
            now = now + pauseNanoseconds
            lane.publish(packets[number], now: now, into: &effects)
            lane.handle(
                .acknowledged(attempt: lane.attempt, sequence: UInt64(number + 2)), now: now,
                into: &effects)
            guard lane.isReady else { throw Unusable(description: "a packet was not settled") }
        }
    }

    /// From the bytes of a message to a packet that is proven to be the next one.
    private static func read(_ packets: [SealedPacket], _ count: Int) throws(Unusable) {
        var (lane, effects) = (ReaderLane(), [ReaderLane.Effect]())
        var now = MonotonicTime(nanoseconds: 1)
        lane.open(into: &effects)
        lane.streamRead(
            ReaderLane.StreamBounds(
                created: Timestamp(nanoseconds: 1), firstSequence: 1, lastSequence: 0,
                isReplicated: false), now: now, into: &effects)
        lane.consumerCreated(
            consumerNumber: lane.consumerNumber, now: now, into: &effects)
        for number in 0..<count {
            effects.removeAll(keepingCapacity: true)
            now = now + pauseNanoseconds
            let delivery = ReaderLane.Delivery(
                consumerNumber: lane.consumerNumber, sequence: UInt64(number + 1),
                consumerSequence: UInt64(number + 1), pending: 0)
            do {
                let header = try packets[number].withBytes { bytes throws(PacketError) in
                    try PacketReader.validate(bytes)
                }
                guard lane.packet(header, delivery, now: now, into: &effects) == .deliver else {
                    throw Unusable(description: "a packet was not delivered")
                }
            } catch {
                throw Unusable(description: "\(error)")
            }
        }
    }

    /// A join of all trades with all quotes.
    private static let join = GraphNode(
        name: "paired", input: .ticks(.trade),
        operation: .join(JoinRule(maxAge: 5_000_000_000), with: .ticks(.quote)))

    /// What stands in its place: a filter of trades, and one of quotes.
    private static let filters = [
        GraphNode(
            name: "traded", input: .ticks(.trade),
            operation: .filter(
                TickExpression(
                    text: "price > 0", instructions: [.field(.price), .number(0), .greater]))),
        GraphNode(
            name: "quoted", input: .ticks(.quote),
            operation: .filter(
                TickExpression(
                    text: "bid > 0", instructions: [.field(.bid), .number(0), .greater]))),
    ]

    /// From a packet to the windows of its trade, in three series, behind the first of these nodes.
    /// `traces`: as in a service with a collector; `nil`: without one.
    private static func compute(
        _ packets: [SealedPacket], _ count: Int, _ nodes: [GraphNode],
        traces: TraceChoice? = nil
    ) throws(Unusable) {
        let clock = SystemClock()
        var spanBytes = 0
        do {
            let rule = BarRule(series: try BarSeriesSet(["1s", "1m", "1h"]))
            let bars = GraphNode(
                name: "bars", input: nodes.isEmpty ? .ticks(.trade) : .node(0),
                operation: .bars(rule, calendar: nil))
            var machine = GraphMachine(
                GraphProgram(GraphDefinition(name: "counted", nodes: nodes + [bars])))
            var output = GraphOutput()
            for number in 0..<count {
                let header = packets[number].header
                let begun = traces.map { _ in clock.now() }
                let isTaken = packets[number].withBytes { machine.take(header, $0, into: &output) }
                guard isTaken else { throw Unusable(description: "a packet was not taken") }
                if let traces, let begun {
                    spanBytes += trace(packets[number], since: begun, to: clock.now(), traces)
                }
                output.removeAll()
            }
        } catch {
            throw Unusable(description: "\(error)")
        }
        if traces != nil { print("\(spanBytes) bytes of spans") }
    }

    /// Returns how many bytes go to a collector because of a packet.
    private static func trace(
        _ packet: SealedPacket, since start: Timestamp, to end: Timestamp,
        _ traces: TraceChoice
    ) -> Int {
        let received = packet.withBytes { PacketTrace.firstReceived($0) }
        let took = end.nanoseconds(since: min(received, packet.header.sendTime))
        switch traces.verdict(packet.header, took: took, nil, now: end) {
        case .pass, .leaveOut: return 0
        case .send(let trace):
            let spans = trace.read(
                .process,
                PacketTrace.Way(received: received, stored: .undefined, from: start, to: end))
            return SpanMessage.bytes(
                spans, of: SpanMessage.Resource([], scope: "bench", version: "1")
            ).count
        }
    }
}
