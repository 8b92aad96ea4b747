import MarketModel
import OperatorGraph
import Primitives
import ServiceTestSupport
import StreamCore
import TapeCodec
import Testing

@testable import OperatorWorker

/// A repair that an owner cannot do, but the next one perhaps could.
@Suite("Repairs that are refused")
struct RefusedRepairTests {
    private static let day: Int64 = 864_000

    /// Two days of trades, closed, and a request for both.
    private func asked(_ bench: OperatorBench) throws -> RepairScene {
        var scene = try RepairScene(bench.tape)
        scene.trades(0..<10)
        scene.trades(Self.day..<Self.day + 10)
        bench.take(scene.source.seal(watermark: RepairScene.time(2 * Self.day)))
        try settle(bench)
        scene.request(0, Self.day + 20)
        bench.take(scene.people.seal(watermark: RepairScene.noWatermark))
        return scene
    }

    private func settle(_ bench: OperatorBench) throws {
        #expect(bench.drain())
        bench.core.acknowledge(try #require(try bench.lastHeader()))
    }

    private func found(_ bench: OperatorBench) throws -> BarsOnTape {
        try settle(bench)
        #expect(bench.core.stopped == nil)
        let found = try bench.onTape()
        #expect(found.problems.isEmpty, "\(found.problems)")
        return found
    }

    /// Puts the bench's core behind a checkpoint, as the next owner would be.
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
                standing: checkpoint.output, input: input, number: 1),
            lane: bench.bars)
    }

    @Test("nothing more is computed before a checkpoint behind the refusal is stored")
    func holds() throws {
        let bench = try OperatorBench(namespace: "rr1", series: "1s")
        var scene = try asked(bench)
        #expect(bench.core.repairNeeds != nil)
        let refused = bench.core.refuseRepair()
        #expect(refused.map(\.from) == [RepairScene.start])
        // The second day is not begun, nor a packet taken.
        #expect(bench.core.repairNeeds == nil && bench.core.mustHold)
        let first = try #require(try bench.core.checkpoint(now: 1))
        bench.core.notStored(now: 1)
        #expect(bench.core.mustHold && bench.core.repairNeeds == nil)
        let image = try #require(try bench.core.checkpoint(now: .max / 2))
        #expect(first.bytes == image.bytes)
        bench.core.stored()
        #expect(bench.core.repairNeeds != nil)
        bench.repair()
        #expect(!bench.core.mustHold)
        scene.trade(2 * Self.day + 1)
        bench.take(scene.source.seal(watermark: RepairScene.time(3 * Self.day)))
        let reasons = try found(bench).all.map(\.reason)
        #expect(reasons.count { $0 == BarReason.repair.rawValue } == 1)
    }

    @Test("an owner before that checkpoint was stored leaves nothing that contradicts the next one")
    func crashes() throws {
        let first = try OperatorBench(namespace: "rr2", series: "1s")
        _ = try asked(first)
        _ = first.core.refuseRepair()
        let before = try found(first).all.count
        // The next owner can read it: the bars follow where the first one stopped.
        let second = try OperatorBench(first.tape, series: "1s")
        for packet in first.taken { second.take(packet) }
        second.repair()
        let found = try found(second)
        #expect(found.all.count == before + 2)
        #expect(found.all.suffix(2).allSatisfy { $0.reason == BarReason.repair.rawValue })
    }

    @Test("an owner behind that checkpoint goes on with the days that are still to be read")
    func goesOn() throws {
        let bench = try OperatorBench(namespace: "rr3", series: "1s")
        _ = try asked(bench)
        _ = bench.core.refuseRepair()
        #expect(bench.drain())
        let image = try #require(try bench.core.checkpoint(now: 1))
        try restore(bench, image)
        #expect(bench.core.isRepairing && bench.core.mustHold)
        let needs = try #require(bench.core.repairNeeds)
        #expect(needs.ranges.map(\.from).allSatisfy { $0 > RepairScene.start })
        bench.repair()
        #expect(!bench.core.mustHold)
        let found = try found(bench)
        #expect(found.all.count { $0.reason == BarReason.repair.rawValue } == 1)
        #expect(found.inputs.last?.sequence == 2)
    }

    @Test("a request of which no bar comes is told at once, with time standing still")
    func told() throws {
        let bench = try OperatorBench(namespace: "rr4", series: "1s")
        var scene = try asked(bench)
        _ = bench.core.refuseRepair()
        _ = try bench.core.checkpoint(now: 1)
        bench.core.stored()
        _ = bench.core.refuseRepair()
        _ = try bench.core.checkpoint(now: .max / 2)
        bench.core.stored()
        #expect(try found(bench).inputs.last?.sequence == 2)
        // There is no such time, and nothing to read again.
        scene.request(90, 91)
        bench.take(scene.people.seal(watermark: RepairScene.noWatermark))
        bench.repair()
        #expect(try found(bench).inputs.last?.sequence == 3)
    }

    @Test("days behind a refused one are refused with it when they are more than can be kept")
    func bounded() throws {
        let day = RepairAgenda.dayNanoseconds
        func ranges(_ count: Int) -> [DirtyRange] {
            [DirtyRange(symbol: 0, from: 0, to: 1, reason: 0)]
                + (0..<count).map {
                    DirtyRange(symbol: UInt32($0), from: day, to: day + 1, reason: 0)
                }
        }
        for (count, refused) in [
            (RepairAgenda.pendingMax, 1),
            (RepairAgenda.pendingMax + 1, RepairAgenda.pendingMax + 2),
        ] {
            var agenda = RepairAgenda(
                ranges(count), at: .before(.undefined), isHidden: false)
            #expect(agenda.refuseDay().count == refused)
            #expect(agenda.pending.count == ranges(count).count - refused)
        }
    }
}
