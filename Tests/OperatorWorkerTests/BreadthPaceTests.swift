import MarketModel
import OperatorGraph
import Primitives
import SimulationKit
import StreamCore
import TapeCodec
import Testing

/// How far nodes over several sources are: from packets of ticks of two partitions to values. Of
/// one source's ticks, each trade is above that of the day before, of the other's below it.
@Suite("The pace of breadth")
struct BreadthPaceTests {
    private static let second: Int64 = 1_000_000_000
    private static let noon: Int64 = 43_200 * second
    private static let day: Int64 = 86_400 * second

    /// A source, and how long its ticks take.
    private struct Feed {
        var name: String
        var provider = "ibkr"
        var delay: Int64 = 0
        var price: Int64
    }

    private static let live = Feed(name: "ibkr", price: 6)
    private static let delayed = Feed(name: "ibkr-delayed", delay: 900 * second, price: 4)
    private static let replayed = Feed(
        name: "tape", provider: "replay", delay: 3_600 * second, price: 4)

    /// A value of an advance-decline, and when it was published.
    private struct Found: Hashable {
        var name: String
        /// The end of its window, in seconds since the second day's noon.
        var end: Int64
        var advances: Int64
        var symbols: Int64 = 0
        /// The time of the live source's last packet, in the same seconds.
        var at: Int64
    }

    private static func graph(_ nodes: [(name: String, sources: [String])]) throws
        -> GraphDefinition
    {
        var graph = GraphDefinition.simple(try BarSeriesSet(["1m"]))
        for (name, sources) in nodes {
            let rule = BreadthRule(
                series: try #require(SeriesName("1m")), universe: [], measures: [.advanceDecline],
                sources: try sources.map { try #require(SourceName($0)) })
            graph = graph.measuring(rule, as: name)
        }
        return graph
    }

    // MARK: a run

    private struct Run {
        private var machines: [GraphMachine]
        private var universe: UniverseMachine
        private var ordinals: [String: UInt64] = [:]
        private(set) var found: [Found] = []

        init(_ graph: GraphDefinition) throws {
            machines = Array(repeating: GraphMachine(GraphProgram(graph)), count: 2)
            universe = UniverseMachine(try #require(UniverseProgram(graph, partitions: 2)))
        }

        /// Gives each partition a trade of each source at this time, less the source's delay.
        mutating func step(_ feeds: [Feed], at time: Int64, isFirst: Bool = false) throws {
            for partition in machines.indices {
                for feed in feeds {
                    try take(feed, partition, sent: time, price: isFirst ? 5 : feed.price)
                }
                let state = (time - BreadthPaceTests.noon) % BreadthPaceTests.day
                try publish(partition, at: state / BreadthPaceTests.second)
            }
        }

        private var output = GraphOutput()

        private mutating func take(
            _ feed: Feed, _ partition: Int, sent: Int64, price: Int64
        ) throws {
            var builder = PacketBuilder(
                kind: .ticks, partition: Partition(partition),
                source: try #require(SourceName(feed.name)))
            let symbol = builder.register(
                SymbolDefinition(
                    symbol: try #require(Symbol("X\(partition)")), provider: feed.provider,
                    since: .undefined))
            let time = Timestamp(nanoseconds: sent - feed.delay)
            let isIn = builder.append(
                Trade(
                    header: TickHeader(symbol: symbol, providerTime: time, receiveTime: time),
                    price: Price(raw: price * 1_000_000_000), size: Quantity(raw: 100_000_000)))
            try #require(isIn)
            let ordinal = ordinals["\(feed.name) \(partition)", default: 1]
            ordinals["\(feed.name) \(partition)"] = ordinal + 1
            let packet = builder.seal(
                PacketBuilder.Seal(
                    epoch: 1, firstOrdinal: ordinal, watermark: time,
                    sendTime: Timestamp(nanoseconds: sent)))
            packet.withBytes { _ = machines[partition].take(packet.header, $0, into: &output) }
        }

        private mutating func publish(_ partition: Int, at second: Int64) throws {
            let machine = machines[partition]
            var bars = PublishedPacket(
                partition: partition, series: try #require(SeriesName("1m")),
                width: 60 * BreadthPaceTests.second)
            for bar in output.bars { bars.add(bar, of: machine.symbols.pair(at: bar.symbol)) }
            output.removeAll()
            let packet = bars.sealed(
                watermark: machine.watermark, states: machine.sourceStates)
            let isSame = try universe.restore()
            #expect(isSame)
            var values: [IndicatorValue] = []
            let before = universe.watermark
            packet.withBytes { universe.take(packet.header, $0, into: &values) }
            #expect(universe.watermark >= before)
            for value in values { note(value, at: second) }
        }

        private mutating func note(_ value: IndicatorValue, at second: Int64) {
            let number = Int64(value.value / 1_000_000_000)
            guard !value.name.hasSuffix(".symbols") else {
                found[found.count - 1].symbols = number
                return
            }
            let end =
                (value.periodEnd.nanoseconds - BreadthPaceTests.day - BreadthPaceTests.noon)
                / BreadthPaceTests.second
            found.append(
                Found(
                    name: String(value.name.prefix { $0 != "." }), end: end, advances: number,
                    at: second))
        }
    }

    /// Returns the values of the second day: half an hour of it, with a trade each ten seconds.
    private func values(
        _ feeds: [Feed], _ nodes: [(name: String, sources: [String])]
    ) throws -> [Found] {
        var run = try Run(try Self.graph(nodes))
        try run.step(feeds, at: Self.noon, isFirst: true)
        for second in stride(from: 0 as Int64, to: 1_800, by: 10) {
            try run.step(feeds, at: Self.day + Self.noon + second * Self.second)
        }
        return run.found.filter { $0.end > 0 }
    }

    // MARK: tests

    @Test(
        "delayed and made-up sources beside a live one change no value and no time of one",
        arguments: [delayed, replayed])
    private func heldUpByNobody(_ other: Feed) throws {
        let alone = try values([Self.live], [("market", [])])
        #expect(alone.count == 29)
        #expect(alone.allSatisfy { $0.advances == 2 && $0.symbols == 2 && $0.at - $0.end <= 10 })
        #expect(try values([Self.live, other], [("market", [])]) == alone)
        #expect(try values([other, Self.live], [("market", [])]) == alone)
        #expect(try values([other, Self.live], [("market", ["ibkr"])]) == alone)
    }

    @Test("a node that names a delayed source gets it at its pace, and no other node waits for it")
    func named() throws {
        let nodes = [("market", []), ("late", ["ibkr-delayed"])] as [(String, [String])]
        let found = try values([Self.live, Self.delayed], nodes)
        let alone = try values([Self.live], [("market", [])])
        #expect(found.filter { $0.name == "market" } == alone)
        let late = found.filter { $0.name == "late" }
        // The delayed day begins 900 seconds before noon.
        #expect(late.count == 14, "\(late)")
        #expect(
            late.allSatisfy { value in
                value.advances == -2 && value.symbols == 2
                    && (900...920).contains(value.at - value.end)
            }, "\(late)")
        let turned = try values([Self.delayed, Self.live], nodes.reversed())
        #expect(turned.filter { $0.name == "late" } == late)
    }

    @Test("a node that names a live and a delayed source waits for both")
    func both() throws {
        let found = try values(
            [Self.live, Self.delayed], [("market", ["ibkr", "ibkr-delayed"])])
        #expect(!found.isEmpty && found.allSatisfy { $0.at - $0.end >= 900 })
        #expect(found.last.map { $0.advances == 0 && $0.symbols == 4 } == true)
    }

    @Test("a delayed source that is alone counts, at its pace")
    func alone() throws {
        let found = try values([Self.delayed], [("market", [])])
        #expect(!found.isEmpty)
        #expect(found.allSatisfy { $0.advances == -2 && (900...920).contains($0.at - $0.end) })
    }
}
