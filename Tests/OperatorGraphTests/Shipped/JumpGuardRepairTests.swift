import MarketModel
import OperatorGraph
import Primitives
import StreamCore
import TapeCodec
import Testing

@Suite("JumpGuard in repairs")
struct JumpGuardRepairTests {
    private static let second: Int64 = 1_000_000_000
    private static let start: Int64 = 1_700_000_040_000_000_000

    /// Returns a price each second, of which that of second 60 is an outlier.
    private func packets() throws -> [SealedPacket] {
        let source = try #require(SourceName("one"))
        var builder = PacketBuilder(kind: .ticks, partition: Partition(0), source: source)
        let symbol = builder.register(
            SymbolDefinition(
                symbol: try #require(Symbol("A")), provider: "test",
                since: Timestamp(nanoseconds: 0)))
        return try (0..<120).map { number in
            let time = Timestamp(nanoseconds: Self.start + Int64(number) * Self.second)
            let isIn = builder.append(
                Trade(
                    header: TickHeader(
                        symbol: symbol, providerTime: time, receiveTime: time,
                        providerID: UInt64(number + 1)),
                    price: Price(raw: number == 60 ? 900 : 100), size: Quantity(raw: 1)))
            try #require(isIn)
            return builder.seal(
                PacketBuilder.Seal(
                    epoch: 1, firstOrdinal: UInt64(number + 1), watermark: time, sendTime: time))
        }
    }

    private func program(warmUp: String) throws -> GraphProgram {
        try GraphProgram(
            GraphDefinition(
                name: "guarded",
                nodes: [
                    GraphNode(
                        name: "guard", input: .ticks(.trade),
                        operation: .custom(
                            name: "jump-guard",
                            settings: [GraphSetting(name: "warm_up", value: warmUp)])),
                    GraphNode(
                        name: "bars", input: .node(0),
                        operation: .bars(BarRule(series: try BarSeriesSet(["5s"])), calendar: nil)),
                ]), operators: .ofThisProgram)
    }

    /// Returns highs and numbers of trades in the first 5 s of the second minute: as published, and
    /// as computed again.
    private func bars(warmUp: String) throws -> (live: [Bar], again: [Bar]) {
        let packets = try packets()
        var machine = GraphMachine(try program(warmUp: warmUp))
        var output = GraphOutput()
        for packet in packets {
            packet.withBytes { _ = machine.take(packet.header, $0, into: &output) }
        }
        let from = Self.start + 60 * Self.second
        let live = output.bars.filter { $0.openTime.nanoseconds == from }
        output.removeAll()
        let range = DirtyRange(
            symbol: 0, from: from, to: from + Self.second, reason: BarReason.repair.rawValue)
        var repair = try #require(GraphRepair(machine, [range]))
        for packet in packets where packet.header.watermark >= repair.plan.from {
            packet.withBytes { repair.note(packet.header, $0) }
        }
        let isReadAgain = repair.endFirstPass()
        #expect(!isReadAgain)
        machine.absorb(repair, into: &output)
        return (live, output.bars)
    }

    @Test("a window that is computed again is the one that was published")
    func warmed() throws {
        let (live, again) = try bars(warmUp: "30")
        #expect(live.map(\.high) == [Price(raw: 100)])
        #expect(again.map(\.high) == live.map(\.high))
        #expect(again.map(\.trades) == live.map(\.trades) && live.map(\.trades) == [4])
    }

    @Test("without a warm-up the first price would be taken for the usual one")
    func cold() throws {
        let (_, again) = try bars(warmUp: "0")
        #expect(again.map(\.high) == [Price(raw: 900)])
    }
}
