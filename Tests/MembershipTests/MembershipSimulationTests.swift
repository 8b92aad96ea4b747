import Membership
import Seeds
import Testing

/// Runs groups through storms of faults; see `MembershipWorld`.
@Suite struct MembershipSimulationTests {
    private static let seeds = Seeds(
        fixed: 1...300,
        kept: [
            1, 3, 5, 6, 9, 10, 13, 14, 15, 16, 17, 22, 26, 27, 29, 31, 34, 67, 103, 106, 142, 215,
            246, 265,
        ],
        failed: [
            17_121_026_878_995_185_720, 17_701_068_020_119_601_506, 9_555_593_086_188_855_989,
            14_883_218_808_487_430_083, 3_097_447_028_215_633_889, 1_581_305_566_548_050_422,
            // A member loses a partition, as in one of 250 worlds.
            201_799_543_618_164_558,
        ])

    @Test("whatever happens, nobody acts beside another owner, and all is shared out in the end")
    func storms() {
        let counts = run(Self.seeds.all(), hasDrains: false)
        // Otherwise the simulation has not met the situations that it should.
        let met = [
            counts.claims, counts.releases, counts.drops, counts.losses, counts.pauses,
            counts.doubles, counts.unsettled, counts.replaced, counts.leaseDifferences,
        ]
        #expect(met.allSatisfy { $0 >= Seeds.least() }, "\(counts)")
    }

    @Test("whoever is drained hands over, takes nothing, and leaves nothing without an owner")
    func drains() {
        let seeds = Seeds(
            fixed: 1...160,
            kept: [
                1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 70, 84, 89, 96, 106, 156,
                160,
            ])
        let counts = run(seeds.all(), hasDrains: true)
        let met = [counts.drainsAsked, counts.drained, counts.drainsEnded, counts.releases]
        #expect(met.allSatisfy { $0 >= Seeds.least() }, "\(counts)")
    }

    private func run(_ seeds: [UInt64], hasDrains: Bool) -> WorldCounts {
        var counts = WorldCounts()
        for seed in seeds {
            var world = MembershipWorld(seed: seed, hasDrains: hasDrains)
            let violations = world.run()
            counts.add(world.counts)
            #expect(violations.isEmpty, "TAPELINE_SEED=\(seed): \(violations.prefix(1))")
        }
        return counts
    }

    @Test(
        "members whose leases differ do not take each other for dead",
        arguments: Seeds(fixed: 1...20).all())
    func leasesDiffer(seed: UInt64) {
        var world = MembershipWorld(
            seed: seed, leases: [500 * millisecond, 4 * second, 500 * millisecond])
        world.pass(60 * second)
        #expect(world.violations.isEmpty, "\(world.violations)")
        // For each partition: the first owner, and one more for each later owner.
        #expect(
            world.counts.claims <= 3 * world.weather.partitions,
            "TAPELINE_SEED=\(seed): \(world.counts)")
        #expect(
            world.counts.drops == 0 && world.counts.pauses == 0,
            "TAPELINE_SEED=\(seed): \(world.counts)")
        // Both short ones report the long one, and it reports them.
        #expect(world.counts.leaseDifferences == 4, "TAPELINE_SEED=\(seed): \(world.counts)")
    }

    @Test("one partition changes its owner once when a member with a longer lease comes")
    func oneChange() {
        for seed in Seeds(fixed: 1...50).all() {
            var world = MembershipWorld(seed: seed, leases: [500 * millisecond, 4 * second])
            world.pass(60 * second)
            let changes = world.counts.claims - world.weather.partitions
            #expect(changes <= world.weather.partitions, "TAPELINE_SEED=\(seed): \(world.counts)")
            #expect(world.violations.isEmpty, "TAPELINE_SEED=\(seed): \(world.violations)")
        }
    }
}
