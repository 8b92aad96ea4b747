import MarketModel
import Primitives
import StreamCore
import TapeCodec
import Testing

@testable import OperatorGraph

@Suite("Odd lots below the symbol's lot") struct LotTests {
    /// Returns one-second bars.
    private func bars(_ rule: OddLotRule, _ windows: [WindowRule] = []) throws -> GraphNode {
        let counted = try windows.enumerated().map { try Nodes.series("n\($0)", $1) }
        let series = counted.isEmpty ? try BarSeriesSet(["1s"]) : try BarSeriesSet(counted)
        return Nodes.bars("bars", .ticks(.trade), BarRule(series: series, oddLots: rule))
    }

    private func graph(_ node: GraphNode) -> GraphMachine {
        GraphMachine(GraphProgram(GraphDefinition(name: "lots", nodes: [node])))
    }

    @Test("the lot of the trade's packet counts, from its date on; without one it is 100")
    func dates() throws {
        var machine = graph(try bars(.volumeOnly(below: .lot)))
        var tape = try GraphTape()
        // Nothing is stated.
        try tape.trade(at: 0.1, price: 10, size: 100)
        try tape.trade(at: 0.2, price: 20, size: 99)
        // 40 from second 2 on, 10 before, also for a trade that comes later.
        try tape.state(lot: 40, from: 2, before: 10)
        try tape.trade(at: 1.1, price: 10, size: 10)
        try tape.trade(at: 1.2, price: 20, size: 9)
        try tape.trade(at: 2, price: 10, size: 40)
        try tape.trade(at: 2.1, price: 20, size: 39)
        try tape.trade(at: 1.9, price: 11, size: 39)
        // Another list, and none at last.
        try tape.state(lot: 300)
        try tape.trade(at: 3.1, price: 10, size: 300)
        try tape.trade(at: 3.2, price: 20, size: 299)
        try tape.state(lot: nil)
        try tape.trade(at: 4.1, price: 10, size: 100)
        try tape.trade(at: 4.2, price: 20, size: 99)
        tape.seal(watermark: 10)
        let found = machine.run(tape.packets).bars
        #expect(found.map(\.trades) == [1, 2, 1, 1, 1])
        #expect(found.map(\.excluded.oddLot) == [1, 1, 1, 1, 1])
        #expect(found.map { $0.high.raw / 1_000_000_000 } == [10, 11, 10, 10, 10])
        let volumes = found.map { Int64($0.volume / 100_000_000) }
        #expect(volumes == [199, 58, 79, 599, 199])
    }

    @Test("windows by number and by pauses, and numbers with weight one, have the same rule")
    func otherMachines() throws {
        var tape = try GraphTape()
        try tape.state(lot: 40)
        for (index, size) in [39, 40, 39, 41].enumerated() {
            try tape.trade(at: Double(index) / 10, price: Double(index), size: Double(size))
        }
        tape.seal(watermark: 100)
        for window in [WindowRule.ticks(2), .inactivity(gap: 5_000_000_000)] {
            var machine = graph(try bars(.exclude(below: .lot), [window]))
            let found = machine.run(tape.packets).bars
            #expect(found.map(\.trades) == [2], "\(window)")
            #expect(found.map { $0.high.raw / 1_000_000_000 } == [3], "\(window)")
        }
        let rule = BarRule(series: try BarSeriesSet(["1s"]), oddLots: .exclude(below: .lot))
        var machine = graph(Nodes.numbers("round", .ticks(.trade), rule, [.count, .mean]))
        let values = machine.run(tape.packets).values.map { $0.value / 1_000_000_000 }
        #expect(values == [2, 2])
    }
}
