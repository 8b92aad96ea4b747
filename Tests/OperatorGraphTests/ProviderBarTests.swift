import MarketModel
import Primitives
import StreamCore
import TapeCodec
import Testing

@testable import OperatorGraph

/// Bars that a provider made, as the input of a graph.
@Suite("a provider's bars as input") struct ProviderBarTests {
    private typealias Run = GraphScene

    private static func minutes() throws -> Run {
        try Run([
            try Nodes.ofProvider(
                "minutes", .ticks(.providerBar), [try Nodes.seconds("broker-1m", 60)])
        ])
    }

    private func values(_ bar: Bar?) -> [Double] {
        guard let bar else { return [] }
        return [bar.open, bar.high, bar.low, bar.close, bar.vwap].map {
            $0.isDefined ? Double($0.raw) / 1_000_000_000 : -1
        } + [Double(bar.volume) / 100_000_000, Double(bar.trades)]
    }

    @Test("5 s bars through throttle and deduplicate to 1 m equal a computation by hand")
    func chain() throws {
        var run = try Run([
            Nodes.throttle("calm", .ticks(.providerBar), count: 2, per: 5_000_000_000),
            Nodes.deduplicate("once", .node(0), key: [.start]),
            try Nodes.ofProvider("minutes", .node(1), [try Nodes.seconds("broker-1m", 60)]),
        ])
        // Two bars of each five seconds pass; the third is held back, the second is a duplicate.
        for index in 0..<12 {
            let start = Double(index) * 5
            let middle = 100 + Double(index)
            let prices = (middle, middle + 2, middle - 1, middle + 1)
            try run.tape.providerBar(
                at: start, prices, volume: 10 + Double(index), vwap: middle, count: 3)
            for _ in 0..<2 {
                try run.tape.providerBar(
                    at: start, received: start + 5.5, (1, 1, 1, 1), volume: 1, vwap: 1, count: 1)
            }
            try run.advance(to: start + 5)
        }
        try run.advance(to: 70)
        // volume 10 + … + 21 = 186; turnover: sum of (100 + i)(10 + i) = 19766
        let vwap = (19_766.0 / 186 * 1e9).rounded() / 1e9
        #expect(values(run.bars["broker-1m 0"]) == [100, 113, 99, 112, vwap, 186, 36])
        #expect(run.bars["broker-1m 0"]?.notional == Int128(19_766) * 100_000_000_000_000_000)
        #expect(
            run.late
                == Array(repeating: "once", count: 12).enumerated().map {
                    "\($1) \($0 * 5) duplicate"
                })
        #expect(run.lateKinds == [.providerBar])
        #expect(run.machine.excluded.filter == 0, "a restored machine counts from 0")
        #expect(run.bars["broker-1m 0"]?.flags == .final)
    }

    @Test("what the provider makes again counts at any time, and the version has the reason")
    func madeAgain() throws {
        var run = try Run([
            try Nodes.ofProvider(
                "hours", .ticks(.providerBar), [try Nodes.seconds("broker-1h", 3_600)]),
            try Nodes.ofProvider(
                "minutes", .ticks(.providerBar), [try Nodes.seconds("broker-1m", 60)]),
        ])
        try run.tape.providerBar(at: 0, (10, 12, 9, 11), volume: 5, vwap: 10, count: 2)
        try run.tape.providerBar(at: 55, (20, 21, 19, 20), volume: 5, vwap: 20, count: 2)
        try run.advance(to: 58)
        // Before the close it changes the bar, and nothing more is said of it.
        try run.tape.providerBar(
            at: 55, (20, 30, 19, 25), volume: 5, vwap: 24, count: 3, isRevised: true)
        try run.advance(to: 60)
        #expect(values(run.bars["broker-1m 0"]) == [10, 30, 9, 25, 17, 10, 5])
        #expect(run.bars["broker-1m 0"]?.reason == BarReason.closed.rawValue)
        // Within the lateness it is another version.
        try run.tape.providerBar(
            at: 55, (20, 40, 19, 25), volume: 5, vwap: 24, count: 3, isRevised: true)
        try run.advance(to: 64)
        #expect(run.bars["broker-1m 0"]?.reason == BarReason.late.rawValue && run.versions == 2)
        #expect(run.late.isEmpty)
        try run.advance(to: 66)
        // Later it is listed, and a repair takes it in, also into the hour that is still open.
        try run.tape.providerBar(
            at: 55, (20, 50, 19, 26), volume: 7, vwap: 24, count: 4, isRevised: true)
        try run.advance(to: 90)
        #expect(values(run.bars["broker-1m 0"]) == [10, 50, 9, 26, 218.0 / 12, 12, 6].map(nine))
        #expect(run.bars["broker-1m 0"]?.reason == BarReason.bust.rawValue && run.versions == 3)
        #expect(run.late == ["broker-1h -840 windowClosed", "broker-1m 0 windowClosed"])
        // A late bar without the flag is listed, as before.
        try run.tape.providerBar(at: 55, (1, 1, 1, 1))
        try run.advance(to: 91)
        #expect(run.versions == 3 && run.late.count == 4)
        try run.advance(to: 3_610)
        #expect(Array(values(run.bars["broker-1h -840"])[..<4]) == [10, 50, 9, 26])
    }

    /// Returns a number with nine decimals, as a price has.
    private func nine(_ number: Double) -> Double { (number * 1e9).rounded() / 1e9 }

    @Test("only finished bars of the chosen length and data count")
    func chosen() throws {
        var run = try Self.minutes()
        try run.tape.providerBar(at: 0, (10, 12, 9, 11), volume: 5, vwap: 10, count: 2)
        try run.tape.providerBar(at: 0, length: 60, (1, 1, 1, 1))
        try run.tape.providerBar(at: 5, (1, 1, 1, 1), kind: .midpoint)
        try run.tape.providerBar(at: 10, (1, 1, 1, 1), isUnfinished: true)
        try run.tape.providerBar(at: 15, (1, 1, 1, 1), flags: .backfilled)
        // Impossible: the low is above the close; a count below zero; not a multiple of 5 s.
        try run.tape.providerBar(at: 20, (10, 12, 11.5, 11))
        try run.tape.providerBar(at: 25, (10, 12, 9, 11), count: -3)
        try run.tape.providerBar(at: 31, (10, 12, 9, 11))
        run.tape.seal(watermark: 61)
        let output = run.machine.run(run.tape.packets)
        #expect(values(output.bars.first) == [10, 12, 9, 11, 10, 5, 2])
        #expect(output.bars.count == 1)
        #expect(run.machine.excluded.undefined == 3)
        #expect(run.machine.excluded.filter == 1)
        #expect(run.machine.excluded.backfilled == 1)
    }

    @Test("what the provider does not give is not made up")
    func lacking() throws {
        var run = try Run([
            try Nodes.ofProvider("minutes", .ticks(.providerBar), [try Nodes.seconds("t", 60)]),
            try Nodes.ofProvider(
                "middles", .ticks(.providerBar), [try Nodes.seconds("m", 60)], of: .midpoint),
        ])
        // A bar of a time without trades sets no price: it repeats the close before it.
        try run.tape.providerBar(at: 0, (9, 9, 9, 9), volume: 0, vwap: nil, count: 0)
        try run.tape.providerBar(at: 5, (10, 12, 9, 11), volume: 5, vwap: nil, count: 2)
        try run.tape.providerBar(at: 10, (11, 11, 8, 9), volume: 5, vwap: 10, count: 2)
        for (index, price) in [3.0, 5].enumerated() {
            try run.tape.providerBar(
                at: Double(index) * 5, (price, price, price, price), volume: nil, vwap: nil,
                count: nil, kind: .midpoint)
        }
        try run.advance(to: 61)
        #expect(values(run.bars["t 0"]) == [10, 12, 8, 9, -1, 10, 4])
        #expect(values(run.bars["m 0"]) == [3, 5, 3, 5, -1, 0, 2])
    }

    @Test("trades, quotes and a provider's bars do not get into each other's windows")
    func apart() throws {
        var run = try Run([
            try Nodes.bars("bars", .ticks(.trade), ["1m"]),
            try Nodes.ofProvider(
                "minutes", .ticks(.providerBar),
                [try Nodes.seconds("broker-5s", 5), try Nodes.seconds("broker-1m", 60)]),
            try Nodes.resample("coarse", .node(1), from: "broker-1m", ["2m"]),
        ])
        try run.tape.trade(at: 1, price: 50, size: 2)
        try run.tape.providerBar(at: 0, (10, 12, 9, 11))
        try run.tape.trade(at: 6, price: 60, size: 2)
        try run.tape.providerBar(at: 60, (11, 14, 10, 12))
        try run.tape.quote(at: 7, bid: 1, ask: 2)
        try run.advance(to: 310)
        #expect(Array(values(run.bars["1m 0"])[..<4]) == [50, 60, 50, 60])
        #expect(Array(values(run.bars["broker-5s 0"])[..<4]) == [10, 12, 9, 11])
        #expect(Array(values(run.bars["broker-1m 60"])[..<4]) == [11, 14, 10, 12])
        #expect(Array(values(run.bars["2m 0"])[..<4]) == [10, 14, 9, 12])
        #expect(run.bars.count == 6)
    }

    @Test("a filter reads the fields of bars")
    func filtered() throws {
        // length == 5s and close > 10
        let condition = Nodes.expression(
            .field(.length), .number(5_000_000_000), .equal, .field(.close),
            .number(10_000_000_000), .greater, .and)
        var run = try Run([
            GraphNode(
                name: "some", input: .ticks(.providerBar), operation: .filter(condition)),
            try Nodes.ofProvider("minutes", .node(0), [try Nodes.seconds("broker-1m", 60)]),
        ])
        try run.tape.providerBar(at: 0, (10, 12, 9, 11))
        try run.tape.providerBar(at: 5, (10, 12, 1, 9))
        run.tape.seal(watermark: 61)
        let output = run.machine.run(run.tape.packets)
        #expect(Array(values(output.bars.first)[..<4]) == [10, 12, 9, 11])
        #expect(run.machine.excluded.filter == 1)
    }

    // MARK: gaps and repairs

    @Test("in a repair, deduplicate keeps the bar that came at its time")
    func twins() throws {
        var run = try Run([
            Nodes.deduplicate("once", .ticks(.providerBar), key: [.start]),
            try Nodes.ofProvider("minutes", .node(0), [try Nodes.seconds("broker-1m", 60)]),
        ])
        try run.tape.providerBar(at: 0, (10, 12, 9, 11))
        try run.advance(to: 61)
        try run.tape.providerBar(at: 0, received: 70, (1, 1, 1, 1), flags: .backfilled)
        try run.tape.providerBar(at: 5, received: 70, (11, 13, 10, 12), flags: .backfilled)
        try run.tape.gap("AAPL", from: 0, to: 60, state: .filled, kind: .providerBar)
        try run.advance(to: 75)
        #expect(Array(values(run.bars["broker-1m 0"])[..<4]) == [10, 13, 9, 12])
    }

    @Test("gaps of a provider's bars are in the state only of graphs that take such bars")
    func state() throws {
        var plain = MissingStretches()
        var holding = MissingStretches()
        holding.holdsProviderBars = true
        for change in [
            MissingChange(symbol: 0, kind: .any, from: 1, to: 9, isFilled: false),
            MissingChange(symbol: 0, kind: .providerBar, from: 20, to: 30, isFilled: false),
        ] {
            plain.apply(change)
            holding.apply(change)
        }
        var (before, after): ([UInt8], [UInt8]) = ([], [])
        plain.encode(into: &before)
        holding.encode(into: &after)
        #expect(before != after)
        let restored = try after.withRawSpan { span throws(CheckpointError) in
            try MissingStretches(restoring: span, symbols: 1, holdsProviderBars: true)
        }
        #expect(restored == holding)
        #expect(throws: CheckpointError.self) {
            try after.withRawSpan { span throws(CheckpointError) in
                try MissingStretches(restoring: span, symbols: 1)
            }
        }
    }
}
