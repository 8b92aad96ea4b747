import MarketModel
import Primitives
import StreamCore
import TapeCodec
import Testing

@testable import OperatorGraph

@Suite("A bar belongs to a symbol of one source")
struct SourceSymbolTests {
    /// Bars of a second, after a node that lets each price pass once.
    private func machine(_ groups: SourceGroups = SourceGroups()) throws -> GraphMachine {
        GraphMachine(
            GraphProgram(
                GraphDefinition(
                    name: "test",
                    nodes: [
                        Nodes.deduplicate("once", .ticks(.trade), key: [.price]),
                        try Nodes.bars("bars", .node(0)),
                    ], groups: groups)))
    }

    /// Returns each bar as `<source> <trades> <open>`, in the order of output.
    private func bars(_ machine: GraphMachine, _ output: GraphOutput) -> [String] {
        output.bars.map {
            let pair = machine.symbols.pair(at: $0.symbol)
            return "\(pair.source) \($0.trades) \($0.open.raw / 1_000_000_000)"
        }
    }

    private func tape(_ source: String, prices: [Double], watermark: Double) throws -> GraphTape {
        var tape = try GraphTape(source)
        for (index, price) in prices.enumerated() {
            try tape.trade("SPY", at: 0.1 + Double(index) / 10, price: price)
        }
        tape.seal(watermark: watermark)
        return tape
    }

    @Test("trades of two sources make two bars, and neither takes the other's for duplicates")
    func apart() throws {
        var machine = try machine()
        let real = try tape("ibkr", prices: [50, 51], watermark: 0)
        let play = try tape("synthetic", prices: [50, 11, 11], watermark: 2)
        var output = machine.run(real.packets + play.packets)
        #expect(bars(machine, output) == ["synthetic 2 50"], "its own watermark closes it")
        #expect(output.bars.allSatisfy { !$0.flags.contains(.mixedProviders) })
        output = machine.run(try tape("ibkr", prices: [], watermark: 2).packets)
        #expect(bars(machine, output) == ["ibkr 2 50"])
        #expect(try machine.restored().bytes == machine.bytes)
    }

    @Test("a person's record concerns the symbol of all sources, unless it names one")
    func people() throws {
        var machine = try machine()
        _ = machine.run(try tape("ibkr", prices: [50], watermark: 0).packets)
        _ = machine.run(try tape("synthetic", prices: [11], watermark: 0).packets)
        func requested(_ named: SourceName?) throws -> [String] {
            var builder = PacketBuilder(kind: .ticks, partition: Partition(0), source: .manual)
            let symbol = builder.register(
                SymbolDefinition(
                    symbol: try #require(Symbol("SPY")), provider: "", since: .undefined,
                    source: named))
            let outcome = builder.append(
                RepairRequest(
                    header: TickHeader(
                        symbol: symbol, providerTime: .undefined, receiveTime: GraphTape.time(1)),
                    from: GraphTape.time(0), to: GraphTape.time(1), reason: .repair,
                    requester: "test"))
            #expect(outcome == .appended)
            let packet = builder.seal(
                PacketBuilder.Seal(
                    epoch: 1, firstOrdinal: 1, watermark: .undefined,
                    sendTime: GraphTape.time(1)))
            return machine.run([packet]).dirty.map {
                machine.symbols.pair(at: $0.symbol).source.text
            }
        }
        #expect(try requested(nil) == ["ibkr", "synthetic"])
        #expect(try requested(SourceName("synthetic")) == ["synthetic"])
        #expect(try requested(SourceName("other")).isEmpty)
    }

    @Test("a gap of a source marks its own bars only")
    func gaps() throws {
        var machine = try machine()
        _ = machine.run(try tape("ibkr", prices: [50], watermark: 0).packets)
        _ = machine.run(try tape("synthetic", prices: [11], watermark: 0).packets)
        var gap = try GraphTape("ibkr")
        try gap.gap("SPY", from: 1, to: 3, state: .open)
        gap.seal(watermark: 0)
        let dirty = machine.run(gap.packets).dirty
        #expect(dirty.map { machine.symbols.pair(at: $0.symbol).source.text } == ["ibkr"])
    }
}
