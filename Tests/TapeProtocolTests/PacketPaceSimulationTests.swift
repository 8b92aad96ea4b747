import Primitives
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

    private func shown(_ outcome: PaceOutcome) -> Comment {
        """
        p50 \(outcome.latency(0.5) / 1_000) us, p99 \(outcome.latency(0.99) / 1_000) us, \
        \(outcome.packets / Int(Self.seconds)) packets/s, largest \(outcome.largestPacket)
        """
    }

    @Test(
        "quick: few ticks leave immediately, many in cycles of the aim",
        arguments: [(100, 5), (1_000, 8), (10_000, 25), (50_000, 25)])
    func quick(ticks: Int, milliseconds: Int64) {
        for seed in Seeds.fixed(2, fresh: 1) {
            let outcome = run(.quick, .quick, ticks: ticks, seed: seed)[0]
            #expect(
                outcome.latency(0.99) <= milliseconds * Self.millisecond,
                "seed \(seed): \(shown(outcome))")
            #expect(outcome.packets <= 1_610 * Int(Self.seconds), "seed \(seed)")
        }
    }

    @Test(
        "frugal: each tick within the aim, with few packets",
        arguments: [100, 1_000, 10_000, 50_000])
    func frugal(ticks: Int) {
        for seed in Seeds.fixed(2, fresh: 1) {
            let outcome = run(.frugal, .quick, ticks: ticks, seed: seed)[0]
            #expect(
                outcome.latency(0.99) <= 100 * Self.millisecond, "seed \(seed): \(shown(outcome))")
            #expect(outcome.packets <= 400 * Int(Self.seconds), "seed \(seed): \(shown(outcome))")
            let quick = run(.quick, .quick, ticks: ticks, seed: seed)[0]
            #expect(outcome.packets < quick.packets, "seed \(seed)")
        }
    }

    @Test(
        "a slow disk has larger packets, no longer queue and no spool",
        arguments: [SimulatedDisk.slow, SimulatedDisk.threeCopies, Self.slowShared],
        [PacketPace.Aim.quick, .frugal])
    func slow(disk: SimulatedDisk, aim: PacketPace.Aim) {
        for seed in Seeds.fixed(1, fresh: 1) {
            let paced = run(aim, disk, ticks: 20_000, seed: seed)[0]
            let unpaced = run(nil, disk, ticks: 20_000, seed: seed)[0]
            let text: Comment = "seed \(seed): \(shown(paced)), unpaced \(shown(unpaced))"
            // An answer after a second begins the spool, and so does a full packet.
            #expect(paced.longestAnswer < 500 * Self.millisecond, text)
            #expect(paced.largestPacket < 1_024, text)
            // The frugal aim collects ticks on purpose, as long as the disk lets it.
            let floor = aim == .quick ? 30 * Self.millisecond : 110 * Self.millisecond
            #expect(paced.latency(0.99) <= max(floor, unpaced.latency(0.99)), text)
        }
    }

    /// All streams on one disk that takes 4 ms for each packet.
    private static let slowShared = SimulatedDisk(packetNanoseconds: 4_000_000, isShared: true)

    @Test("while a disk stalls ticks wait together, and soon after it they are quick again")
    func stalls() {
        for seed in Seeds.fixed(2, fresh: 1) {
            let outcome = run(.quick, .stalling, ticks: 10_000, seed: seed)[0]
            #expect(outcome.longestAnswer < 500 * Self.millisecond, "seed \(seed)")
            #expect(outcome.largestPacket < 1_024, "seed \(seed)")
            // A stall of 300 ms in 2 s concerns 15 % of the ticks, and a few after it.
            #expect(
                outcome.latency(0.80) <= 30 * Self.millisecond, "seed \(seed): \(shown(outcome))")
            #expect(
                outcome.latency(1) <= 380 * Self.millisecond, "seed \(seed): \(shown(outcome))")
        }
    }

    @Test(
        "gateways that share a disk share it fairly, and are not slower than without a pace",
        arguments: [SimulatedDisk.quick, .slow, Self.slowShared])
    func shared(disk: SimulatedDisk) {
        for seed in Seeds.fixed(1, fresh: 1) {
            let paced = run(.quick, disk, gateways: 4, ticks: 4_000, seed: seed)
            let unpaced = run(nil, disk, gateways: 4, ticks: 4_000, seed: seed)
            let packets = paced.map(\.packets)
            #expect(2 * packets.min()! > packets.max()!, "seed \(seed): \(packets)")
            for (one, other) in zip(paced, unpaced) {
                let text: Comment = "seed \(seed): \(shown(one)), unpaced \(shown(other))"
                #expect(one.longestAnswer < 800 * Self.millisecond, text)
                #expect(one.largestPacket < 1_024, text)
                #expect(
                    one.latency(0.99) <= max(30 * Self.millisecond, other.latency(0.99)), text)
            }
        }
    }

    @Test("the packets per second are a ceiling with any aim", arguments: [50, 400])
    func ceiling(packets: Int) {
        for aim: PacketPace.Aim in [.quick, .frugal, .collect(1_000_000)] {
            let outcome = run(aim, .quick, ticks: 10_000, seed: 1, packets: packets)[0]
            let most = packets * Int(Self.seconds) + packets / 20 + 1
            #expect(outcome.packets <= most, "\(aim)")
            // The frugal aim alone has about 340 packets a second.
            #expect(outcome.packets > min(most, 300 * Int(Self.seconds)) * 9 / 10, "\(aim)")
        }
    }
}
