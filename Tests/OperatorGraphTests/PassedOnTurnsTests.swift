import MarketModel
import Primitives
import StreamCore
import TapeCodec
import Testing

@testable import OperatorGraph

@Suite("Values that a packet has of several times") struct PassedOnTurnsTests {
    @Test("each is passed on, of those that were received at once the last period")
    func eachTime() throws {
        var machine = try machine(nodes())
        let output = machine.run([
            try packet([(1, 1, 1), (1, 2, 2), (2, 3, 3), (2, 2, 9), (3, 3, 3), (4, 3, 4)])
        ])
        let shown = output.values.map {
            let received = $0.periodStart.nanoseconds - GraphTape.time(0).nanoseconds
            return "\($0.name) \(received / 1_000_000_000) \($0.value)"
        }
        #expect(shown == ["real.rate 1 2", "real.rate 2 3", "real.rate 4 4"])
        #expect(output.values.allSatisfy { $0.reason == BarReason.closed.rawValue })
    }

    /// Returns a packet with values by the seconds of their receipt and of their period.
    private func packet(_ values: [(received: Double, period: Double, Int128)]) throws
        -> SealedPacket
    {
        var builder = PacketBuilder(
            kind: .ticks, partition: Partition(0), source: try #require(SourceName("one")))
        let symbol = builder.register(
            SymbolDefinition(
                symbol: try #require(Symbol("R")), provider: "test",
                since: Timestamp(nanoseconds: 0), source: nil))
        for (received, period, value) in values {
            let time = GraphTape.time(received)
            let outcome = builder.append(
                IndicatorValue(
                    header: TickHeader(symbol: symbol, providerTime: time, receiveTime: time),
                    name: "value", value: value, periodStart: GraphTape.time(period),
                    periodEnd: GraphTape.time(period + 1)))
            #expect(outcome == .appended)
        }
        return builder.seal(
            PacketBuilder.Seal(
                epoch: 1, firstOrdinal: 1, watermark: GraphTape.time(5),
                sendTime: GraphTape.time(5)))
    }

    private func nodes() throws -> [GraphNode] {
        let rate = Derivation.Indicator(
            alias: "rate", symbol: try #require(Symbol("R")), name: "value")
        let expression = TickExpression(
            text: "a.close - rate", instructions: [.input(0), .input(1), .subtract])
        let derivation = Derivation(
            inputs: [.bar(try #require(Symbol("A")), .close), .indicator(rate)])
        let series = try BarSeriesSet(["1m"])
        return [
            GraphNode(
                name: "bars", input: .ticks(.trade),
                operation: .bars(BarRule(series: series), calendar: nil)),
            GraphNode(
                name: "real", input: .ticks(.trade),
                operation: .scan(
                    ScanRule(
                        series: try #require(SeriesName("1m")), deriving: expression, derivation))),
        ]
    }
}
