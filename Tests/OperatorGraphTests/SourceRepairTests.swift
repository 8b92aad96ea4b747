import MarketModel
import Primitives
import StreamCore
import TapeCodec
import Testing

@testable import OperatorGraph

@Suite("Repairs of a symbol that several sources send")
struct SourceRepairTests {
    /// Returns bars as `<source> <series> <second> <trades>`, and `withdrawn` for the trades.
    private func text(_ bars: [Bar], _ machine: GraphMachine) -> [String] {
        bars.map { bar in
            let second = (bar.openTime.nanoseconds - GraphTape.time(0).nanoseconds) / 1_000_000_000
            let trades = bar.flags.contains(.withdrawn) ? "withdrawn" : "\(bar.trades)"
            let source = machine.symbols.pair(at: bar.symbol).source
            let series = machine.program.series[Int(bar.series)].name
            return "\(source) \(series) \(second) \(trades)"
        }.sorted()
    }

    /// The dirty ranges of all pairs from second 2 to 8.
    private func ranges(_ machine: GraphMachine, _ reason: BarReason) -> [DirtyRange] {
        machine.dirty(from: 2, to: 8, reason)
    }

    /// Returns a bar that the tape has.
    private func finalBar(_ symbol: UInt32, _ series: UInt16, _ seconds: Range<Double>) -> Bar {
        var bar = Bar(
            symbol: symbol, series: series, openTime: GraphTape.time(seconds.lowerBound),
            closeTime: GraphTape.time(seconds.upperBound))
        bar.flags = .final
        bar.trades = 1
        return bar
    }

    @Test("a requested repair withdraws bars under a source that sent no tick in their windows")
    func wrongSource() throws {
        let nodes = [
            try Nodes.bars("fine", .ticks(.trade), ["1s"]),
            try Nodes.resample("coarse", .node(0), from: "1s", ["5s"]),
        ]
        var one = try GraphTape("ibkr")
        try one.trade("SPY", at: 1.5)
        one.seal(watermark: 100)
        var other = try GraphTape("synthetic")
        for second in 0..<10 { try other.trade("SPY", at: Double(second) + 0.5) }
        other.seal(watermark: 100)
        let packets = one.packets + other.packets
        for reason in [BarReason.repair, .bust] {
            var machine = try machine(nodes)
            let live = machine.run(packets).bars
            // As if ticks of `synthetic` had been published under the name of `ibkr`. The bar of
            // second 9 is outside of the range.
            let wrong = [
                finalBar(0, 0, 3..<4), finalBar(0, 0, 9..<10), finalBar(0, 1, 5..<10),
            ]
            let found = try machine.repair(
                ranges(machine, reason), over: packets, onTape: live + wrong)
            let gone = text(found.output.bars, machine).filter { $0.hasSuffix("withdrawn") }
            #expect(
                gone == (reason == .repair ? ["ibkr 1s 3 withdrawn", "ibkr 5s 5 withdrawn"] : []))
            let mended = text(found.output.bars, machine).filter { !$0.hasSuffix("withdrawn") }
            #expect(
                mended == ["ibkr 5s 0 1"] + (2..<8).map { "synthetic 1s \($0) 1" }
                    + ["synthetic 5s 0 5", "synthetic 5s 5 5"])
        }
    }

    @Test("a cancel through another member of the group finds the trade")
    func groupedCancel() throws {
        let names = try ["ibkr-a", "ibkr-b", "ibkr"].map { try #require(SourceName($0)) }
        let groups = SourceGroups([
            SourceGroups.Group(name: names[2], members: Array(names.prefix(2)))
        ])
        var machine = GraphMachine(
            GraphProgram(
                GraphDefinition(
                    name: "test", nodes: [try Nodes.bars("bars", .ticks(.trade))],
                    groups: groups)))
        var first = try GraphTape("ibkr-a")
        try first.trade("SPY", at: 3.1, id: 7)
        try first.trade("SPY", at: 3.2, id: 8)
        first.seal(watermark: 4)
        var second = try GraphTape("ibkr-b")
        try second.trade("SPY", at: 30)
        try second.trade("SPY", at: 3.1, id: 7, action: .cancel)
        second.seal(watermark: 40)
        let packets = first.packets + second.packets
        let live = machine.run(packets)
        #expect(live.dirty.count == 1)
        let found = try machine.repair(live.dirty, over: packets, onTape: live.bars)
        #expect(text(found.output.bars, machine) == ["ibkr 1s 3 1"])
        #expect(found.repair.unusedChanges == 0)
    }

    @Test(
        "a person's ticks are the last ones of their nanosecond, whoever feeds the symbol",
        arguments: [0, KeptTicks.stepsMax])
    func lastOfTheirTime(keeping: Int) throws {
        let names = try ["b", "a", "us"].map { try #require(SourceName($0)) }
        var machine = GraphMachine(
            GraphProgram(
                GraphDefinition(
                    name: "test",
                    nodes: [
                        try Nodes.bars("bars", .ticks(.trade)),
                        try Nodes.bars(
                            "runs", .ticks(.trade),
                            of: Nodes.series("pause", .inactivity(gap: 5_000_000_000))),
                    ],
                    groups: SourceGroups([
                        SourceGroups.Group(name: names[2], members: Array(names.prefix(2)))
                    ]))))
        var packets: [SealedPacket] = []
        var people = GraphTape(.manual, of: names[2])
        // The feed changes between the two ticks of a person.
        for (name, price) in [("b", 10.0), ("a", 11)] {
            var tape = try GraphTape(name)
            for _ in 0..<4 { try tape.trade("SPY", at: 3.5, price: price) }
            tape.seal(watermark: 3)
            try people.trade("SPY", at: 3.5, price: price + 20)
            people.seal(watermark: 0)
            packets += tape.packets + people.packets.suffix(1)
        }
        var end = try GraphTape("a")
        end.seal(watermark: 100)
        packets += end.packets
        let live = machine.run(packets).bars
        let found = try machine.repair(
            ranges(machine, .backfill), over: packets, onTape: live, keeping: keeping)
        let ends = found.output.bars.map { "\($0.trades) \($0.open.raw) \($0.close.raw)" }
        #expect(ends == Array(repeating: "10 11000000000 31000000000", count: 2))
    }

    @Test("a person's cancel that names no source concerns the trade of each source")
    func unnamedCancel() throws {
        var machine = try machine([try Nodes.bars("bars", .ticks(.trade))])
        var packets: [SealedPacket] = []
        for name in ["ibkr", "synthetic"] {
            var tape = try GraphTape(name)
            try tape.trade("SPY", at: 3.1, id: 7)
            try tape.trade("SPY", at: 3.2, id: 8)
            tape.seal(watermark: 100)
            packets += tape.packets
        }
        var people = GraphTape(.manual)
        try people.trade("SPY", at: 3.1, id: 7, action: .cancel)
        people.seal(watermark: 100)
        packets += people.packets
        let live = machine.run(packets)
        #expect(live.dirty.map(\.symbol) == [0, 1])
        let found = try machine.repair(live.dirty, over: packets, onTape: live.bars)
        #expect(text(found.output.bars, machine) == ["ibkr 1s 3 1", "synthetic 1s 3 1"])
        #expect(found.repair.unusedChanges == 0)
    }

    @Test(
        "a person's tick that names no source belongs to the source of its provider, or to none",
        arguments: [0, KeptTicks.stepsMax])
    func unnamedTick(keeping: Int) throws {
        for (provider, trades, unassigned) in [
            ("broker", [2, 1], 0), ("market", [1, 2], 0), ("third", [1, 1], 1),
        ] {
            var machine = try machine([try Nodes.bars("bars", .ticks(.trade))])
            var packets: [SealedPacket] = []
            for (name, its) in [("ibkr", "broker"), ("synthetic", "market")] {
                var tape = try GraphTape(name, provider: its)
                try tape.trade("SPY", at: 3.1)
                tape.seal(watermark: 100)
                packets += tape.packets
            }
            var people = GraphTape(.manual, provider: provider)
            try people.trade("SPY", at: 3.5)
            // Outside of the range, so that no repair has to count it.
            try people.trade("SPY", at: 20)
            people.seal(watermark: 100)
            packets += people.packets
            let live = machine.run(packets).bars
            let found = try machine.repair(
                ranges(machine, .repair), over: packets, onTape: live, keeping: keeping)
            #expect(
                text(found.output.bars, machine) == [
                    "ibkr 1s 3 \(trades[0])", "synthetic 1s 3 \(trades[1])",
                ], "\(provider)")
            #expect(found.repair.unassigned == UInt64(unassigned), "\(provider)")
        }
    }

    @Test("a source that sends an hour late is judged by its own time, also in a repair")
    func ownTime() throws {
        let nodes = [
            Nodes.throttle("slow", .ticks(.trade), count: 1, per: 10_000_000_000),
            try Nodes.bars("bars", .node(0)),
        ]
        var live = try GraphTape("ibkr")
        try live.trade("SPY", at: 3_600)
        live.seal(watermark: 3_600)
        var drained = try GraphTape("synthetic")
        for second in [2.5, 3.5, 12.5, 13.5, 22.5] { try drained.trade("SPY", at: second) }
        drained.seal(watermark: 40)
        // It came in the same ten seconds as the first one, after that one.
        try drained.trade("SPY", at: 5.5, received: 50, flags: .backfilled)
        drained.seal(watermark: 50)
        let packets = live.packets + drained.packets
        var machine = try machine(nodes)
        let first = machine.run(packets).bars
        #expect(
            text(first, machine) == [
                "synthetic 1s 12 1", "synthetic 1s 2 1", "synthetic 1s 22 1",
            ])
        let found = try machine.repair(
            ranges(machine, .repair), over: packets, onTape: first)
        #expect(text(found.output.bars, machine) == ["synthetic 1s 2 1"])
    }
}
