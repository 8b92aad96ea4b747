import MarketModel
import Primitives
import StreamCore
import TapeCodec
import Testing

@testable import OperatorGraph

/// Trades with the quotes that were valid when they came.
@Suite("Joins") struct JoinTests {
    /// Returns the trades of each bar of a second, by `<series> <seconds>`.
    private func trades(_ scene: GraphScene) -> [String: UInt64] {
        scene.bars.mapValues(\.trades)
    }

    @Test("each trade is judged by the last quote before it on the tape")
    func quoteRule() throws {
        var scene = try GraphScene(try Nodes.signed())
        try scene.tape.trade(at: 0.5, price: 101)
        try scene.tape.quote(at: 1.1, bid: 99, ask: 101)
        for (place, price) in [101, 102, 99, 98, 100].enumerated() {
            try scene.tape.trade(at: 1.2 + Double(place) / 10, price: Double(price))
        }
        // This quote has an earlier time, and comes later.
        try scene.tape.quote(at: 0.9, received: 1.8, bid: 101, ask: 103)
        try scene.tape.trade(at: 2.5, price: 101)
        // Of another symbol.
        try scene.tape.trade("MSFT", at: 3.5, price: 101)
        try scene.advance(to: 20)
        #expect(
            trades(scene) == [
                "rest 0": 1, "buy 1": 2, "sell 1": 2, "rest 1": 1, "sell 2": 1, "rest 3": 1,
            ])
    }

    @Test("snapshots pair with nothing, and what is too old or one-sided has no such field")
    func lacking() throws {
        var scene = try GraphScene(try Nodes.signed())
        try scene.tape.quote(at: 0, bid: 99, ask: 101, flags: .snapshot)
        try scene.tape.trade(at: 0.5, price: 101)
        try scene.tape.quote(at: 1, bid: 99, ask: 101, flags: .conflated)
        try scene.tape.trade(at: 6, price: 101)
        try scene.tape.trade(at: 6.1, price: 101)
        try scene.advance(to: 20)
        #expect(trades(scene) == ["rest 0": 1, "buy 6": 1, "rest 6": 1])
        var machine = try machine(try Nodes.signed())
        _ = machine.run(scene.tape.packets)
        var expected = JoinCounters()
        (expected.paired, expected.conflated, expected.alone) = (1, 1, 2)
        #expect(machine.joined == expected)
    }

    @Test("a join takes the quotes that its own nodes let through, and others see all")
    func filtered() throws {
        let tight = Nodes.filter(
            "tight", .ticks(.quote),
            [.field(.ask), .field(.bid), .subtract, .number(3_000_000_000), .less])
        var nodes = try Nodes.signed(from: [tight])
        nodes.append(
            Nodes.bars(
                "quoted", .ticks(.quote),
                BarRule(series: try BarSeriesSet([Nodes.seconds("quoted", 1)]), field: .bid)))
        var scene = try GraphScene(nodes)
        try scene.tape.quote(at: 1, bid: 99, ask: 101)
        try scene.tape.quote(at: 1.1, bid: 90, ask: 110)
        try scene.tape.trade(at: 1.2, price: 101)
        try scene.advance(to: 20)
        #expect(trades(scene) == ["buy 1": 1, "quoted 1": 2])
    }

    @Test("the quote is forgotten when another member of the group feeds the symbol")
    func members() throws {
        let names = try ["a", "b"].map { try #require(SourceName($0)) }
        let group = SourceGroups([
            SourceGroups.Group(name: try #require(SourceName("both")), members: names)
        ])
        var machine = GraphMachine(
            GraphProgram(
                GraphDefinition(name: "test", nodes: try Nodes.signed(), groups: group)))
        var (first, second) = (GraphTape(names[0]), GraphTape(names[1]))
        try first.quote(at: 1, bid: 99, ask: 101)
        try first.trade(at: 1.5, price: 101)
        first.seal(watermark: 1.6)
        try second.trade(at: 2.5, price: 101)
        try second.quote(at: 2.6, bid: 99, ask: 101)
        try second.trade(at: 3.5, price: 101)
        second.seal(watermark: 3.6)
        try first.trade(at: 4.5, price: 101)
        first.seal(watermark: 4.6)
        try first.trade(at: 5.5, price: 101)
        first.seal(watermark: 30)
        let packets = [
            first.packets[0], second.packets[0], first.packets[1], first.packets[2],
        ]
        var live: [Bar] = []
        for packet in packets {
            live += machine.run([packet]).bars
            machine = try machine.restored()
        }
        func count(_ series: UInt16) -> Int { live.count { $0.series == series } }
        #expect([count(0), count(1), count(2)] == [2, 0, 3])
        // A repair moves the symbol at the same places of the tape.
        for keeping in [0, KeptTicks.stepsMax] {
            var copy = machine
            let mended = try copy.repair(
                machine.dirty(from: 0, to: 10), over: packets, onTape: live, keeping: keeping)
            #expect(mended.output.bars.map(\.withoutReason) == live.inOrder.map(\.withoutReason))
        }
    }

    @Test("a fetched quote counts for its member, also when another one feeds the symbol today")
    func fetchedOfMember() throws {
        let names = try ["a", "b"].map { try #require(SourceName($0)) }
        let group = SourceGroups([
            SourceGroups.Group(name: try #require(SourceName("both")), members: names)
        ])
        var machine = GraphMachine(
            GraphProgram(
                GraphDefinition(name: "test", nodes: try Nodes.signed(), groups: group)))
        var (first, second) = (GraphTape(names[0]), GraphTape(names[1]))
        // The first definition of the other symbol comes after this, and after the quote's time.
        try first.trade("MSFT", at: 2.5)
        first.seal(watermark: 1)
        try first.trade(at: 3.5, price: 101)
        try first.quote(at: 2, received: 4, bid: 99, ask: 101, flags: .backfilled)
        first.seal(watermark: 4)
        try second.trade(at: 5.5, price: 101)
        second.seal(watermark: 30)
        let packets = first.packets + second.packets
        let live = machine.run(packets).bars
        for keeping in [0, KeptTicks.stepsMax] {
            var copy = machine
            let mended = try copy.repair(
                machine.dirty(from: 2, to: 10), over: packets, onTape: live, keeping: keeping)
            let bars = mended.output.bars.filter {
                $0.symbol == 1 && !$0.flags.contains(.withdrawn)
            }
            let found = bars.map { "\($0.series) \($0.openTime)" }
            #expect(
                found == ["0 \(GraphTape.time(3))", "2 \(GraphTape.time(5))"],
                "\(mended.output.bars)")
        }
    }

    @Test(
        "a gap of quotes makes trades partial that they might have been paired with, until filled")
    func gaps() throws {
        var scene = try GraphScene(try Nodes.signed(maxAge: 2_000_000_000))
        scene.readsBack = true
        for second in 0..<9 {
            if !(3..<5).contains(second) {
                try scene.tape.quote(at: Double(second), bid: 99, ask: 101)
            }
            try scene.tape.trade(at: Double(second) + 0.5, price: 101)
        }
        try scene.advance(to: 20)
        let all = (0..<9).map { $0 == 4 ? "rest 4" : "buy \($0)" }.sorted()
        #expect(scene.bars.keys.sorted() == all && scene.partialBars.isEmpty)
        try scene.tape.gap("AAPL", from: 3, to: 5, state: .open, kind: .quote)
        try scene.advance(to: 21)
        // The quote of 4.9 would have counted up to 6.9.
        #expect(scene.partialBars == ["buy 3", "buy 5", "buy 6", "rest 4"])
        // A repair for another reason changes nothing of that.
        try scene.tape.request("AAPL", from: 2, to: 7)
        try scene.advance(to: 22)
        #expect(scene.partialBars == ["buy 3", "buy 5", "buy 6", "rest 4"])
        try scene.tape.quote(
            at: 3, received: 22.5, bid: 101, ask: 103, flags: .backfilled)
        try scene.tape.quote(at: 4, received: 22.5, bid: 99, ask: 101, flags: .backfilled)
        try scene.tape.gap("AAPL", from: 3, to: 5, state: .filled, kind: .quote)
        try scene.advance(to: 23)
        #expect(scene.partialBars.isEmpty)
        #expect(
            scene.bars.keys.sorted()
                == (0..<9).map { $0 == 3 ? "sell 3" : "buy \($0)" }.sorted())
    }

    @Test("where quotes were not received before, trades are partial for the age of a quote")
    func beginnings() throws {
        var scene = try GraphScene(try Nodes.signed(maxAge: 2_000_000_000))
        try scene.tape.begin("AAPL", since: 1)
        for second in 1..<5 { try scene.tape.trade(at: Double(second) + 0.5) }
        try scene.advance(to: 20)
        #expect(scene.partialBars == ["rest 1", "rest 2"])
        try scene.tape.trade(at: 31.5)
        try scene.tape.begin("AAPL", since: 31.7)
        for second in [32.5, 33.5, 34.5] { try scene.tape.trade(at: second) }
        try scene.advance(to: 60)
        let partial = ["rest 1", "rest 2", "rest 31", "rest 32", "rest 33"]
        #expect(scene.partialBars == partial)
        try scene.tape.request("AAPL", from: 0, to: 40)
        try scene.advance(to: 61)
        #expect(scene.partialBars == partial)
    }

    @Test("that a subscription begins often makes no gap between two beginnings")
    func manyBeginnings() throws {
        var scene = try GraphScene(try Nodes.signed(maxAge: 2_000_000_000))
        // One each hour, and more than the tables hold.
        for hour in 0..<StreamLimits.missingStretchesMax + 6 {
            let start = Double(hour) * 3_600
            try scene.tape.begin("AAPL", since: start)
            try scene.tape.trade(at: start + 100.5)
            try scene.advance(to: start + 200)
        }
        #expect(scene.partialBars.isEmpty)
        try scene.tape.request("AAPL", from: 0, to: 7_000)
        try scene.advance(to: 260_000)
        #expect(scene.partialBars.isEmpty)
    }

    @Test("only a gap on record says that ticks of a bar are missing")
    func recorded() throws {
        var tape = try GraphTape()
        try tape.quote(at: 10, bid: 99, ask: 101)
        try tape.trade(at: 10.5, price: 101)
        tape.seal(watermark: 12)
        try tape.begin("AAPL", since: 10.7)
        // It makes another version of a bar that was closed when the subscription began again.
        try tape.trade(at: 10.6, price: 101)
        tape.seal(watermark: 13)
        try tape.gap("AAPL", from: 9, to: 10, state: .open, kind: .quote)
        tape.seal(watermark: 14)
        var machine = try machine(try Nodes.signed())
        let bars = machine.run(Array(tape.packets[..<2])).bars
        #expect(bars.map(\.trades) == [1, 2])
        let flagged = bars.count { $0.flags.contains(.partial) || machine.missesTicks($0) }
        #expect(flagged == 0)
        _ = machine.run([tape.packets[2]])
        let missing = bars.count { machine.missesTicks($0) }
        #expect(missing == 2)
    }

    @Test("a repair with more fetched ticks than it can place is refused")
    func refused() throws {
        var tape = try GraphTape()
        try tape.trade(at: 1, price: 101)
        tape.seal(watermark: 20)
        for second in [0.1, 0.2, 0.3] {
            try tape.quote(at: second, received: 30, bid: 99, ask: 101, flags: .backfilled)
        }
        tape.seal(watermark: 31)
        for (nodes, refuses) in [
            (try Nodes.signed(), true),
            (
                [
                    Nodes.throttle("slow", .ticks(.quote), count: 1, per: 1_000_000_000),
                    try Nodes.bars(
                        "quoted", .node(0), ["1s"], field: .bid),
                    try Nodes.bars("bars", .ticks(.trade), ["5s"]),
                ], false
            ),
        ] {
            var machine = try machine(nodes)
            _ = machine.run(tape.packets)
            for (room, unplaced) in [(3, 0), (2, 1)] as [(Int, UInt64)] {
                var repair = try #require(
                    GraphRepair(
                        machine, machine.dirty(from: 0, to: 10),
                        keepingAtMost: KeptTicks.stepsMax, placingAtMost: room))
                for packet in tape.packets {
                    packet.withBytes { repair.note(packet.header, $0) }
                }
                #expect(repair.unplaced == unplaced)
                #expect(repair.mispairs == (refuses && unplaced > 0))
            }
        }
    }

    @Test("what was fetched for other symbols takes no place, unless another node remembers ticks")
    func fetchedForOthers() throws {
        var tape = try GraphTape()
        try tape.quote(at: 1, bid: 99, ask: 101)
        try tape.trade(at: 1.5, price: 101)
        for second in [1.1, 1.2, 1.3] {
            try tape.quote(
                "MSFT", at: second, received: 2, bid: 99, ask: 101, flags: .backfilled)
        }
        tape.seal(watermark: 20)
        let slow = [Nodes.throttle("slow", .ticks(.quote), count: 9, per: 1_000_000_000)]
        for (nodes, unplaced) in [
            (try Nodes.signed(), 0), (try Nodes.signed(from: slow), 3),
        ] as [([GraphNode], UInt64)] {
            var machine = try machine(nodes)
            let live = machine.run(tape.packets).bars
            var repair = try #require(
                GraphRepair(
                    machine, machine.dirty(from: 0, to: 10, of: 0..<1),
                    keepingAtMost: KeptTicks.stepsMax, placingAtMost: 0))
            for packet in tape.packets { packet.withBytes { repair.note(packet.header, $0) } }
            #expect(repair.unplaced == unplaced)
            let readsAgain = repair.endFirstPass()
            #expect(!readsAgain)
            var output = GraphOutput()
            machine.absorb(repair, published: live, into: &output)
            #expect(output.bars.map(\.series) == [0])
        }
    }

    @Test("what was fetched for a time long before a repair takes no place, and pairs with nothing")
    func fetchedForAnotherDay() throws {
        var tape = try GraphTape()
        try tape.quote(at: 1, bid: 99, ask: 101)
        try tape.trade(at: 1.5, price: 101)
        try tape.quote(at: -4_000, received: 3, bid: 101, ask: 103, flags: .backfilled)
        try tape.trade(at: 3.5, price: 101)
        tape.seal(watermark: 20)
        var machine = try machine(try Nodes.signed())
        let live = machine.run(tape.packets).bars
        #expect(live.map(\.series) == [0, 0])
        for keeping in [0, KeptTicks.stepsMax] {
            var repair = try #require(
                GraphRepair(
                    machine, machine.dirty(from: 0, to: 10), keepingAtMost: keeping,
                    placingAtMost: 0))
            for packet in tape.packets { packet.withBytes { repair.note(packet.header, $0) } }
            #expect(!repair.mispairs)
            if repair.endFirstPass() {
                for packet in tape.packets { packet.withBytes { repair.take(packet.header, $0) } }
            }
            var (copy, output) = (machine, GraphOutput())
            copy.absorb(repair, published: live, into: &output)
            #expect(output.bars.map(\.series) == [0, 0])
        }
    }

    @Test("what a repair has to read reaches back by the age of a quote and by what quotes passed")
    func warmUp() throws {
        let second: Int64 = 1_000_000_000
        let nodes = try Nodes.signed(
            from: [
                Nodes.throttle("calm", .ticks(.quote), count: 1, per: 3 * second)
            ], maxAge: 4 * second)
        let program = GraphProgram(GraphDefinition(name: "test", nodes: nodes))
        #expect(program.plan.warmUp([]) == 7 * second)
        #expect(program.plan.quotes.isUsed && program.plan.remembers && !program.isPlain)
    }
}

extension Bar {
    fileprivate var withoutReason: Bar {
        var bar = self
        bar.reason = 0
        return bar
    }
}

extension [Bar] {
    /// The bars in the order in which a repair publishes them.
    fileprivate var inOrder: [Bar] {
        sorted { ($0.series, $0.openTime) < ($1.series, $1.openTime) }
    }
}
