import MarketModel
import NatsTransport
import OperatorGraph
import Primitives
import ServiceTestSupport
import StreamCore
import TapeCodec
import TapeProtocol
import TapeTransport
import Testing

@testable import OperatorWorker
@testable import OperatorWorkerTests

/// Repairs that an owner cannot do but its successor perhaps could, and the reverse.
@Suite("Repairs that are refused")
struct RefusedRepairTests {
    /// In tenths of a second.
    private static let day: Int64 = 864_000

    /// Publishes two days of closed trades, and a request for both days.
    private func asked(_ bench: OperatorBench) throws -> RepairScene {
        var scene = try RepairScene(bench.tape)
        scene.trades(0..<10)
        scene.trades(Self.day..<Self.day + 10)
        bench.take(scene.source.seal(watermark: RepairScene.time(2 * Self.day)))
        try settle(bench)
        scene.requestRepair(0, Self.day + 20)
        bench.take(scene.people.seal(watermark: RepairScene.noWatermark))
        return scene
    }

    private func settle(_ bench: OperatorBench) throws {
        #expect(bench.drain())
        bench.core.acknowledge(try #require(try bench.lastHeader()))
    }

    private func checkedBars(of bench: OperatorBench) throws -> BarsOnTape {
        try settle(bench)
        #expect(bench.core.stopped == nil)
        let found = try bench.barsOnTape()
        #expect(found.problems.isEmpty, "\(found.problems)")
        return found
    }

    private func repairs(_ found: BarsOnTape) -> Int {
        found.all.count { $0.reason == BarReason.repair.rawValue }
    }

    /// Restores the bench's core from a checkpoint, as for the next owner.
    private func restore(_ bench: OperatorBench, _ image: CheckpointImage) throws {
        let program = bench.settings.program
        let (checkpoint, machine) = try image.bytes.withRawSpan { bytes throws(CheckpointError) in
            try OperatorCheckpoint.restore(bytes) { state throws(CheckpointError) in
                try GraphMachine(program, restoring: state)
            }
        }
        let input = try #require(checkpoint.input.withRawSpan { CheckpointInput($0) })
        bench.core = PartitionOperator(
            partition: Partition(0), settings: bench.settings,
            beginning: Beginning(
                way: .checkpoint, machine: machine, output: checkpoint.output,
                published: checkpoint.output, input: input, number: 1),
            lane: bench.bars)
    }

    @Test("the refusal of a day stands on the tape, and the days behind it go on")
    func stands() throws {
        let bench = try OperatorBench(namespace: "rr1", series: "1s")
        _ = try asked(bench)
        #expect(bench.core.repairPart?.isDoneBefore == false)
        let answer = bench.core.refuseRepair(.retention, "too old")
        let refused = try #require(answer)
        #expect(refused.from == RepairScene.start && refused.count == 1)
        try bench.repair()
        #expect(!bench.core.mustHold)
        let found = try checkedBars(of: bench)
        #expect(repairs(found) == 1)
        let value = try #require(found.values.first)
        #expect(found.values.count == 1 && value.name == "repair.refused.retention")
        let verdict = try #require(RefusedRepair(value))
        #expect(verdict == RefusedRepair(refused, sequence: 2))
        #expect(found.inputs.last?.sequence == 2)
    }

    @Test("an owner who could do it comes to the same verdict, and the same output behind it")
    func sameVerdict() throws {
        let first = try OperatorBench(namespace: "rr2", series: "1s")
        _ = try asked(first)
        _ = first.core.refuseRepair(.retention, "too old")
        try first.repair()
        let before = try checkedBars(of: first)
        #expect(repairs(before) == 1)
        // Without a checkpoint, from the start, with the complete tape available.
        let second = try OperatorBench(first.tape, series: "1s")
        for packet in first.taken { second.take(packet) }
        try second.repair()
        let again = try checkedBars(of: second)
        #expect(again.all == before.all && again.values == before.values)
        #expect(second.core.isCaughtUp && second.core.refused.isEmpty)
    }

    @Test("a refusal that did not get onto the tape binds nobody")
    func judgedAnew() throws {
        let first = try OperatorBench(namespace: "rr3", series: "1s")
        _ = try asked(first)
        let before = try checkedBars(of: first).all.count
        _ = first.core.refuseRepair(.retention, "too old")
        let second = try OperatorBench(first.tape, series: "1s")
        for packet in first.taken { second.take(packet) }
        try second.repair()
        #expect(try checkedBars(of: second).all.count == before + 2)
    }

    @Test("what stands was computed again: an owner who cannot do it stops, and says how to go on")
    func cannotRepeat() throws {
        let first = try OperatorBench(namespace: "rr4", series: "1s")
        _ = try asked(first)
        try first.repair()
        _ = try checkedBars(of: first)
        let second = try OperatorBench(first.tape, series: "1s")
        for packet in first.taken { second.take(packet) }
        #expect(try second.asks())
        #expect(second.core.repairPart?.isDoneBefore == true)
        #expect(second.core.refuseRepair(.retention, "too old") == nil)
        let stopped = try #require(second.core.stopped)
        #expect(stopped.contains("cannot be done once more (too old)"))
        #expect(stopped.contains("tapeline partition rebuild 0"))
    }

    @Test("an owner behind a checkpoint between two days goes on with those still to be read")
    func goesOn() throws {
        let bench = try OperatorBench(namespace: "rr5", series: "1s")
        _ = try asked(bench)
        #expect(try bench.core.checkpoint(now: .at(1), isLast: true) == nil)
        _ = bench.core.refuseRepair(.retention, "too old")
        try settle(bench)
        let image = try #require(try bench.core.checkpoint(now: .at(1)))
        try restore(bench, image)
        #expect(bench.core.hasRepair && bench.core.mustHold)
        let needs = try #require(bench.core.repairPart)
        #expect(needs.ranges.map(\.from).allSatisfy { $0 > RepairScene.start })
        try bench.repair()
        #expect(!bench.core.mustHold)
        let found = try checkedBars(of: bench)
        #expect(repairs(found) == 1)
        #expect(found.inputs.last?.sequence == 2)
    }

    @Test("a request of which no bar comes is told at once, with time standing still")
    func told() throws {
        let bench = try OperatorBench(namespace: "rr6", series: "1s")
        var scene = try asked(bench)
        try bench.repair()
        // No such time exists, and there is nothing to read again.
        scene.requestRepair(90, 91)
        bench.take(scene.people.seal(watermark: RepairScene.noWatermark))
        try bench.repair()
        #expect(try checkedBars(of: bench).inputs.last?.sequence == 3)
    }

    @Test("a refusal names a symbol of several sources, and none when it concerns several symbols")
    func named() throws {
        var tables = PartitionTables()
        for name in ["one", "two"] {
            let known = tables.source(try #require(SourceName(name)))
            let source = try #require(known)
            for symbol in ["A", "B"] {
                let subscription = Subscription(
                    symbol: try #require(Symbol(symbol)), provider: "test", since: .undefined)
                _ = tables.define(subscription, source: source)
            }
        }
        func refused(_ symbols: [UInt32]) throws -> RefusedRanges {
            try #require(
                RefusedRanges(
                    .long, symbols.map { DirtyRange(symbol: $0, from: 0, to: 1, reason: 0) }))
        }
        // The first symbol has the indexes 0 and 2.
        var own = try refused([0, 2, 0])
        #expect(own.areOfOneSymbol(tables.symbols) && own.count == 3)
        own.add(try refused([2]))
        #expect(own.areOfOneSymbol(tables.symbols))
        own.add(try refused([1]))
        #expect(!own.areOfOneSymbol(tables.symbols))
        #expect(try !refused([0, 3]).areOfOneSymbol(tables.symbols))
    }

    @Test("between two days no state is kept with more ranges than it can hold")
    func bounded() throws {
        let day = RepairAgenda.dayNanoseconds
        func ranges(_ count: Int) -> [DirtyRange] {
            [DirtyRange(symbol: 0, from: 0, to: 1, reason: 0)]
                + (0..<count).map {
                    DirtyRange(symbol: UInt32($0), from: day, to: day + 1, reason: 0)
                }
        }
        for (count, isKept) in [
            (RepairAgenda.pendingMax, true), (RepairAgenda.pendingMax + 1, false),
        ] {
            var agenda = RepairAgenda(
                ranges(count), at: .before(.undefined), isHidden: false)
            #expect(agenda.pending == nil)
            agenda.endDay()
            #expect((agenda.pending != nil) == isKept)
        }
    }

    @Test("ranges that are too long or have not begun are refused at once, and others end in time")
    func atOnce() throws {
        let bench = try OperatorBench(namespace: "rr7", series: "1s")
        var scene = try asked(bench)
        try bench.repair()
        let now = 2 * Self.day
        for _ in 0..<3 { scene.requestRepair(-40 * Self.day, 0) }
        scene.requestRepair(now + 601, now + 700)
        // However far the request reaches, only the past counts.
        scene.requestRepair(now - 10, now + 40 * Self.day)
        bench.take(scene.people.seal(watermark: RepairScene.noWatermark))
        #expect(bench.core.refused.map(\.reason) == [.long, .future])
        #expect(bench.core.refused.map(\.count) == [3, 1])
        let needs = try #require(bench.core.repairPart)
        #expect(needs.ranges.count == 1)
        #expect(needs.ranges.first?.to == RepairScene.time(now + 600).nanoseconds)
        try bench.repair()
        let found = try checkedBars(of: bench)
        #expect(
            found.values.map(\.name) == ["repair.refused.long", "repair.refused.future"])
        #expect(found.values.compactMap { RefusedRepair($0) }.map(\.sequence) == [3, 3])
        // They are not reported, so they do not grow.
        for _ in 0..<3 {
            scene.requestRepair(-40 * Self.day, 0)
            bench.take(scene.people.seal(watermark: RepairScene.noWatermark))
        }
        #expect(bench.core.refused.map(\.count) == [6, 1])
    }

    @Test("an owner who cannot learn what was made of a repair does not guess, and stops")
    func purged() throws {
        let first = try OperatorBench(namespace: "rr8", series: "1s")
        _ = try asked(first)
        _ = first.core.refuseRepair(.retention, "too old")
        try first.repair()
        _ = try checkedBars(of: first)
        let second = try OperatorBench(first.tape, series: "1s")
        for packet in first.taken { second.take(packet) }
        let ordinal = try #require(second.core.precedentOrdinal)
        let responder = RepairResponder(
            names: first.tape.names, jetStream: first.tape.client.jetStream)
        let stands = try responder.precedent(at: ordinal, of: Partition(0))
        guard case .refused = stands else {
            Issue.record("\(stands)")
            return
        }
        _ = try first.tape.client.jetStream.purge(
            stream: first.tape.names.barStream, below: 1_000)
        let gone = try responder.precedent(at: ordinal, of: Partition(0))
        #expect(gone == .purged)
        second.core.takePrecedent(gone)
        #expect(second.core.repairPart == nil)
        let stopped = try #require(second.core.stopped)
        #expect(stopped.contains("is not on its tape of bars any more"))
        #expect(stopped.contains("tapeline partition rebuild 0"))
    }
}
