import MarketModel
import Primitives
import ServiceTestSupport
import StreamCore
import TapeCodec
import TapeProtocol
import TapeTransport
import Testing

@testable import OperatorWorker
@testable import OperatorWorkerTests

/// How one partition handles packets that change the past. The test reads the packets again.
@Suite("Repairs of one partition")
struct PartitionRepairTests {
    /// Returns three seconds of closed trades. Then one trade is cancelled, one is corrected, late
    /// ones come, some are backfilled, and a person requests a repair of a part.
    private func packets(_ tape: TestTape) throws -> [SealedPacket] {
        var scene = try RepairScene(tape)
        var packets: [SealedPacket] = []
        func seal(_ scene: inout RepairScene, _ tenth: Int64) {
            packets.append(scene.source.seal(watermark: RepairScene.time(tenth)))
        }
        for second in 0..<3 as Range<Int64> {
            scene.trades(second * 10..<second * 10 + 10)
            seal(&scene, second * 10 + 10)
        }
        scene.trades(90..<95)
        seal(&scene, 95)
        scene.trade(3, action: .cancel)
        seal(&scene, 96)
        scene.trade(14, price: 500, action: .correction)
        scene.trade(96)
        seal(&scene, 97)
        scene.trade(5, price: 900)
        scene.trade(6, price: 901)
        seal(&scene, 98)
        scene.trade(40, flags: .backfilled)
        scene.trade(41, flags: .backfilled)
        scene.fillGap(40, 42)
        scene.trade(97)
        seal(&scene, 98)
        scene.requestRepair(0, 10)
        packets.append(scene.people.seal(watermark: RepairScene.noWatermark))
        scene.trades(98..<100)
        seal(&scene, 200)
        return packets
    }

    /// Publishes what is left, and returns the bars on the tape, in which nothing may be wrong.
    private func checkedBars(of bench: OperatorBench) throws -> BarsOnTape {
        #expect(bench.drain())
        #expect(bench.core.stopped == nil && !bench.core.hasRepair)
        let found = try bench.barsOnTape()
        #expect(found.problems.isEmpty, "\(found.problems)")
        return found
    }

    @Test("each gives further versions, with its reason, behind what its packet made by itself")
    func reasons() throws {
        let bench = try OperatorBench(namespace: "pr1", series: "1s")
        for packet in try packets(bench.tape) {
            bench.take(packet)
            try bench.repair()
        }
        let found = try checkedBars(of: bench)
        let reasons = found.all.map(\.reason)
        #expect(reasons.contains(BarReason.bust.rawValue))
        #expect(reasons.contains(BarReason.backfill.rawValue))
        #expect(reasons.contains(BarReason.repair.rawValue))
        let newest = found.newest("1s")
        let second: Int64 = 1_000_000_000
        let first = try #require(newest[RepairScene.start])
        // Ten trades, minus the cancelled one, plus two late ones whose repair was requested.
        #expect(first.trades == 11 && first.reason == BarReason.repair.rawValue)
        #expect(first.high.raw == 901 * second)
        let corrected = try #require(newest[RepairScene.start + second])
        #expect(corrected.trades == 10 && corrected.high.raw == 500 * second)
        #expect(corrected.reason == BarReason.bust.rawValue)
        let filled = try #require(newest[RepairScene.start + 4 * second])
        #expect(filled.trades == 2 && filled.reason == BarReason.backfill.rawValue)
    }

    @Test("a bar whose only trade is taken back is withdrawn, and its window may have one again")
    func withdrawn() throws {
        let bench = try OperatorBench(namespace: "pr7", series: "1s")
        var scene = try RepairScene(bench.tape)
        scene.trades(0..<10)
        scene.trade(12)
        bench.take(scene.source.seal(watermark: RepairScene.time(100)))
        scene.trade(12, action: .cancel)
        bench.take(scene.source.seal(watermark: RepairScene.time(101)))
        try bench.repair()
        let end = RepairScene.start + 1_000_000_000
        let gone = try #require(try checkedBars(of: bench).newest("1s")[end])
        #expect(gone.flags.contains(.withdrawn) && gone.flags.contains(.final))
        #expect(gone.trades == 0 && !gone.open.isDefined && gone.volume == 0)
        #expect(gone.reason == BarReason.bust.rawValue)
        scene.trade(13, flags: .backfilled)
        scene.fillGap(10, 20)
        bench.take(scene.source.seal(watermark: RepairScene.time(102)))
        try bench.repair()
        let back = try #require(try checkedBars(of: bench).newest("1s")[end])
        #expect(back.trades == 1 && !back.flags.contains(.withdrawn))
        #expect(back.reason == BarReason.backfill.rawValue)
    }

    @Test("late ticks stand on the tape behind the bars of their packet, with their identity")
    func lateTicks() throws {
        let bench = try OperatorBench(namespace: "pr2", series: "1s")
        var scene = try RepairScene(bench.tape)
        scene.trades(0..<10)
        bench.take(scene.source.seal(watermark: RepairScene.time(200)))
        scene.trade(5, price: 900)
        bench.take(scene.source.seal(watermark: RepairScene.time(300)))
        let found = try checkedBars(of: bench)
        let late = try #require(found.late.first)
        #expect(found.late.count == 1 && found.bars.count == 1)
        #expect(late.ordinal == 11 && late.source.text == "test")
        #expect(late.reason == LateTickReason.windowClosed.rawValue)
        #expect(late.price.raw == 900_000_000_000 && late.openTime == RepairScene.time(0))
        #expect(bench.core.tally.late == 1)
        // Refusals are output like bars: a repeated one is suppressed.
        let second = try OperatorBench(bench.tape, series: "1s")
        var again = try RepairScene(bench.tape)
        again.trades(0..<10)
        second.take(again.source.seal(watermark: RepairScene.time(200)))
        again.trade(5, price: 901)
        second.take(again.source.seal(watermark: RepairScene.time(300)))
        #expect(second.core.stopped?.contains("output 2") == true)
    }

    @Test("a packet that asks for a repair holds the next one, and no state is kept before it")
    func holds() throws {
        let bench = try OperatorBench(namespace: "pr3", series: "1s")
        let packets = try packets(bench.tape)
        for packet in packets[..<4] {
            bench.take(packet)
            try bench.repair()
        }
        _ = try checkedBars(of: bench)
        bench.take(packets[4])
        #expect(bench.core.hasRepair && bench.core.mustHold)
        #expect(bench.drain())
        #expect(try bench.core.checkpoint(now: .at(.max / 2), isLast: true) == nil)
        let told = try bench.barsOnTape().inputs.last?.sequence
        #expect(told ?? 0 < 5)
        _ = bench.core.refuseRepair(.missing, "")
        #expect(!bench.core.hasRepair && bench.core.schedule.isDueAtOnce)
    }

    /// How far a repair has come when its owner dies.
    enum Cut: Int, CaseIterable {
        case asked, begun, noted, half, finished
    }

    @Test("an owner that is lost in a repair leaves the next one the same bars", arguments: 0..<6)
    func crashes(_ place: Int) throws {
        let whole = try OperatorBench(namespace: "pr4\(place)", series: "1s")
        for packet in try packets(whole.tape) {
            whole.take(packet)
            try whole.repair()
        }
        let expected = try checkedBars(of: whole)
        for cut in Cut.allCases {
            let first = try OperatorBench(
                namespace: "pr5\(place)\(cut.rawValue)", series: "1s")
            let packets = try packets(first.tape)
            for packet in packets[..<(4 + place)] {
                first.take(packet)
                try first.repair()
            }
            if place % 2 == 0 { #expect(first.drain()) }
            if place + 4 < packets.count { first.take(packets[4 + place]) }
            first.repair(cut)
            #expect(first.drain())
            let second = try OperatorBench(first.tape, series: "1s")
            for packet in packets {
                second.take(packet)
                try second.repair()
            }
            let again = try checkedBars(of: second)
            #expect(again.all == expected.all, "cut at \(cut)")
            #expect(again.late == expected.late, "cut at \(cut)")
        }
    }

    @Test("a range over several days is read day by day, and one over too many is refused")
    func days() throws {
        let bench = try OperatorBench(namespace: "pr6", series: "1s")
        var scene = try RepairScene(bench.tape)
        // In tenths of a second.
        let day: Int64 = 864_000
        scene.trades(0..<10)
        scene.trades(day..<day + 10)
        scene.trades(2 * day..<2 * day + 10)
        bench.take(scene.source.seal(watermark: RepairScene.time(3 * day)))
        scene.requestRepair(0, 2 * day + 20)
        bench.take(scene.people.seal(watermark: RepairScene.noWatermark))
        var readings = 0
        while let needs = bench.core.repairPart {
            #expect(needs.ranges.allSatisfy { $0.to - $0.from <= RepairAgenda.dayNanoseconds })
            readings += 1
            bench.repairOnce()
        }
        #expect(readings == 3)
        let found = try checkedBars(of: bench)
        #expect(found.all.count { $0.reason == BarReason.repair.rawValue } == 3)
        scene.requestRepair(-40 * day, 0)
        bench.take(scene.people.seal(watermark: RepairScene.noWatermark))
        #expect(!bench.core.hasRepair)
        #expect(bench.core.refused.map(\.reason) == [.long])
    }
}

extension OperatorBench {
    /// Carries out all requested repairs.
    func repair() throws { while try asks() { repairOnce() } }

    /// Determines what the previous owner made of the repair. Returns false if there is nothing to
    /// read.
    func asks() throws -> Bool {
        let responder = RepairResponder(names: tape.names, jetStream: tape.client.jetStream)
        while let ordinal = core.precedentOrdinal {
            core.takePrecedent(try responder.precedent(at: ordinal, of: Partition(0)))
        }
        return core.repairPart != nil
    }

    func repairOnce() { repair(.finished) }

    func repair(_ cut: PartitionRepairTests.Cut) {
        guard cut != .asked, let needs = core.repairPart else { return }
        core.beginRepair()
        guard cut != .begun else { return }
        read(Int(needs.until.sequence)) { $0.takeOfFirstPass($1, $2) }
        guard cut != .noted else { return }
        read(Int(needs.until.sequence) / (cut == .half ? 2 : 1)) { $0.takeOfSecondPass($1, $2) }
        guard cut == .finished else { return }
        _ = core.finishRepair()
    }

    private func read(
        _ count: Int, _ take: (inout PartitionOperator, PacketHeader, RawSpan) -> Void
    ) {
        for bytes in taken[..<count] {
            do {
                try bytes.withRawSpan { span throws(PacketError) in
                    take(&core, try PacketReader.validate(span), span)
                }
            } catch {
                Issue.record("\(error)")
            }
        }
    }
}
