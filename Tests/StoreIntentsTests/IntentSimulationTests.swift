import Seeds
import Testing

/// Runs owners against a store without transactions, with every kind of fault.
@Suite struct IntentSimulationTests {
    @Test("whatever is killed, paused, lost or late, each record is stored once and in order")
    func storms() {
        let counts = run(Seeds(fixed: 1...400).all(), damagesRecords: false)
        // Otherwise the simulation has not met the situations that it should.
        for (name, count) in counts.situations {
            #expect(count >= Seeds.least(10), "\(name): \(count)")
        }
    }

    @Test("a record that is deleted or restored is noticed, or does no harm")
    func damagedRecords() {
        let counts = run(Seeds(fixed: 1...200, weight: 0.3).all(), damagesRecords: true)
        #expect(counts.noticed >= Seeds.least(10) && counts.completed >= Seeds.least(10))
    }

    private func run(_ seeds: [UInt64], damagesRecords: Bool) -> IntentCounts {
        var counts = IntentCounts()
        for seed in seeds {
            var world = IntentWorld(seed: seed, damagesRecords: damagesRecords)
            let violations = world.run()
            counts.add(world.counts)
            #expect(violations.isEmpty, "TAPELINE_SEED=\(seed): \(violations.prefix(1))")
        }
        return counts
    }
}
