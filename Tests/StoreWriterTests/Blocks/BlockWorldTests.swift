import Seeds
import Testing

@testable import StoreWriter

/// Runs sessions with a store without transactions, with every kind of fault.
@Suite struct BlockWorldTests {
    @Test(
        "whatever is killed, sleeps or is lost, each record is one row, or one letter",
        arguments: ["clickhouse", "questdb"])
    func storms(kind: String) throws {
        var events: [BlockWorld.Event: Int] = [:]
        var dropped = 0
        for seed in Seeds(fixed: 1...300).all() {
            let world = try BlockWorld(seed: seed, kind: kind)
            let problems = world.run()
            #expect(problems.isEmpty, "\(kind) TAPELINE_SEED=\(seed): \(problems.prefix(3))")
            events.merge(world.events) { $0 + $1 }
            dropped += world.droppedBlocks
        }
        for point in BlockWorld.Point.allCases {
            for fate in [BlockWorld.Fate.killedBefore, .killedAfter, .sleeps] {
                let count = events[BlockWorld.Event(point: point, fate: fate)] ?? 0
                #expect(count >= Seeds.least(100), "\(point) \(fate): \(count)")
            }
        }
        #expect(dropped >= Seeds.least(10), "\(kind)")
    }
}
