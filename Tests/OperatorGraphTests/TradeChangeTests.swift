import MarketModel
import Primitives
import StreamCore
import TapeCodec
import Testing

@testable import OperatorGraph

/// What a person says of one trade, by its source and ordinal.
@Suite("Changes of single trades by people") struct TradeChangeTests {
    /// A partition with its tape, as an owner sees it.
    private struct Scene {
        var machine: GraphMachine
        var packets: [SealedPacket] = []
        var bars: [Bar] = []
        var unusedChanges: UInt64 = 0
        /// 0: the packets are read twice.
        var keeping = KeptTicks.stepsMax

        /// Takes the packets, and repairs after each one that asks for it. Returns the versions.
        @discardableResult
        mutating func take(_ tape: GraphTape) throws -> [Bar] {
            let before = bars.count
            for packet in tape.packets {
                packets.append(packet)
                let live = machine.run([packet])
                bars += live.bars
                guard !live.dirty.isEmpty else { continue }
                try mend(live.dirty)
            }
            return Array(bars[before...])
        }

        private mutating func mend(_ dirty: [DirtyRange]) throws {
            let (output, repair) = try machine.repair(
                dirty, over: packets, onTape: bars.lastVersions, keeping: keeping)
            bars += output.bars
            unusedChanges += repair.unusedChanges
        }
    }

    private func scene(_ nodes: [GraphNode]? = nil, keeping: Int? = nil) throws -> Scene {
        Scene(
            machine: try machine(try nodes ?? [try Nodes.bars("bars", .ticks(.trade))]),
            keeping: keeping ?? KeptTicks.stepsMax)
    }

    /// Returns `trades open-high-low-close volume`, and `withdrawn` for a bar without trades.
    private func text(_ bars: [Bar]) -> [String] {
        bars.map { bar in
            guard !bar.flags.contains(.withdrawn) else { return "withdrawn" }
            let prices = [bar.open, bar.high, bar.low, bar.close]
                .map { "\($0.raw / 1_000_000_000)" }.joined(separator: "-")
            return "\(bar.trades) \(prices) \(Int64(bar.volume) / 100_000_000)"
        }
    }

    private func change(
        _ action: TradeChangeAction, _ ordinal: UInt64, source: String = "one",
        values: (price: Double, size: Double)? = nil, at seconds: Double = 1.5
    ) throws -> GraphTape {
        var people = GraphTape(.manual, of: SourceName("one"))
        try people.change("A", action, source, ordinal, at: seconds, values: values)
        people.seal(watermark: 0)
        return people
    }

    /// Three equal prints without an id, between two others.
    private func equalPrints() throws -> GraphTape {
        var tape = try GraphTape()
        try tape.trade("A", at: 1.4, price: 10, size: 1)
        for _ in 0..<3 { try tape.trade("A", at: 1.5, price: 12, size: 100) }
        try tape.trade("A", at: 1.6, price: 11, size: 1)
        tape.seal(watermark: 20)
        return tape
    }

    @Test("of equal prints the one at the address counts no more", arguments: 2...4 as ClosedRange)
    func equal(ordinal: UInt64) throws {
        for keeping in [0, KeptTicks.stepsMax] {
            var scene = try scene(keeping: keeping)
            try scene.take(try equalPrints())
            #expect(text(scene.bars) == ["5 10-12-10-11 302"])
            var versions = try scene.take(try change(.cancel, ordinal))
            #expect(text(versions) == ["4 10-12-10-11 202"])
            #expect(versions.map(\.reason) == [BarReason.bust.rawValue])
            #expect(versions.map(\.excluded.filter) == [1])
            // Once more changes nothing; another one of the three does.
            versions = try scene.take(try change(.cancel, ordinal))
            #expect(text(versions) == ["4 10-12-10-11 202"])
            versions = try scene.take(try change(.cancel, ordinal == 4 ? 2 : ordinal + 1))
            #expect(text(versions) == ["3 10-12-10-11 102"])
            #expect(scene.unusedChanges == 0)
        }
    }

    @Test("another trade at the address, or none, stays as it is")
    func mistaken() throws {
        var scene = try scene()
        try scene.take(try equalPrints())
        let whole = ["5 10-12-10-11 302"]
        // The time is another trade's.
        #expect(text(try scene.take(try change(.cancel, 1))) == whole)
        #expect(text(try scene.take(try change(.cancel, 77))) == whole)
        #expect(scene.unusedChanges == 0)
        #expect(text(try scene.take(try change(.cancel, 2, source: "two"))) == whole)
        #expect(scene.unusedChanges == 1)
        // Without values, and with a size below 0.
        #expect(text(try scene.take(try change(.correct, 2))) == whole)
        #expect(text(try scene.take(try change(.correct, 2, values: (1, -1)))) == whole)
        #expect(scene.unusedChanges > 1)
    }

    @Test("a trade that moves over a filter by a correction, and back")
    func filtered() throws {
        var scene = try scene([
            Nodes.filter(
                "dear", .ticks(.trade), [.field(.price), .number(95_000_000_000), .greater]),
            try Nodes.bars("bars", .node(0)),
        ])
        var tape = try GraphTape()
        try tape.trade("A", at: 1.5, price: 12)
        tape.seal(watermark: 20)
        try scene.take(tape)
        #expect(scene.bars.isEmpty)
        #expect(
            text(try scene.take(try change(.correct, 1, values: (120, 1))))
                == ["1 120-120-120-120 1"])
        #expect(text(try scene.take(try change(.restore, 1))) == ["withdrawn"])
    }

    @Test("a fetched trade is judged by stages as it was corrected")
    func fetched() throws {
        for keeping in [0, KeptTicks.stepsMax] {
            var scene = try scene(
                [
                    Nodes.deduplicate("once", .ticks(.trade)),
                    try Nodes.bars("bars", .node(0)),
                ], keeping: keeping)
            var tape = try GraphTape()
            try tape.trade("A", at: 1.4, price: 10, id: 1)
            tape.seal(watermark: 20)
            try tape.trade("A", at: 1.5, price: 12, id: 2, flags: .backfilled)
            try tape.gap("A", from: 1, to: 2, state: .filled)
            tape.seal(watermark: 21)
            try scene.take(tape)
            #expect(text(scene.bars).last == "2 10-12-10-12 2")
            #expect(
                text(try scene.take(try change(.correct, 2, values: (14, 1))))
                    == ["2 10-14-10-14 2"])
            #expect(text(try scene.take(try change(.cancel, 2))) == ["1 10-10-10-10 1"])
        }
    }

    @Test("a trade of people is changed by its own address")
    func ofPeople() throws {
        var scene = try scene()
        var tape = try GraphTape()
        try tape.trade("A", at: 1.4, price: 10)
        tape.seal(watermark: 20)
        try scene.take(tape)
        var people = GraphTape(.manual, of: SourceName("one"))
        try people.trade("A", at: 1.5, price: 30, flags: .backfilled)
        try people.request("A", from: 0, to: 2)
        people.seal(watermark: 0)
        #expect(text(try scene.take(people)) == ["2 10-30-10-30 2"])
        #expect(
            text(try scene.take(try change(.cancel, 1, source: "manual"))) == ["1 10-10-10-10 1"])
    }
}
