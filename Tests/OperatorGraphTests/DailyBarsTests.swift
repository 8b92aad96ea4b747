import MarketModel
import Primitives
import SimulationKit
import StreamCore
import TapeCodec
import Testing

@testable import OperatorGraph

/// Daily bars from a provider, from the ticks of a partition to the values over all partitions.
@Suite("Days that a provider tells of, in a graph")
struct DailyBarsTests {
    private static let day: Int64 = 86_400_000_000_000
    private static let second: Int64 = 1_000_000_000
    /// A midnight.
    private static let today: Int64 = 19_700 * day

    private let definition: GraphDefinition

    init() throws {
        let rule = BreadthRule(
            series: try #require(SeriesName("1s")), universe: [],
            measures: [.advanceDecline, .newHighs(days: 2)], warmsUp: true)
        definition = GraphDefinition.simple(try BarSeriesSet(["1s"])).measuring(rule)
    }

    private struct Day {
        var back: Int64
        var close: Int64
    }

    private func packet(
        _ days: [Day], trades: [Int64] = [], source: SourceName, watermark: Int64 = today
    ) throws -> SealedPacket {
        var builder = PacketBuilder(kind: .ticks, partition: Partition(0), source: source)
        let symbol = builder.register(
            SymbolDefinition(
                symbol: try #require(Symbol("A")), provider: "test",
                since: Timestamp(nanoseconds: Self.today - Self.day)))
        for day in days {
            let open = Self.today - day.back * Self.day
            var bar = ProviderBar(
                header: TickHeader(
                    symbol: symbol, flags: .backfilled,
                    providerTime: Timestamp(nanoseconds: open + Self.day),
                    receiveTime: Timestamp(nanoseconds: Self.today)),
                openTime: Timestamp(nanoseconds: open),
                closeTime: Timestamp(nanoseconds: open + Self.day), kind: .trades)
            (bar.high, bar.low, bar.close) = (
                Price(raw: day.close + 1), Price(raw: day.close - 1), Price(raw: day.close)
            )
            let isIn = builder.append(bar)
            #expect(isIn)
        }
        for (index, price) in trades.enumerated() {
            let time = Timestamp(nanoseconds: Self.today + Int64(index) * Self.second)
            let isIn = builder.append(
                Trade(
                    header: TickHeader(symbol: symbol, providerTime: time, receiveTime: time),
                    price: Price(raw: price), size: Quantity(raw: 1)))
            #expect(isIn)
        }
        return builder.seal(
            PacketBuilder.Seal(
                epoch: 1, firstOrdinal: 1, watermark: Timestamp(nanoseconds: watermark),
                sendTime: Timestamp(nanoseconds: Self.today)))
    }

    private func shownValues(_ values: [GraphValue]) -> [String] {
        values.map {
            let back = (Self.today - $0.periodStart.nanoseconds) / Self.day
            return "\($0.name) \(back) \($0.value) \($0.reason == 0 ? "" : "again")"
        }
    }

    @Test("a partition passes each day on once, later versions, too, and knows it when restored")
    func passedOn() throws {
        let program = GraphProgram(definition)
        var machine = GraphMachine(program)
        let one = try #require(SourceName("one"))
        let first = machine.run([
            try packet([Day(back: 1, close: 10), Day(back: 2, close: 20)], source: one)
        ])
        #expect(
            shownValues(first.values) == [
                "market.history.high 2 21 ", "market.history.low 2 19 ",
                "market.history.close 2 20 ", "market.history.high 1 11 ",
                "market.history.low 1 9 ", "market.history.close 1 10 ",
            ])
        machine = try machine.restored()
        let again = machine.run([
            try packet([Day(back: 1, close: 10), Day(back: 2, close: 20)], source: one)
        ])
        #expect(again.values.isEmpty)
        let manual = machine.run([try packet([Day(back: 2, close: 30)], source: .manual)])
        #expect(
            shownValues(manual.values) == [
                "market.history.high 2 31 again", "market.history.low 2 29 again",
                "market.history.close 2 30 again",
            ])
        machine.passOnAgain()
        #expect(machine.run([try packet([], source: one)]).values.count == 6)
    }

    @Test("a graph that does not ask for days passes none on")
    func notAsked() throws {
        var plain = definition
        plain.nodes.removeLast()
        var machine = GraphMachine(GraphProgram(plain))
        let one = try #require(SourceName("one"))
        let output = machine.run([try packet([Day(back: 1, close: 10)], source: one)])
        #expect(output.values.isEmpty)
        #expect(GraphProgram(plain).isPlain)
        #expect(!GraphProgram(definition).isPlain)
    }

    // MARK: over all partitions

    private func packet(_ partition: Int) throws -> PublishedPacket {
        PublishedPacket(
            partition: partition, series: try #require(SeriesName("1s")), width: Self.second)
    }

    private func time(_ second: Int64) -> Timestamp {
        Timestamp(nanoseconds: Self.today + second * Self.second)
    }

    /// Returns what a partition publishes, in packets of `each` values.
    private func published(_ output: GraphOutput, each: Int) throws -> [SealedPacket] {
        let symbol = try ofTest("A")
        var packets: [SealedPacket] = []
        var values = output.values[...]
        repeat {
            var packet = try packet(0)
            for value in values.prefix(each) {
                packet.add(
                    value.name, value.value, from: value.periodStart, to: value.periodEnd,
                    of: symbol)
            }
            values = values.dropFirst(each)
            if values.isEmpty { for bar in output.bars { packet.add(bar, of: symbol) } }
            packets.append(packet.sealed(watermark: time(values.isEmpty ? 60 : -1)))
        } while !values.isEmpty
        return packets
    }

    @Test("breadth is right on the first day, wherever packets end", arguments: [1, 2, 3, 6, 9])
    func firstDay(each: Int) throws {
        var machine = GraphMachine(GraphProgram(definition))
        let one = try #require(SourceName("one"))
        let output = machine.run([
            try packet(
                [Day(back: 1, close: 10), Day(back: 2, close: 20), Day(back: 3, close: 90)],
                trades: [12, 22, 9], source: one, watermark: Self.today + 60 * Self.second)
        ])
        #expect(output.bars.count == 3)
        let program = try #require(UniverseProgram(definition, partitions: 1))
        var universe = UniverseMachine(program)
        var values: [IndicatorValue] = []
        for packet in try published(output, each: each) {
            let isSame = try universe.restore()
            #expect(isSame)
            packet.withBytes { universe.take(packet.header, $0, into: &values) }
        }
        let found = values.filter { !$0.name.hasSuffix(".symbols") }.map {
            "\($0.name) \($0.value / 1_000_000_000)"
        }
        #expect(
            found == [
                "market.advance_decline 1", "market.new_highs_2 0", "market.advance_decline 1",
                "market.new_highs_2 1", "market.advance_decline -1", "market.new_highs_2 1",
            ])
    }

    // MARK: stalled partitions

    private func bars(_ partition: Int, at second: Int64, until: Int64) throws -> SealedPacket {
        var packet = try packet(partition)
        packet.add(
            Bar(
                from: time(second).nanoseconds, to: time(second + 1).nanoseconds, price: 5),
            of: try ofTest("S\(partition)"))
        return packet.sealed(watermark: time(until))
    }

    @Test("a bar that several nodes take waits once")
    func waitsOnce() throws {
        var graph = definition
        for name in ["second", "third"] {
            var node = try #require(graph.nodes.last)
            node.name = name
            graph.nodes.append(node)
        }
        let program = try #require(UniverseProgram(graph, partitions: 2))
        #expect(program.nodes.count == 3)
        var universe = UniverseMachine(program, waitingBarsMax: 10)
        var values: [IndicatorValue] = []
        for second in 0..<11 as Range<Int64> {
            #expect(universe.leftOut.isEmpty, "\(second)")
            let packet = try bars(0, at: second, until: second + 1)
            packet.withBytes { universe.take(packet.header, $0, into: &values) }
        }
        #expect(universe.leftOut == [1])
    }

    @Test("a partition that stands is left out once too much waits, flagged, and comes back")
    func leftOut() throws {
        let program = try #require(UniverseProgram(definition, partitions: 2))
        var universe = UniverseMachine(program, waitingBarsMax: 10)
        func take(_ packet: SealedPacket) -> [IndicatorValue] {
            var values: [IndicatorValue] = []
            packet.withBytes { universe.take(packet.header, $0, into: &values) }
            return values.filter { $0.name == "market.advance_decline" }
        }
        #expect(take(try bars(1, at: 0, until: 1)).isEmpty)
        #expect(take(try bars(0, at: 0, until: 1)).map(\.header.flags) == [[]])
        for second in 1..<11 as Range<Int64> {
            #expect(take(try bars(0, at: second, until: second + 1)).isEmpty, "\(second)")
        }
        let without = take(try bars(0, at: 11, until: 12))
        #expect(without.count == 11)
        #expect(without.allSatisfy { $0.header.flags == .partial })
        #expect(universe.leftOut == [1])
        #expect(universe.openWindows < 11)
        let still = take(try bars(0, at: 12, until: 13))
        #expect(still.map(\.header.flags) == [.partial])
        #expect(take(try bars(1, at: 12, until: 13)).count == 0)
        #expect(universe.leftOut.isEmpty)
        #expect(take(try bars(0, at: 13, until: 14)).isEmpty, "it is waited for again")
        #expect(take(try bars(1, at: 13, until: 14)).last?.header.flags == [])
    }
}
