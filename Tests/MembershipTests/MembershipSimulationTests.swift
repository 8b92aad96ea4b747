import Membership
import Testing

/// Drives groups through storms; see `MembershipWorld`.
@Suite struct MembershipSimulationTests {
    /// Each of them failed once, when the machine or its world was another one.
    private static let kept: [UInt64] = [
        17_121_026_878_995_185_720, 17_701_068_020_119_601_506, 9_555_593_086_188_855_989,
        14_883_218_808_487_430_083, 3_097_447_028_215_633_889,
        1_581_305_566_548_050_422,
    ]

    @Test(
        "whatever happens, nobody acts beside another owner, and all is shared out in the end",
        arguments: [0, 1] as [UInt64])
    func storms(half: UInt64) {
        var counts = WorldCounts()
        let seeds = Seeds.fixed(Seeds.isShort ? 150 : 300, kept: Self.kept, fresh: 750)
        let own = seeds.filter { Seeds.isOneAlone || $0 % 2 == half }
        print("membership: \(own.count) worlds, fresh \(own.filter { $0 > 999_999 })")
        var failed: [UInt64] = []
        for seed in own {
            var world = MembershipWorld(seed: seed)
            let violations = world.run()
            counts.add(world.counts)
            guard !violations.isEmpty else { continue }
            failed.append(seed)
            if failed.count <= 10 {
                print("membership: \(violations[0])")
                Issue.record("\(violations[0])")
            }
        }
        #expect(failed.isEmpty, "keep these: \(failed)")
        // Otherwise the simulation has not met what it is for.
        guard !Seeds.isOneAlone else { return }
        let met = [
            counts.claims, counts.releases, counts.drops, counts.losses, counts.pauses,
            counts.doubles, counts.unsettled, counts.replaced, counts.leaseDifferences,
        ]
        #expect(met.allSatisfy { $0 > 0 }, "\(counts)")
    }

    @Test(
        "members whose leases differ do not take each other for dead",
        arguments: 1...20 as ClosedRange<UInt64>)
    func leasesDiffer(seed: UInt64) {
        var world = MembershipWorld(
            seed: seed, leases: [500 * millisecond, 4 * second, 500 * millisecond])
        world.pass(60 * second)
        #expect(world.violations.isEmpty, "\(world.violations)")
        // Of each partition: the first owner, and one more for each of those who come later.
        #expect(
            world.counts.claims <= 3 * world.weather.partitions, "seed \(seed): \(world.counts)")
        #expect(
            world.counts.drops == 0 && world.counts.pauses == 0, "seed \(seed): \(world.counts)")
        // Both short ones tell of the long one, and it of them.
        #expect(world.counts.leaseDifferences == 4, "seed \(seed): \(world.counts)")
    }

    @Test("one partition changes its owner once when a member with a longer lease comes")
    func oneChange() {
        for seed in 1...50 as ClosedRange<UInt64> {
            var world = MembershipWorld(seed: seed, leases: [500 * millisecond, 4 * second])
            world.pass(60 * second)
            let changes = world.counts.claims - world.weather.partitions
            #expect(changes <= world.weather.partitions, "seed \(seed): \(world.counts)")
            #expect(world.violations.isEmpty, "seed \(seed): \(world.violations)")
        }
    }
}
