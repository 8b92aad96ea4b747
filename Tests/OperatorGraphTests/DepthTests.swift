import MarketModel
import Primitives
import StreamCore
import TapeCodec
import Testing

@testable import OperatorGraph

/// Numbers of books, from the changes of their rows.
@Suite("Depth") struct DepthTests {
    private func nodes() throws -> [GraphNode] {
        try Nodes.books([("mid", .bookMiddle), ("micro", .microprice), ("share", .imbalance)])
    }

    /// Returns open, high, low and close of a bar in billionths, and its changes.
    private func numbers(_ bar: Bar?) -> [Int64]? {
        bar.map { [$0.open, $0.high, $0.low, $0.close].map(\.raw) + [Int64($0.trades)] }
    }

    private static let unit: Int64 = 1_000_000_000

    @Test("rows of one time are one change, whose book has exact numbers")
    func changes() throws {
        var scene = try GraphScene(try nodes())
        try scene.tape.trade("MSFT", at: 0.9)
        try scene.tape.book(at: 1, bids: [(100, 2), (99, 4), (98, 9)], asks: [(102, 6)])
        // In between, the bid is above the ask.
        try scene.tape.row(at: 1.5, .bid, 0, .update, price: 103, size: 2)
        try scene.tape.row(at: 1.5, .ask, 0, .update, price: 105, size: 1)
        // A trade of another symbol does not end a change.
        try scene.tape.row(at: 1.6, .bid, 0, .update, price: 110, size: 2)
        try scene.tape.trade("MSFT", at: 1.6)
        try scene.tape.row(at: 1.6, .ask, 0, .update, price: 112, size: 2)
        try scene.advance(to: 20)
        let unit = Self.unit
        #expect(
            numbers(scene.bars["mid 1"]) == [101 * unit, 111 * unit, 101 * unit, 111 * unit, 3])
        // 100 * 6 + 102 * 2 by 8; 103 + 105 * 2 by 3; 111.
        #expect(
            numbers(scene.bars["micro 1"])
                == [100_500_000_000, 111 * unit, 100_500_000_000, 111 * unit, 3])
        // 6 and 6; 6 and 1; 6 and 2: of two rows.
        #expect(
            numbers(scene.bars["share 1"]) == [0, 714_285_714, 0, 500_000_000, 3])
        #expect(scene.bars.count == 3 && scene.partialBars.isEmpty)
    }

    @Test("a definition, and the end of a packet, end a change")
    func ends() throws {
        var scene = try GraphScene(try nodes())
        try scene.tape.book(at: 1, bids: [(100, 1)], asks: [(102, 1)])
        try scene.tape.row(at: 1.5, .bid, 0, .update, price: 98)
        try scene.tape.trade("MSFT", at: 1.5)
        try scene.tape.row(at: 1.5, .bid, 0, .update, price: 96)
        try scene.advance(to: 1.5)
        try scene.tape.row(at: 1.5, .bid, 0, .update, price: 94)
        try scene.advance(to: 20)
        #expect(
            numbers(scene.bars["mid 1"])
                == [101 * Self.unit, 101 * Self.unit, 98 * Self.unit, 98 * Self.unit, 4])
    }

    @Test("repetitions change nothing, and make a book known that was not")
    func repetitions() throws {
        let rows = (bids: [(100.0, 1.0)], asks: [(102.0, 1.0)])
        var machine = try machine(try nodes())
        var tape = try GraphTape()
        try tape.row(at: 1, .bid, 0, .update, price: 90)
        try tape.book(at: 2, bids: rows.bids, asks: rows.asks, isRepeated: true)
        try tape.row(at: 3, .bid, 0, .update, price: 98)
        try tape.book(at: 4, bids: [(98, 1)], asks: rows.asks, isRepeated: true)
        try tape.row(at: 95, .bid, 0, .update, price: 96)
        tape.seal(watermark: 120)
        let output = machine.run(tape.packets)
        let middles = output.bars.filter { $0.series == 0 }
        #expect(middles.map(\.close.raw) == [100 * Self.unit])
        var expected = BookCounters()
        (expected.known, expected.unknown) = (1, 2)
        #expect(machine.bookChanges == expected)
        // Those of a book that is not known are there, and have no price.
        #expect(machine.excluded.undefined == 3 * 2)
    }

    @Test("snapshots are excluded, and a one-sided book has no middle")
    func excluded() throws {
        var machine = try machine(try nodes())
        var tape = try GraphTape()
        try tape.book(at: 1, bids: [(100, 1)], asks: [])
        try tape.row(at: 2, .bid, 0, .update, price: 98, flags: .snapshot)
        tape.seal(watermark: 20)
        let output = machine.run(tape.packets)
        #expect(output.bars.map(\.series) == [2] && output.bars.map(\.close.raw) == [Self.unit])
        #expect(machine.excluded.filter == 3 && machine.excluded.undefined == 2)
    }

    @Test("a filter sees the numbers of its own node, and a change reaches what is behind it alone")
    func filters() throws {
        let lean = Nodes.filter(
            "lean", .node(0), [.field(.imbalance), .number(500_000_000), .greater])
        let deep = GraphNode(
            name: "deep", input: .ticks(.depth), operation: .book(BookRule(levels: 2)))
        let leaning = Nodes.filter(
            "leaning", .node(2), [.field(.imbalance), .number(500_000_000), .greater])
        func bars(_ name: String, _ input: Int) throws -> GraphNode {
            Nodes.bars(
                "\(name)s", .node(input),
                BarRule(series: try BarSeriesSet([Nodes.seconds(name, 1)]), field: .microprice))
        }
        let first = GraphNode(
            name: "book", input: .ticks(.depth), operation: .book(BookRule(levels: 1)))
        var scene = try GraphScene([
            first, lean, deep, leaning, try bars("one", 1), try bars("two", 3),
        ])
        try scene.tape.book(at: 1, bids: [(100, 1), (99, 9)], asks: [(102, 1), (103, 1)])
        try scene.advance(to: 20)
        // By the best rows the sides are equal.
        #expect(scene.bars.keys.sorted() == ["two 1"])
        #expect(scene.bars["two 1"]?.excluded == Bar.Excluded())
    }

    @Test("a late change is listed with the best rows of its book")
    func late() throws {
        var scene = try GraphScene(try Nodes.books([("mid", .bookMiddle)]))
        try scene.tape.book(at: 1, bids: [(100, 1)], asks: [(102, 1)])
        try scene.advance(to: 20)
        try scene.tape.row(at: 2, received: 21, .bid, 0, .update, price: 98)
        try scene.advance(to: 40)
        #expect(scene.late == ["mid 2 windowClosed"] && scene.lateKinds == [.depth])
    }

    @Test("a gap makes a book unknown, also before its record, and bars partial behind it")
    func gaps() throws {
        var scene = try GraphScene(try Nodes.books([("mid", .bookMiddle)]))
        scene.readsBack = true
        try scene.tape.book(at: 1, bids: [(100, 1)], asks: [(102, 1)])
        try scene.tape.row(at: 5, .bid, 0, .update, price: 98)
        try scene.tape.row(at: 6.5, .bid, 0, .update, price: 96)
        try scene.advance(to: 7)
        #expect(scene.bars.keys.sorted() == ["mid 1", "mid 5", "mid 6"])
        try scene.tape.gap("AAPL", from: 6, to: 8, state: .open, kind: .depth)
        try scene.tape.row(at: 8.5, .bid, 0, .update, price: 94)
        try scene.advance(to: 9.5)
        #expect(scene.bars.keys.sorted() == ["mid 1", "mid 5"] && scene.partialBars.isEmpty)
        try scene.tape.book(at: 10, bids: [(90, 1)], asks: [(92, 1)])
        try scene.tape.row(at: 99.5, .bid, 0, .update, price: 88)
        try scene.advance(to: 110)
        #expect(scene.bars.keys.sorted() == ["mid 1", "mid 10", "mid 5", "mid 99"])
        #expect(scene.partialBars == ["mid 10"])
    }

    @Test("a gap of other kinds of ticks changes nothing of books")
    func otherGaps() throws {
        var scene = try GraphScene(try Nodes.books([("mid", .bookMiddle)]))
        try scene.tape.book(at: 1, bids: [(100, 1)], asks: [(102, 1)])
        try scene.tape.gap("AAPL", from: 1, to: 3, state: .open, kind: .trade)
        try scene.tape.gap("MSFT", from: 1, to: 3, state: .open, kind: .any)
        try scene.tape.row(at: 4, .bid, 0, .update, price: 98)
        try scene.advance(to: 20)
        #expect(scene.bars.keys.sorted() == ["mid 1", "mid 4"] && scene.partialBars.isEmpty)
    }

    @Test("a subscription that begins again makes the book unknown, and bars partial for a while")
    func restarts() throws {
        var scene = try GraphScene(try Nodes.books([("mid", .bookMiddle)]))
        try scene.tape.book(at: 1, bids: [(100, 1)], asks: [(102, 1)])
        try scene.advance(to: 2)
        try scene.tape.begin("AAPL", since: 10)
        try scene.tape.row(at: 11, .bid, 0, .update, price: 98)
        try scene.tape.book(at: 12, bids: [(100, 1)], asks: [(102, 1)])
        try scene.tape.row(at: 101, .bid, 0, .update, price: 98)
        try scene.advance(to: 120)
        #expect(scene.bars.keys.sorted() == ["mid 1", "mid 101", "mid 12"])
        #expect(scene.partialBars == ["mid 12"])
    }

    @Test("the book is forgotten when another member of the group feeds the symbol")
    func members() throws {
        let names = try ["a", "b"].map { try #require(SourceName($0)) }
        let group = SourceGroups([
            SourceGroups.Group(name: try #require(SourceName("both")), members: names)
        ])
        var machine = GraphMachine(
            GraphProgram(
                GraphDefinition(
                    name: "test", nodes: try Nodes.books([("mid", .bookMiddle)]), groups: group)))
        var (first, second) = (GraphTape(names[0]), GraphTape(names[1]))
        try first.book(at: 1, bids: [(100, 1)], asks: [(102, 1)])
        first.seal(watermark: 1.6)
        try second.row(at: 2.5, .bid, 0, .update, price: 90)
        try second.book(at: 2.6, bids: [(90, 1)], asks: [(92, 1)])
        second.seal(watermark: 2.7)
        try first.row(at: 3.5, .bid, 0, .update, price: 98)
        first.seal(watermark: 3.6)
        try first.book(at: 4.5, bids: [(98, 1)], asks: [(102, 1)], isRepeated: true)
        try first.row(at: 5.5, .bid, 0, .update, price: 96)
        first.seal(watermark: 30)
        let packets = [
            first.packets[0], second.packets[0], first.packets[1], first.packets[2],
        ]
        var live: [Bar] = []
        for packet in packets {
            live += machine.run([packet]).bars
            machine = try machine.restored()
        }
        #expect(live.map(\.close.raw) == [101, 91, 99].map { $0 * Self.unit })
        // A repair moves the symbol at the same places of the tape.
        for keeping in [0, KeptTicks.stepsMax] {
            var copy = machine
            let mended = try copy.repair(
                machine.dirty(from: 0, to: 10), over: packets, onTape: live, keeping: keeping)
            #expect(mended.output.bars.map(\.close.raw) == live.map(\.close.raw))
        }
    }

    @Test(
        "a repair that reads from a repetition on knows the same book",
        arguments: [0, KeptTicks.stepsMax])
    func warmUp(keeping: Int) throws {
        var machine = try machine(try nodes())
        var tape = try GraphTape()
        var bid = 100.0
        try tape.book(at: 0, bids: [(bid, 1), (90, 3)], asks: [(120, 2)])
        for step in 1..<30 {
            let time = Double(step) * 10
            if step % 6 == 0 {
                try tape.book(
                    at: time, bids: [(bid, 1), (90, 3)], asks: [(120, 2)], isRepeated: true)
            }
            bid = 100 + Double(step % 7)
            try tape.row(at: time + 1, .bid, 0, .update, price: bid)
            tape.seal(watermark: time + 2)
        }
        tape.seal(watermark: 400)
        let live = machine.run(tape.packets).bars
        var copy = try machine.restored()
        let mended = try copy.repair(
            machine.dirty(from: 200, to: 201), over: tape.packets, onTape: live,
            keeping: keeping, readsAll: false)
        #expect(mended.repair.plan.from == GraphTape.time(110))
        let (expected, found) = (inRange(live), inRange(mended.output.bars))
        #expect(expected.count == 12 && found.count == 12)
        for (one, other) in zip(found, expected) {
            #expect(one.openTime == other.openTime && one.close == other.close)
            #expect(one.series == other.series && one.trades == other.trades)
        }
    }

    /// Returns the bars from 200 to 240 s, by series and time.
    private func inRange(_ bars: [Bar]) -> [Bar] {
        bars.filter { $0.openTime >= GraphTape.time(200) && $0.openTime < GraphTape.time(240) }
            .sorted { ($0.series, $0.openTime) < ($1.series, $1.openTime) }
    }

    @Test("other numbers of rows, and other inputs, have other hashes")
    func hashes() throws {
        let graphs = try [
            Nodes.books(levels: 1, [("x", .microprice)]),
            Nodes.books(levels: 2, [("x", .microprice)]),
            Nodes.books(levels: 1, [("x", .imbalance)]), [Nodes.bars("xs", .ticks(.trade), ["1s"])],
        ]
        let hashes = graphs.map { GraphProgram(GraphDefinition(name: "test", nodes: $0)).hash }
        #expect(Set(hashes).count == graphs.count)
    }

    @Test("bars of bars of books are made again with them")
    func resampled() throws {
        var nodes = try Nodes.books([("mid", .bookMiddle)])
        nodes.append(
            try Nodes.resample(
                "coarse", .node(1), from: "mid", of: BarSeriesSet([Nodes.seconds("wide", 5)])))
        var scene = try GraphScene(nodes)
        scene.readsBack = true
        try scene.tape.book(at: 1, bids: [(100, 1)], asks: [(102, 1)])
        try scene.tape.row(at: 3, .bid, 0, .update, price: 98)
        try scene.advance(to: 15)
        #expect(scene.bars["wide 0"]?.close.raw == 100 * Self.unit)
        try scene.tape.gap("AAPL", from: 2, to: 4, state: .abandoned, kind: .depth)
        try scene.advance(to: 30)
        #expect(scene.bars["wide 0"]?.close.raw == 101 * Self.unit)
        #expect(scene.partialBars == ["wide 0"])
    }
}
