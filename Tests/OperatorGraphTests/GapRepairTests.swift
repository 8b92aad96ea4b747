import MarketModel
import Primitives
import StreamCore
import TapeCodec
import Testing

@testable import OperatorGraph

/// Which bars are partial after gaps, after gaps are filled, and after other repairs.
@Suite("gaps and repairs") struct GapRepairTests {
    /// Returns bars of all kinds of windows: `n` of two trades, `p` with pauses of 2 s, `five` of
    /// bars.
    private static func nodes() throws -> [GraphNode] {
        [
            try Nodes.bars("bars", .ticks(.trade), ["1s"]),
            try Nodes.bars("of-n", .ticks(.trade), of: Nodes.series("n", .ticks(2))),
            try Nodes.bars(
                "of-p", .ticks(.trade), of: Nodes.series("p", .inactivity(gap: 2_000_000_000))),
            try Nodes.resample(
                "fives", .node(0), from: "1s", of: BarSeriesSet([Nodes.seconds("five", 5)])),
        ]
    }

    private func begun() throws -> GraphScene {
        var run = try GraphScene(try Self.nodes())
        for (id, time) in [0.5, 1.5, 2.5, 3.5].enumerated() {
            try run.tape.trade("A", at: time, id: UInt64(id + 1))
        }
        try run.advance(to: 8)
        #expect(run.partialBars.isEmpty)
        #expect(run.bars.count == 8)
        return run
    }

    @Test("a bar is partial until nothing is missing in it, whatever repairs come in between")
    func lifeOfGap() throws {
        var run = try begun()
        try run.tape.gap("A", from: 0.6, to: 1.2, state: .open)
        try run.advance(to: 9)
        let touched = ["1s 0", "1s 1", "five 0", "n 0.5", "p 0.5"]
        #expect(run.partialBars == touched)
        // A repair for another reason.
        try run.tape.trade("A", at: 0.5, price: 7, id: 1, action: .correction)
        try run.advance(to: 9)
        #expect(run.partialBars == touched)
        #expect(run.bars["1s 0"]?.open == Price(raw: 7_000_000_000))
        // The gap is filled in parts.
        try run.tape.gap("A", from: 0, to: 0.9, state: .filled)
        try run.advance(to: 9)
        #expect(run.partialBars == touched)
        try run.tape.gap("A", from: 0.9, to: 1, state: .filled, kind: .any)
        try run.advance(to: 9)
        #expect(run.partialBars == touched.filter { $0 != "1s 0" })
        try run.tape.gap("A", from: 1, to: 3, state: .filled)
        try run.advance(to: 9)
        #expect(run.partialBars.isEmpty)
    }

    @Test("windows that open behind a gap's record are partial, of all kinds")
    func opened() throws {
        var run = try begun()
        try run.tape.gap("A", from: 20.2, to: 20.8, state: .open)
        try run.advance(to: 9)
        #expect(run.partialBars.isEmpty)
        for (id, time) in [20.5, 20.9, 30.5, 30.6].enumerated() {
            try run.tape.trade("A", at: time, id: UInt64(id + 10))
        }
        try run.advance(to: 60)
        #expect(run.partialBars == ["1s 20", "five 20", "n 20.5", "p 20.5"])
        #expect(run.bars["1s 30"] != nil && run.bars["n 30.5"] != nil)
        // A repair that a person requests long afterwards finds the gap, too.
        try run.tape.request("A", from: 0, to: 40)
        try run.advance(to: 61)
        #expect(run.partialBars == ["1s 20", "five 20", "n 20.5", "p 20.5"])
    }

    @Test("nothing is missing before a subscription that began again once it was filled in")
    func beginning() throws {
        var run = try GraphScene(try Self.nodes())
        for (id, time) in [0.5, 1.5].enumerated() {
            try run.tape.trade("A", at: time, id: UInt64(id + 1))
        }
        try run.tape.begin("A", since: 2.2)
        for (id, time) in [2.5, 3.5].enumerated() {
            try run.tape.trade("A", at: time, id: UInt64(id + 3))
        }
        try run.advance(to: 8)
        #expect(run.partialBars == ["1s 2", "five 0", "n 2.5", "p 0.5"])
        try run.tape.gap("A", from: 1.6, to: 2.4, state: .filled)
        try run.advance(to: 9)
        #expect(run.partialBars.isEmpty)
        // The window by inactivity is still open when the time is filled in.
        try run.tape.trade("A", at: 21.5, id: 5)
        try run.tape.begin("A", since: 22.2)
        try run.tape.trade("A", at: 22.5, id: 6)
        try run.advance(to: 23)
        try run.tape.gap("A", from: 21.6, to: 22.4, state: .filled)
        try run.advance(to: 23)
        try run.tape.trade("A", at: 23.5, id: 7)
        try run.tape.trade("A", at: 30.5, id: 8)
        try run.advance(to: 60)
        #expect(run.partialBars.isEmpty && run.bars["p 21.5"]?.trades == 3)
    }

    @Test("a gap of a source is one of each symbol that it feeds")
    func ofSource() throws {
        var run = try begun()
        try run.tape.gap(nil, from: 2.6, to: 2.7, state: .open, kind: .any)
        try run.advance(to: 9)
        let touched = ["1s 2", "five 0", "n 2.5", "p 0.5"]
        #expect(run.partialBars == touched)
        try run.tape.request("A", from: 0, to: 4)
        try run.advance(to: 9)
        #expect(run.partialBars == touched)
    }

    @Test("a gap of quotes is none of trades, and the other way round")
    func kinds() throws {
        var run = try GraphScene([
            try Nodes.bars("bars", .ticks(.trade), ["1s"]),
            try Nodes.bars("quotes", .ticks(.quote), ["5s"], field: .middle),
        ])
        try run.tape.trade("A", at: 0.5, id: 1)
        try run.tape.quote("A", at: 0.5, bid: 1, ask: 2)
        try run.advance(to: 10)
        try run.tape.gap("A", from: 0.6, to: 0.7, state: .open, kind: .quote)
        var published = try run.advance(to: 10)
        #expect(published == ["5s 0"])
        #expect(run.partialBars == ["5s 0"])
        try run.tape.trade("A", at: 0.5, price: 7, id: 1, action: .correction)
        published = try run.advance(to: 10)
        #expect(published == ["1s 0"])
        try run.tape.request("A", from: 0, to: 1)
        published = try run.advance(to: 10)
        #expect(published == ["1s 0", "5s 0"])
        #expect(run.partialBars == ["5s 0"])
    }

    @Test("an id is one of its source or group, and people may take back trades of any")
    func sources() {
        func trade(_ action: TradeAction, price: Int64 = 1, of pair: UInt32 = 3) -> Trade {
            Trade(
                header: TickHeader(
                    symbol: pair, action: action.rawValue, providerTime: GraphTape.time(0),
                    receiveTime: GraphTape.time(0), providerID: 9),
                price: Price(raw: price), size: Quantity(raw: 1))
        }
        var changes = TradeChanges()
        var isNoted = changes.note(trade(.cancel), source: 1)
        #expect(isNoted)
        #expect(changes.change(of: trade(.new), 1, source: 1) == .cancelled)
        #expect(
            changes.change(of: trade(.new), 1, source: 2) == .cancelled, "a member of the group")
        #expect(changes.change(of: trade(.new, of: 4), 1, source: 1) == nil, "of another source")
        #expect(changes.change(of: trade(.new), 1, source: nil) == nil)
        isNoted = changes.note(trade(.correction, price: 5), source: nil)
        #expect(isNoted)
        for source in [1, 2, nil] {
            guard case .corrected(let values) = changes.change(of: trade(.new), 1, source: source)
            else {
                Issue.record("the later change holds for \(String(describing: source))")
                continue
            }
            #expect(values.price == Price(raw: 5))
        }
        isNoted = changes.note(trade(.cancel), source: 1)
        #expect(isNoted)
        #expect(changes.change(of: trade(.new), 1, source: 1) == .cancelled)
    }
}
