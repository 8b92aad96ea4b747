import MarketModel
import Primitives
import StreamCore
import TapeCodec
import Testing

@testable import OperatorGraph

/// The rest of a window after its last price was cancelled.
@Suite("Remainders of repairs")
struct RepairRemainderTests {
    /// Returns one-second bars and five-second bars made from them. Odd lots add only to the
    /// volume.
    private func nodes() throws -> [GraphNode] {
        var rule = BarRule(series: try BarSeriesSet(["1s"]))
        rule.oddLots = .volumeOnly(below: .size(Quantity(raw: 1_000_000_000)))
        return [
            Nodes.bars("fine", .ticks(.trade), rule),
            try Nodes.resample("coarse", .node(0), from: "1s", ["5s"]),
        ]
    }

    /// Returns the last version of each bar after the repair of cancelled trades.
    private func last(cancels ids: [UInt64]) throws -> [[Int64]: Bar] {
        var tape = try GraphTape()
        try tape.trade(at: 0.2, price: 10, size: 100, id: 1)
        try tape.trade(at: 0.4, price: 99, size: 3, id: 2)
        try tape.trade(at: 2.5, price: 12, size: 50, id: 3)
        tape.seal(watermark: 100)
        for id in ids {
            try tape.trade(at: id == 1 ? 0.2 : 2.5, id: id, action: .cancel)
        }
        tape.seal(watermark: 101)
        var machine = try machine(try nodes())
        let live = machine.run(tape.packets)
        let before = machine
        let (output, repair) = try machine.repair(
            live.dirty, over: tape.packets, onTape: live.bars)
        let needs = before.publishedRanges(of: repair)
        #expect(needs.map(\.series) == (ids.count == 1 ? [0] : [0, 0, 1]))
        var last: [[Int64]: Bar] = [:]
        for bar in live.bars + output.bars {
            let second = bar.openTime.nanoseconds - GraphTape.time(0).nanoseconds
            last[[Int64(bar.series), second / 1_000_000_000]] = bar
        }
        return last
    }

    @Test("volume without a price stays in the bars that are made of a withdrawn one")
    func volume() throws {
        let last = try last(cancels: [1])
        let fine = try #require(last[[0, 0]])
        #expect(fine.flags == [.final, .withdrawn] && fine.volume == 0)
        let coarse = try #require(last[[1, 0]])
        #expect(coarse.trades == 1 && coarse.volume == 53 * 100_000_000)
        #expect(coarse.excluded == Bar.Excluded(oddLot: 1, filter: 2))
        #expect(coarse.reason == BarReason.bust.rawValue)
    }

    @Test("a bar of bars is withdrawn when nothing sets a price in any of them")
    func withdrawn() throws {
        let last = try last(cancels: [1, 3])
        #expect(last.count == 3)
        #expect(last.values.allSatisfy { $0.flags == [.final, .withdrawn] })
    }
}
