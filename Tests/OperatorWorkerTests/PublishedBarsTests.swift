import MarketModel
import OperatorGraph
import Primitives
import StreamCore
import TapeCodec
import Testing

@testable import OperatorWorker

@Suite("Bars that are read back for a repair")
struct PublishedBarsTests {
    private static let second: Int64 = 1_000_000_000

    private func definition() throws -> SymbolDefinition {
        SymbolDefinition(
            symbol: try #require(Symbol("A")), provider: "", since: .undefined,
            source: SourceName("test"))
    }

    /// A machine of bars of a second that knows the symbol.
    private func machine() throws -> GraphMachine {
        let rule = BarRule(series: try BarSeriesSet(["1s"]))
        var machine = GraphMachine(
            GraphProgram(
                GraphDefinition(
                    name: "test",
                    nodes: [
                        GraphNode(
                            name: "bars", input: .ticks(.trade),
                            operation: .bars(rule, calendar: nil))
                    ])))
        var builder = PacketBuilder(
            kind: .ticks, partition: Partition(0), source: try #require(SourceName("test")))
        let symbol = builder.register(try definition())
        let isIn = builder.append(
            Trade(
                header: TickHeader(
                    symbol: symbol, providerTime: Timestamp(nanoseconds: 0),
                    receiveTime: Timestamp(nanoseconds: 0)),
                price: Price(raw: 1), size: Quantity(raw: 1)))
        #expect(isIn)
        let packet = builder.seal(seal)
        var output = GraphOutput()
        let isTaken = packet.withBytes { machine.take(packet.header, $0, into: &output) }
        #expect(isTaken)
        return machine
    }

    private var seal: PacketBuilder.Seal {
        PacketBuilder.Seal(
            epoch: 1, firstOrdinal: 1, watermark: .undefined, sendTime: Timestamp(nanoseconds: 0))
    }

    @Test("of many ranges, also ones that overlap, each bar in one of them is kept")
    func ranges() throws {
        let machine = try machine()
        // Seconds.
        let ranges: [Range<Int64>] = [5..<7, 1..<2, 6..<8, 12..<13, 16..<17, 20..<21]
        let needs = ranges.map {
            PublishedRange(
                symbol: 0, series: 0, from: $0.lowerBound * Self.second,
                to: $0.upperBound * Self.second)
        }
        let bars = PublishedBars(needs, machine, lastOrdinal: 100)
        var found = try #require(bars)
        var builder = PacketBuilder(kind: .bars, partition: Partition(0), source: .operator)
        let symbol = builder.register(try definition())
        let series = builder.register(
            SeriesDefinition(
                name: try #require(SeriesName("1s")), widthNanoseconds: Self.second))
        for start in Int64(0)..<24 {
            let isIn = builder.append(
                Bar(
                    symbol: symbol, series: series,
                    openTime: Timestamp(nanoseconds: start * Self.second),
                    closeTime: Timestamp(nanoseconds: (start + 1) * Self.second)))
            #expect(isIn)
        }
        let packet = builder.seal(seal)
        packet.withBytes { found.take(packet.header, $0) }
        let starts = found.bars.map { $0.openTime.nanoseconds / Self.second }
        #expect(starts == [1, 5, 6, 7, 12, 16, 20])
        #expect(found.from == Timestamp(nanoseconds: Self.second))
    }
}
