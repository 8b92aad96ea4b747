import MarketModel
import Primitives
import StreamCore
import TapeCodec
import Testing

@testable import OperatorGraph

/// In a repair, stages must remember the same earlier ticks as in the first computation.
@Suite("Stages in repairs") struct StagesInRepairTests {
    private struct Tick {
        let symbol: String
        let time: Double
        let price: Double
        let id: UInt64
        /// True if the source was down and the tick came later, from the provider's history.
        let isMissed: Bool
        /// True if the tick came on time, and again from the history with another price.
        let isTwice: Bool
    }

    private func ticks(seed: UInt64, missing: Bool) -> [Tick] {
        var random = SeededRandom(seed: seed)
        return (1...900).map { number in
            let time =
                Double(number) * 0.07 + Double(Int.random(in: 0..<60, using: &random)) / 1_000
            let isInGap = missing && (20..<32).contains(time)
            return Tick(
                symbol: ["A", "B"][Int.random(in: 0..<2, using: &random)], time: time,
                price: Double(Int.random(in: 90...110, using: &random)), id: UInt64(number),
                isMissed: isInGap && Int.random(in: 0..<4, using: &random) > 0,
                isTwice: isInGap)
        }
    }

    /// Returns the tape of a source that was down: the ticks it missed come after everything else.
    private func tape(_ ticks: [Tick]) throws -> [SealedPacket] {
        var tape = try GraphTape()
        for (index, tick) in ticks.enumerated() where !tick.isMissed {
            try tape.trade(tick.symbol, at: tick.time, price: tick.price, id: tick.id)
            // Some ticks came twice in a row, of which the second is never counted.
            if index % 9 == 0 {
                try tape.trade(tick.symbol, at: tick.time, price: tick.price, id: tick.id)
            }
            if index % 40 == 39 { tape.seal(watermark: tick.time - 1) }
        }
        for tick in ticks.reversed() where tick.isMissed || tick.isTwice {
            try tape.trade(
                tick.symbol, at: tick.time, received: 4_000 - tick.time,
                price: tick.isMissed ? tick.price : 500, id: tick.id, flags: .backfilled)
        }
        tape.seal(watermark: 1_000)
        return tape.packets
    }

    /// Returns the tape as it would be without the outage.
    private func ideal(_ ticks: [Tick]) throws -> [SealedPacket] {
        var tape = try GraphTape()
        for name in ["A", "B"] { _ = try tape.symbol(name) }
        for tick in ticks {
            try tape.trade(tick.symbol, at: tick.time, price: tick.price, id: tick.id)
        }
        tape.seal(watermark: 1_000)
        return tape.packets
    }

    private static func nodes() throws -> [GraphNode] {
        [
            Nodes.deduplicate("once", .ticks(.trade), timeToLive: 5_000_000_000),
            Nodes.throttle("slow", .node(0), count: 3, per: 1_700_000_000),
            GraphNode(
                name: "rising", input: .node(1),
                operation: .custom(name: "rising", settings: [])),
            try Nodes.bars("slowly", .node(1), ["1s", "10s"]),
            try Nodes.bars("rises", .node(2), ["5s"]),
        ]
    }

    private func machine() throws -> GraphMachine {
        var operators = TickOperators()
        operators.register("rising", Rising.self)
        return try OperatorGraphTests.machine(try Self.nodes(), operators: operators)
    }

    private struct Content: Hashable {
        let series: UInt16
        let symbol: String
        let openTime: Timestamp
        let prices: [Price]
        let counts: [UInt64]
    }

    private func contents(_ bars: [Bar], _ machine: GraphMachine) -> Set<Content> {
        Set(
            bars.lastVersions.map {
                Content(
                    series: $0.series, symbol: machine.symbols.pair(at: $0.symbol).symbol.text,
                    openTime: $0.openTime, prices: [$0.open, $0.high, $0.low, $0.close, $0.vwap],
                    counts: [$0.trades, UInt64($0.excluded.filter)])
            })
    }

    private func repaired(
        _ machine: inout GraphMachine, from: Double, to: Double, _ packets: [SealedPacket],
        live: [Bar], keeping: Int = KeptTicks.stepsMax, of symbols: Range<UInt32>? = nil
    ) throws -> [Bar] {
        try machine.repair(
            machine.dirty(from: from, to: to, of: symbols), over: packets, onTape: live,
            keeping: keeping, readsAll: false
        ).output.bars
    }

    @Test(
        "what was fetched later is judged where it would have come",
        arguments: [1, 2, 3, 4, 5, 6, 7, 8] as [UInt64], [0, KeptTicks.stepsMax])
    func fetched(seed: UInt64, keeping: Int) throws {
        let ticks = ticks(seed: seed, missing: true)
        let packets = try tape(ticks)
        var machine = try machine()
        let live = machine.run(packets).bars
        var right = try self.machine()
        let expected = contents(right.run(try ideal(ticks)).bars, right)
        #expect(contents(live, machine) != expected, "seed \(seed): nothing was missing")
        let bars = try repaired(&machine, from: 20, to: 36, packets, live: live, keeping: keeping)
        #expect(contents(live + bars, machine) == expected, "seed \(seed)")
    }

    @Test(
        "what was fetched of symbols that are not repaired counts once for what mixes symbols",
        arguments: [1, 2, 3, 4, 5, 6, 7, 8] as [UInt64])
    func others(seed: UInt64) throws {
        let nodes = [
            Nodes.deduplicate("once", .ticks(.trade), timeToLive: 5_000_000_000),
            Nodes.throttle(
                "slow", .node(0), count: 3, per: 1_700_000_000, scope: .partition),
            try Nodes.bars("slowly", .node(1), ["1s", "10s"]),
        ]
        let ticks = ticks(seed: seed, missing: true)
        let packets = try tape(ticks)
        let blank = try OperatorGraphTests.machine(nodes)
        var (whole, part) = (blank, blank)
        let live = whole.run(packets).bars
        _ = part.run(packets)
        let all = try repaired(&whole, from: 20, to: 36, packets, live: live)
        let own = try repaired(&part, from: 20, to: 36, packets, live: live, of: 0..<1)
        #expect(!own.isEmpty && own == all.filter { $0.symbol == 0 }, "seed \(seed)")
    }

    @Test(
        "a repair for which nothing was fetched gives the same bars again",
        arguments: [1, 2, 3, 4, 5] as [UInt64])
    func unchanged(seed: UInt64) throws {
        let packets = try tape(ticks(seed: seed, missing: false))
        var machine = try machine()
        let live = machine.run(packets).bars
        for second in [7.0, 30, 41] {
            let bars = try repaired(&machine, from: second, to: second + 4, packets, live: live)
            #expect(bars.count > 4)
            #expect(contents(bars, machine).isSubset(of: contents(live, machine)), "seed \(seed)")
        }
    }

    struct Correction: Sendable {
        /// Prices of trades of one moment.
        let prices: [Double]
        let ordinal: UInt64
        let to: Double
        /// What the bar holds in the end.
        let bar: [Double]
    }

    @Test(
        "duplicates are judged as they came, whatever they are corrected to later",
        arguments: [
            Correction(prices: [100, 100], ordinal: 1, to: 200, bar: [200]),
            Correction(prices: [100, 100], ordinal: 2, to: 300, bar: [100]),
            Correction(prices: [100, 101], ordinal: 2, to: 100, bar: [100, 100]),
        ], [0, KeptTicks.stepsMax])
    func corrected(_ row: Correction, keeping: Int) throws {
        var machine = try OperatorGraphTests.machine([
            Nodes.deduplicate("once", .ticks(.trade), key: [.price, .time]),
            try Nodes.bars("bars", .node(0)),
        ])
        var tape = try GraphTape()
        for price in row.prices { try tape.trade("A", at: 1.5, price: price) }
        tape.seal(watermark: 5)
        var people = GraphTape(.manual, of: SourceName("one"))
        try people.change("A", .correct, "one", row.ordinal, at: 1.5, values: (row.to, 1))
        people.seal(watermark: 0)
        let packets = tape.packets + people.packets
        let live = machine.run(packets).bars
        let bars = try repaired(
            &machine, from: 1, to: 2, packets, live: live, keeping: keeping)
        let bar = try #require(bars.last)
        #expect(bar.trades == UInt64(row.bar.count))
        #expect(
            [bar.open, bar.close]
                == [row.bar.first, row.bar.last].compactMap(\.self).map {
                    Price(raw: Int64($0 * 1_000_000_000))
                })
    }

    @Test("stages behind each other are warmed by what the one before let through")
    func warmUp() throws {
        let machine = try machine()
        #expect(machine.program.plan.warmUp(machine.program.operators) == 16_700_000_000)
    }

    @Test("trades that go through stages together are judged as each alone is", arguments: 1...6)
    func together(seed: Int) throws {
        var random = SeededRandom(seed: UInt64(seed))
        let dear = Nodes.expression(.field(.price), .number(100_000_000_000), .greater)
        let nodes = [
            Nodes.deduplicate("once", .ticks(.trade), timeToLive: 900_000_000),
            Nodes.throttle("slow", .node(0), count: 2, per: 300_000_000),
            GraphNode(
                name: "split", input: .node(1),
                operation: .route([
                    RouteBranch(name: "dear", condition: dear),
                    RouteBranch(name: "rest", condition: nil),
                ])),
            try Nodes.bars("dear", .branch(node: 2, branch: 0), ["1s"]),
            try Nodes.bars("rest", .branch(node: 2, branch: 1), ["2s"]),
            try Nodes.bars("some", .node(0), ["5s"]),
            try Nodes.bars("all", .ticks(.trade), ["10s"]),
        ]
        var tape = try GraphTape()
        for number in 0..<2_000 {
            try tape.trade(
                ["A", "B", "C"][Int.random(in: 0..<3, using: &random)], at: Double(number) / 40,
                price: Double(Int.random(in: 90...110, using: &random)),
                id: UInt64.random(in: 0..<40, using: &random),
                flags: Int.random(in: 0..<20, using: &random) == 0 ? .snapshot : [])
            if number % 170 == 0 { tape.seal(watermark: Double(number) / 40) }
        }
        tape.seal(watermark: 100)
        var together = try OperatorGraphTests.machine(nodes)
        var alone = together
        #expect(together.emptyRun.max > 1)
        alone.emptyRun = TradeRun(max: 1)
        let (one, other) = (together.run(tape.packets), alone.run(tape.packets))
        #expect(one.bars == other.bars && one.late == other.late, "seed \(seed)")
        #expect(!one.late.isEmpty && one.bars.contains { $0.excluded.filter > 0 })
        #expect(together.bytes == alone.bytes)
    }
}

/// Lets a trade through if it is not cheaper than the last one of its symbol.
private struct Rising: TickOperator {
    private var last: [Int64] = []
    let warmUp: Int64 = 10_000_000_000

    init(settings: [GraphSetting]) throws(TickOperatorError) {}

    mutating func take(
        _ tick: GraphTick, of symbol: SourceSymbol, publishing values: inout [OperatorValue]
    ) -> Bool {
        guard case .trade(let trade) = tick else { return true }
        let index = Int(trade.header.symbol)
        while last.count <= index { last.append(Int64.min) }
        defer { last[index] = trade.price.raw }
        return trade.price.raw >= last[index]
    }

    func encode(into bytes: inout [UInt8]) { for price in last { bytes.append(state: price) } }

    mutating func restore(_ bytes: RawSpan) throws(CheckpointError) {
        last = stride(from: 0, to: bytes.byteCount - 7, by: 8).map { bytes.int64(at: $0) }
    }
}
