import MarketModel
import Primitives
import ServiceTestSupport
import TapeCodec
import TapeProtocol
import TestSupport
import Testing

@testable import OperatorWorker
@testable import OperatorWorkerTests

/// Owners of one partition, one after the other, each lost at a random point. For some, the tape of
/// ticks does not reach back far enough for a repair. All from a seed.
@Suite("Owners that see other tapes")
struct RepairOwnersTests {
    private static let day: Int64 = 864_000
    private static let owners = 6

    /// Returns two days of trades, with requests of people for parts of them in between.
    private func packets(
        _ tape: TestTape, _ random: inout SeededRandom
    ) throws -> [SealedPacket] {
        var scene = try RepairScene(tape)
        scene.trades(0..<20)
        scene.trades(Self.day..<Self.day + 20)
        var now = 2 * Self.day
        var packets = [scene.source.seal(watermark: RepairScene.time(now))]
        for _ in 0..<6 {
            let day = Self.day * Int64.random(in: 0...1, using: &random)
            let from = day + Int64.random(in: 0..<20, using: &random)
            let length = Int64.random(in: 1...Self.day + 20, using: &random)
            // A late trade, so that not every repair reproduces the stored bars.
            scene.trade(from, price: Int64.random(in: 1..<900, using: &random))
            packets.append(scene.source.seal(watermark: RepairScene.time(now)))
            scene.requestRepair(from, from + length)
            packets.append(scene.people.seal(watermark: RepairScene.noWatermark))
            if Bool.random(using: &random) {
                scene.trade(now)
                now += 100
                packets.append(scene.source.seal(watermark: RepairScene.time(now)))
            }
        }
        return packets
    }

    @Test("all of them leave one line of output, which an able owner makes again", arguments: 1...8)
    func owners(seed: Int) throws {
        var random = SeededRandom(seed: UInt64(seed))
        let tape = try TestTape(NatsServer.shared(), namespace: "ro\(seed)")
        let packets = try packets(tape, &random)
        for owner in 1...Self.owners {
            let bench = try OperatorBench(tape, series: "1s")
            let isLast = owner == Self.owners
            let count = isLast ? packets.count : Int.random(in: 1...packets.count, using: &random)
            for packet in packets[..<count] {
                bench.take(packet)
                while try bench.asks() {
                    // The tape still holds what was used before; the margin guarantees that.
                    let needs = try #require(bench.core.repairPart)
                    if needs.isDoneBefore || Bool.random(using: &random) {
                        bench.repairOnce()
                    } else {
                        _ = bench.core.refuseRepair(.retention, "seed \(seed)")
                    }
                    if Int.random(in: 0..<4, using: &random) == 0 { #expect(bench.drain()) }
                }
            }
            if isLast || Bool.random(using: &random) { #expect(bench.drain()) }
            #expect(bench.core.stopped == nil, "seed \(seed), owner \(owner)")
        }
        let found = try BarsOnTape(tape, 0)
        #expect(found.problems.isEmpty, "seed \(seed): \(found.problems)")
        let last = try OperatorBench(tape, series: "1s")
        for packet in packets {
            last.take(packet)
            try last.repair()
        }
        #expect(last.core.stopped == nil && last.core.isCaughtUp, "seed \(seed)")
        let output = found.all.count + found.late.count + found.values.count
        #expect(last.core.tally.suppressed == UInt64(output), "seed \(seed)")
        #expect(try BarsOnTape(tape, 0).all == found.all)
    }
}
