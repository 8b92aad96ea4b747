import MarketModel
import Primitives
import StreamCore
import TapeCodec
import Testing

@testable import OperatorGraph

@Suite("GraphRepair")
struct GraphRepairTests {
    /// A trade of a tape, with its later changes.
    private struct Deed {
        var symbol: String
        var time: Double
        var price: Double
        var id: UInt64
        var isBackfilled = false
        var isCancelled = false
        var correctedPrice: Double?
    }

    private func deeds(seed: UInt64) -> [Deed] {
        var random = SeededRandom(seed: seed)
        return (1...400).map { number in
            var deed = Deed(
                symbol: ["A", "B", "C"][Int.random(in: 0..<3, using: &random)],
                time: Double(Int.random(in: 0..<60_000, using: &random)) / 1_000,
                price: Double(Int.random(in: 80...120, using: &random)), id: UInt64(number))
            switch Int.random(in: 0..<10, using: &random) {
            case 0: deed.isCancelled = true
            case 1: deed.correctedPrice = Double(Int.random(in: 80...120, using: &random))
            case 2: deed.isBackfilled = true
            default: break
            }
            return deed
        }
    }

    /// Returns the packets in an order in which many trades are late. The changes come last.
    private func tape(_ deeds: [Deed], seed: UInt64) throws -> [SealedPacket] {
        var random = SeededRandom(seed: seed &+ 99)
        let order = deeds.sorted { $0.time < $1.time }.map {
            (deed: $0, at: $0.time + Double(Int.random(in: 0..<12_000, using: &random)) / 1_000)
        }.sorted { $0.at < $1.at }
        var tape = try GraphTape()
        for (index, (deed, now)) in order.enumerated() {
            try tape.trade(
                deed.symbol, at: deed.time, price: deed.price, id: deed.id,
                flags: deed.isBackfilled ? .backfilled : [])
            if index % 20 == 19 { tape.seal(watermark: now - 1) }
        }
        for deed in deeds where deed.isCancelled || deed.correctedPrice != nil {
            try tape.trade(
                deed.symbol, at: deed.time, price: deed.correctedPrice ?? deed.price, id: deed.id,
                action: deed.isCancelled ? .cancel : .correction)
        }
        tape.seal(watermark: 1_000)
        return tape.packets
    }

    /// Returns the tape as it would be if everything had been right from the start.
    private func ideal(_ deeds: [Deed]) throws -> [SealedPacket] {
        var tape = try GraphTape()
        for name in ["A", "B", "C"] { _ = try tape.symbol(name) }
        for deed in deeds.sorted(by: { $0.time < $1.time }) where !deed.isCancelled {
            try tape.trade(
                deed.symbol, at: deed.time, price: deed.correctedPrice ?? deed.price, id: deed.id)
        }
        tape.seal(watermark: 1_000)
        return tape.packets
    }

    private struct Key: Hashable {
        var series: UInt16
        var symbol: String
        var open: Timestamp
    }

    /// Returns the last version of each bar, without withdrawn ones.
    private func published(
        _ bars: [Bar], _ machine: GraphMachine
    ) -> [Key: [Int64]] {
        var published: [Key: [Int64]] = [:]
        for bar in bars {
            let key = Key(
                series: bar.series, symbol: machine.symbols.pair(at: bar.symbol).symbol.text,
                open: bar.openTime)
            published[key] =
                bar.flags.contains(.withdrawn)
                ? nil
                : [
                    bar.open.raw, bar.high.raw, bar.low.raw, bar.close.raw, bar.vwap.raw,
                    Int64(bar.trades), Int64(bar.volume),
                ]
        }
        return published
    }

    static func nodes() throws -> [GraphNode] {
        [
            try Nodes.bars("bars", .ticks(.trade), ["1s", "10s", "1m"]),
            Nodes.filter(
                "dear", .ticks(.trade), [.field(.price), .number(95_000_000_000), .greater]),
            try Nodes.bars(
                "some", .node(1),
                of: BarSeries("5s"),
                Nodes.series("slide", .sliding(width: 20_000_000_000, hop: 10_000_000_000))),
        ]
    }

    /// Each time both ways: from what the first pass kept, and from a second pass.
    private func repaired(
        _ machine: inout GraphMachine, _ ranges: [DirtyRange], _ packets: [SealedPacket]
    ) throws -> GraphOutput {
        var twin = machine
        let (few, kept) = try twin.repair(ranges, over: packets)
        let (output, repair) = try machine.repair(ranges, over: packets, keeping: 0)
        #expect(few.bars == output.bars)
        #expect(kept.taken == repair.taken)
        #expect(kept.unusedChanges == repair.unusedChanges)
        #expect(kept.taken > 0)
        return output
    }

    @Test(
        "of all of the time gives what a right tape would have given",
        arguments: [1, 2, 3, 4, 5, 6] as [UInt64])
    func equalsIdeal(seed: UInt64) throws {
        let deeds = deeds(seed: seed)
        let packets = try tape(deeds, seed: seed)
        var machine = try machine(try Self.nodes())
        let live = machine.run(packets)
        #expect(!live.late.isEmpty, "seed \(seed): nothing was late")
        let output = try repaired(&machine, machine.dirty(from: 0, to: 60), packets)
        var right = try OperatorGraphTests.machine(try Self.nodes())
        let expected = right.run(try ideal(deeds))
        let found = published(live.bars + output.bars, machine)
        #expect(found == published(expected.bars, right), "seed \(seed)")
        #expect(output.bars.allSatisfy { $0.reason == BarReason.repair.rawValue })
        #expect(machine.machineCounters.allSatisfy { $0.isBalanced })
    }

    /// Returns the same windows from ticks and from bars: `t10` and `t30` are made of one-second
    /// bars.
    private func twice() throws -> [GraphNode] {
        [
            try Nodes.bars("bars", .ticks(.trade), ["1s", "10s", "30s"]),
            try Nodes.resample(
                "ten", .node(0), from: "1s", of: BarSeriesSet([Nodes.seconds("t10", 10)])),
            try Nodes.resample(
                "thirty", .node(1), from: "t10", of: BarSeriesSet([Nodes.seconds("t30", 30)])),
        ]
    }

    @Test(
        "bars of bars are those of the ticks behind a repair",
        arguments: 1...12 as ClosedRange<UInt64>)
    func resampled(seed: UInt64) throws {
        let packets = try tape(deeds(seed: seed), seed: seed)
        var machine = try machine(try twice())
        var bars = machine.run(packets).bars
        bars += try repaired(&machine, machine.dirty(from: 0, to: 60), packets).bars
        let found = published(bars, machine)
        for (direct, made) in [(1, 3), (2, 4)] as [(UInt16, UInt16)] {
            let keys = found.keys.filter { $0.series == direct }
            #expect(keys.count > 3, "seed \(seed)")
            for key in keys {
                var other = key
                other.series = made
                #expect(found[other] == found[key], "seed \(seed)")
            }
        }
    }

    @Test("a bust reaches the coarse windows, whose other fine bars stay in them")
    func bustOfFine() throws {
        var machine = try machine(try twice())
        var tape = try GraphTape()
        for second in 0..<10 {
            try tape.trade(
                "A", at: Double(second) + 0.5, price: Double(10 + second), id: UInt64(second + 1))
        }
        tape.seal(watermark: 100)
        try tape.trade("A", at: 9.5, price: 19, id: 10, action: .cancel)
        tape.seal(watermark: 101)
        let live = machine.run(tape.packets)
        #expect(live.bars.filter { $0.series == 3 }.map(\.trades) == [10])
        let output = try repaired(&machine, live.dirty, tape.packets)
        let last = output.bars.filter { $0.series > 0 }
        #expect(last.map(\.series) == [1, 2, 3, 4])
        #expect(last.map(\.trades) == [9, 9, 9, 9])
        #expect(last.map(\.close) == Array(repeating: Price(raw: 18_000_000_000), count: 4))
        #expect(last.map(\.reason) == Array(repeating: BarReason.bust.rawValue, count: 4))
        let fine = output.bars.filter { $0.series == 0 }
        #expect(fine.map(\.flags) == [[.final, .withdrawn]])
    }

    @Test("a window whose last trade was taken back is withdrawn, in bars and in aggregates")
    func withdrawn() throws {
        let rule = BarRule(series: try BarSeriesSet(["1s"]))
        var machine = try machine([
            Nodes.bars("bars", .ticks(.trade), rule),
            Nodes.numbers("v", .ticks(.trade), rule, [.last, .count]),
        ])
        var tape = try GraphTape()
        try tape.trade("A", at: 0.5, id: 1)
        tape.seal(watermark: 10)
        try tape.trade("A", at: 0.5, id: 1, action: .cancel)
        tape.seal(watermark: 11)
        let live = machine.run(tape.packets)
        let output = try repaired(&machine, live.dirty, tape.packets)
        #expect(output.bars.map(\.flags) == [[.final, .withdrawn]])
        #expect(output.bars.map(\.reason) == [BarReason.bust.rawValue])
        #expect(output.values.map(\.value) == [IndicatorValue.undefined, 0])
        #expect(output.values.allSatisfy { $0.reason == BarReason.bust.rawValue })
    }

    @Test("what people put there counts as the symbol's own in a repair")
    func manual() throws {
        var machine = try machine([try Nodes.bars("bars", .ticks(.trade), ["1s"])])
        var tape = try GraphTape()
        try tape.trade("A", at: 0.5, price: 10, id: 1)
        tape.seal(watermark: 10)
        var people = GraphTape(.manual)
        try people.trade("A", at: 0.7, price: 30, id: 2, flags: .backfilled)
        try people.request("A", from: 0, to: 1)
        people.seal(watermark: 0)
        let packets = tape.packets + people.packets
        let live = machine.run(packets)
        #expect(live.bars.map(\.trades) == [1])
        let output = try repaired(&machine, live.dirty, packets)
        #expect(output.bars.map(\.trades) == [2])
        #expect(output.bars.map(\.close) == [Price(raw: 30_000_000_000)])
    }

    @Test("a duplicate stays one in a repair, whose stages are warmed")
    func warmed() throws {
        var machine = try machine([
            Nodes.deduplicate("once", .ticks(.trade)), try Nodes.bars("bars", .node(0), ["1s"]),
        ])
        var tape = try GraphTape()
        try tape.trade("A", at: 0.5, id: 1)
        try tape.trade("A", at: 2.5, id: 1)
        try tape.trade("A", at: 2.7, id: 2)
        tape.seal(watermark: 20)
        try tape.request("A", from: 2, to: 3)
        tape.seal(watermark: 20)
        let live = machine.run(tape.packets)
        let plan = try #require(machine.repairPlan(live.dirty))
        #expect(plan.windowsFrom == GraphTape.time(2))
        #expect(plan.from == GraphTape.time(-58))
        let output = try repaired(&machine, live.dirty, tape.packets)
        #expect(output.bars.map(\.trades) == [1])
        #expect(output.late.isEmpty)
    }
}
