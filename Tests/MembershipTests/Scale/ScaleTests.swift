import Membership
import Seeds
import Testing

/// Runs a hundred workers with a thousand partitions; see `ScaleWorld`. The lease is sixteen times
/// the shipped one, so that heartbeats without news do not take the test's time. What a change
/// costs does not depend on the lease.
@Suite("A hundred workers and 1,024 partitions")
struct ScaleTests {
    private static let partitions = 1_024
    private static let workers = 100
    private static let lease = 8 * second

    /// A world, and what it counted in each part of its life.
    private struct Life {
        var world: ScaleWorld
        private var before = ScaleCounts()

        init() {
            let seed = Seeds(kept: [1], weight: 0).all()[0]
            world = ScaleWorld(seed: seed, partitions: partitions, lease: lease)
        }

        /// Returns what was counted since the last call.
        mutating func part(_ name: String) -> ScaleCounts {
            let counts = world.counts.since(before)
            before = world.counts
            print("scale: \(name): \(world.now / millisecond) ms, \(counts)")
            return counts
        }

        mutating func settle(_ count: Int) {
            let isSettled = world.settle(count, within: 60 * second)
            #expect(isSettled, "\(world.now / millisecond) ms: \(world.loads)")
            let loads = world.loads
            #expect(loads.reduce(0, +) == partitions)
            #expect((loads.max() ?? 0) - (loads.min() ?? 0) <= 1)
        }

        func names(_ indices: some Sequence<Int>) -> [String] {
            indices.map { world.members[$0].name.text }
        }
    }

    @Test("nobody owns twice, all is owned in the end, and what moves is bounded")
    func life() {
        var life = Life()
        come(&life)
        quiet(&life)
        killed(&life)
        stopped(&life)
        restarted(&life)
        let counts = life.world.counts
        #expect(life.world.violations.isEmpty, "\(life.world.violations.prefix(5))")
        #expect(counts.robberies == 0 && counts.ignored == 0)
        // All restarts within a minute: more processes than a group of this size has members.
        #expect(life.world.members.count > 2 * Self.workers)
    }

    private func come(_ life: inout Life) {
        life.world.come((0..<Self.workers).map { "worker-\($0)" }, within: 100 * millisecond)
        life.settle(Self.workers)
        let counts = life.part("all come")
        // The first ready ones claim what the others get a moment later.
        #expect(counts.claims <= 4 * Self.partitions)
        #expect(counts.claims - counts.handOvers == Self.partitions)
    }

    /// Nothing happens: heartbeats, a look at the records each second, all of them each 8 s.
    private func quiet(_ life: inout Life) {
        let leases = 2
        life.world.pass(Int64(leases) * Self.lease)
        let counts = life.part("quiet")
        let heartbeats =
            Self.workers * leases * Int(MembershipMachine.heartbeatsPerLease)
        #expect(abs(counts.heartbeats - heartbeats) <= Self.workers)
        #expect(abs(counts.deliveries - heartbeats * Self.workers) <= Self.workers * Self.workers)
        #expect(counts.writes == 0 && counts.claims == 0)
        let seconds = leases * Int(Self.lease / second)
        #expect(counts.reads <= Self.workers * (seconds + 1))
        #expect(counts.wholeReads <= Self.workers * (seconds / 8 + 1))
    }

    private func killed(_ life: inout Life) {
        let dead = Array(life.world.living.prefix(7))
        let names = life.names(dead)
        let lost = dead.reduce(0) { $0 + life.world.members[$1].plane.open.count }
        for index in dead { life.world.kill(index) }
        life.settle(Self.workers - dead.count)
        let counts = life.part("seven die")
        #expect(counts.claims - counts.handOvers == lost)
        #expect(counts.claims <= 4 * lost)
        life.world.come(names, within: 100 * millisecond)
        life.settle(Self.workers)
        #expect(life.part("seven come").handOvers <= 4 * lost)
    }

    /// Longer than a lease: the others take what the stopped ones hold, and give it back.
    private func stopped(_ life: inout Life) {
        let stopped = Array(life.world.living.prefix(5))
        let lost = stopped.reduce(0) { $0 + life.world.members[$1].plane.open.count }
        let time = Self.lease * 3 / 2
        for index in stopped { life.world.stop(index, for: time) }
        life.world.pass(time)
        life.settle(Self.workers)
        let counts = life.part("five stop")
        #expect(counts.pauses == stopped.count)
        #expect(counts.drops == lost)
        #expect(counts.handOvers <= 8 * lost)
    }

    /// A quarter at a time, as a cluster does.
    private func restarted(_ life: inout Life) {
        for round in 1...4 {
            let group = Array(life.world.living.prefix(Self.workers / 4))
            let names = life.names(group)
            let held = group.reduce(0) { $0 + life.world.members[$1].plane.open.count }
            for index in group { life.world.leave(index) }
            let end = life.world.now + 60 * second
            while life.world.now < end, group.contains(where: { life.world.members[$0].isAlive }) {
                life.world.pass(100 * millisecond)
            }
            life.world.come(names, within: 100 * millisecond)
            life.settle(Self.workers)
            let counts = life.part("restart \(round)")
            #expect(counts.claims == counts.handOvers && counts.drops == 0)
            // They go away and come back; what others held moves along.
            #expect(counts.handOvers <= 4 * held)
            // Each claim and each hand-over is a write, and few find another one before it.
            #expect(counts.writes <= 3 * counts.handOvers)
            let changes = counts.writes + Self.workers * group.count
            #expect(counts.heartbeats <= 2 * changes + 100 * Self.workers)
        }
    }
}
