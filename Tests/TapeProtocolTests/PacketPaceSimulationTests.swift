import Primitives
import Seeds
import TapeProtocol
import Testing

/// Gateways on simulated disks. All times are of the simulated clock.
@Suite struct PacketPaceSimulationTests {
    private static let millisecond: Int64 = 1_000_000
    private static let seconds: Int64 = 4

    private func run(
        _ aim: PacketPace.Aim?, _ disk: SimulatedDisk, gateways: Int = 1, ticks: Int, seed: UInt64,
        packets: Int = 2_000
    ) -> [PaceOutcome] {
        var tape = SimulatedTape(
            aim.map { PacketPace.Settings(aim: $0, packetsPerSecond: packets) }, disk: disk,
            gateways: gateways, ticksPerSecond: ticks, seed: seed)
        return tape.run(seconds: Self.seconds)
    }

    private func shown(_ outcome: PaceOutcome, _ seed: UInt64) -> Comment {
        """
        TAPELINE_SEED=\(seed): wait p50 \(outcome.wait(0.5) / 1_000) us, \
        p99 \(outcome.wait(0.99) / 1_000) us, to answer \
        p50 \(outcome.latency(0.5) / 1_000) us, p99 \(outcome.latency(0.99) / 1_000) us, \
        \(outcome.packets / Int(Self.seconds)) packets/s in \
        \(outcome.departures / Int(Self.seconds)) turns, largest \(outcome.largestPacket)
        """
    }

    @Test(
        "quick: few ticks leave immediately, many in cycles of the aim",
        arguments: [(100, 5), (1_000, 8), (10_000, 12), (50_000, 12)])
    func quick(ticks: Int, milliseconds: Int64) {
        for seed in Seeds(fixed: 1...2, weight: 0.02).all() {
            let outcome = run(.quick, .quick, ticks: ticks, seed: seed)[0]
            let text = shown(outcome, seed)
            #expect(outcome.latency(0.99) <= milliseconds * Self.millisecond, text)
            #expect(outcome.packets <= 1_150 * Int(Self.seconds), text)
        }
    }

    @Test("quick: packets that are frequent leave together, most after a beat, all after a cycle")
    func together() {
        let turn = Self.millisecond
        for seed in Seeds(fixed: 1...2, weight: 0).all() {
            for disk in [SimulatedDisk.immediate, .quick] {
                let outcome = run(.quick, disk, ticks: 1_000, seed: seed)[0]
                let text = shown(outcome, seed)
                // Some packets of a beat wait for the first answer of their stream.
                #expect(2 * outcome.packets >= 5 * outcome.departures, text)
                let longest = outcome.wait(disk.isImmediate ? 1 : 0.98)
                #expect(longest <= 7 * Self.millisecond + turn, text)
                #expect(outcome.wait(0.95) <= PacketBeat.nanosecondsMax + turn, text)
            }
            let rare = run(.quick, .immediate, ticks: 100, seed: seed)[0]
            #expect(rare.wait(1) <= turn, shown(rare, seed))
            // With many ticks the lanes leave together at the end of a cycle.
            let many = run(.quick, .quick, ticks: 10_000, seed: seed)[0]
            #expect(many.packets >= 6 * many.departures, shown(many, seed))
            // A turn is a wake-up. Most of them are pauses that have ended.
            #expect(many.turns <= 650 * Int(Self.seconds), "TAPELINE_SEED=\(seed): \(many.turns)")
        }
    }

    @Test("quick: a burst after a silence leaves immediately, as far as the streams take it")
    func burst() {
        for lanes in [1, 8] {
            var pace = PacketPace(PacketPace.Settings(), streams: (0..<lanes).map { [$0] })
            var now = MonotonicTime.at(0)
            var chosen: [Int] = []
            func turn(_ lanesWithTicks: ClosedRange<Int>) -> Int {
                pace.choose(now: now, into: &chosen) { lane in
                    PacketPace.LaneState(
                        hasTicks: lanesWithTicks.contains(lane), isFull: false, isReady: true,
                        busySince: nil)
                }
                for lane in chosen { pace.acknowledged(lane: lane, now: now) }
                return chosen.count
            }
            // A cycle of a lane is 7 ms, and of eight lanes 20 ms.
            for _ in 0...980 {
                _ = turn(0...lanes - 1)
                now += Self.millisecond
            }
            // Nothing leaves before the next cycle.
            #expect(pace.pauseNanoseconds(now: now) > 0)
            for _ in 0..<10 {
                now += 1_000 * Self.millisecond
                #expect(pace.pauseNanoseconds(now: now) == 0)
                #expect(turn(0...lanes - 1) == lanes)
            }
        }
    }

    @Test(
        "frugal: each tick within the aim, with few packets",
        arguments: [100, 1_000, 10_000, 50_000])
    func frugal(ticks: Int) {
        for seed in Seeds(fixed: 1...2, weight: 0.02).all() {
            let outcome = run(.frugal, .quick, ticks: ticks, seed: seed)[0]
            let text = shown(outcome, seed)
            #expect(outcome.latency(0.99) <= 100 * Self.millisecond, text)
            #expect(outcome.packets <= 100 * Int(Self.seconds), text)
            // The lanes leave together, as far as the streams take them.
            #expect(outcome.departures <= 25 * Int(Self.seconds), text)
            let quick = run(.quick, .quick, ticks: ticks, seed: seed)[0]
            #expect(outcome.packets < quick.packets, text)
        }
    }

    @Test(
        "a slow disk has larger packets, no longer queue and no spool",
        arguments: [SimulatedDisk.slow, SimulatedDisk.threeCopies, Self.slowShared],
        [PacketPace.Aim.quick, .frugal])
    func slow(disk: SimulatedDisk, aim: PacketPace.Aim) {
        for seed in Seeds(kept: [1], weight: 0.02).all() {
            let paced = run(aim, disk, ticks: 20_000, seed: seed)[0]
            let unpaced = run(nil, disk, ticks: 20_000, seed: seed)[0]
            let text: Comment = "\(shown(paced, seed)), unpaced \(shown(unpaced, seed))"
            // An answer after a second begins the spool, and so does a full packet.
            #expect(paced.longestAnswer < 500 * Self.millisecond, text)
            #expect(paced.largestPacket < 1_024, text)
            // The frugal aim collects ticks on purpose, as long as the disk lets it.
            let floor = aim == .quick ? 30 * Self.millisecond : 110 * Self.millisecond
            #expect(paced.latency(0.99) <= max(floor, unpaced.latency(0.99) * 105 / 100), text)
        }
    }

    /// All streams on one disk that takes 4 ms for each packet.
    private static let slowShared = SimulatedDisk(packetNanoseconds: 4_000_000, isShared: true)

    @Test("while a disk stalls ticks wait together, and soon after it they are quick again")
    func stalls() {
        for seed in Seeds(fixed: 1...2, weight: 0.02).all() {
            let outcome = run(.quick, .stalling, ticks: 10_000, seed: seed)[0]
            let text = shown(outcome, seed)
            #expect(outcome.longestAnswer < 500 * Self.millisecond, text)
            #expect(outcome.largestPacket < 1_024, text)
            // A stall of 300 ms in 2 s concerns 15 % of the ticks, and a few after it.
            #expect(outcome.latency(0.80) <= 30 * Self.millisecond, text)
            #expect(outcome.latency(1) <= 380 * Self.millisecond, text)
        }
    }

    @Test(
        "gateways that share a disk share it fairly, and are not slower than without a pace",
        arguments: [SimulatedDisk.quick, .slow, Self.slowShared])
    func shared(disk: SimulatedDisk) {
        for seed in Seeds(kept: [1], weight: 0.02).all() {
            let paced = run(.quick, disk, gateways: 4, ticks: 4_000, seed: seed)
            let unpaced = run(nil, disk, gateways: 4, ticks: 4_000, seed: seed)
            let packets = paced.map(\.packets)
            #expect(2 * packets.min()! > packets.max()!, "TAPELINE_SEED=\(seed): \(packets)")
            for (one, other) in zip(paced, unpaced) {
                let text: Comment = "\(shown(one, seed)), unpaced \(shown(other, seed))"
                #expect(one.longestAnswer < 800 * Self.millisecond, text)
                #expect(one.largestPacket < 1_024, text)
                let most = max(30 * Self.millisecond, other.latency(0.99) * 105 / 100)
                #expect(one.latency(0.99) <= most, text)
            }
        }
    }

    @Test("the packets per second are a ceiling with any aim", arguments: [50, 400])
    func ceiling(packets: Int) {
        for aim: PacketPace.Aim in [.quick, .frugal, .collect(1_000_000)] {
            let outcome = run(aim, .quick, ticks: 10_000, seed: 1, packets: packets)[0]
            let most = packets * Int(Self.seconds) + packets / 20 + 1
            #expect(outcome.packets <= most, "\(aim)")
            // The frugal aim alone has about 90 packets a second.
            #expect(outcome.packets > min(most, 80 * Int(Self.seconds)) * 9 / 10, "\(aim)")
        }
    }
}
