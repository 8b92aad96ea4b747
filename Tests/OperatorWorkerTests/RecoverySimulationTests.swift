import Primitives
import Seeds
import SimulationKit
import Testing

@testable import OperatorWorker

/// Owners of one partition under every possible fault, from seeds. To run one seed:
/// `TAPELINE_SEED=…`.
@Suite struct RecoverySimulationTests {
    private static let ofGraphs = Seeds(
        fixed: 1...200,
        kept: [
            1, 8, 21, 24, 28, 31, 37, 46, 52, 54, 60, 66, 68, 71, 85, 103, 107, 118, 122, 127, 143,
            171, 173, 174,
        ],
        failed: [
            4_584_502_643_741_107_250,
            12_967_508_878_563_453_416, 1_968_628_453_880_737_074, 16_047_284_534_485_081_228,
            12_772_684_446_743_960_626, 4_131_356_156_494_920_234, 4_334_982_033_528_236_068,
            7_257_593_675_068_730_531,
            // Owners begin between two days of a repair, six times.
            10_892_832_895_007_866_752,
            // A new line of output begins between two days of a repair of the previous one.
            8_013_741_354_109_842_545,
        ])

    @Test(
        "whatever fails, the bars are those of one undisturbed owner, each ordinal once",
        arguments: RecoveryWorld.Kind.allCases.filter { !$0.hasGraph })
    func worlds(kind: RecoveryWorld.Kind) throws {
        var ways: [String: Int] = [:]
        var damages = 0
        for seed in Seeds(fixed: 1...200).all() {
            var world = try RecoveryWorld(seed: seed, kind: kind)
            world.run(steps: 400)
            world.settle()
            world.expectUndisturbedOutput()
            ways.merge(world.tape.ways, uniquingKeysWith: +)
            damages += world.tape.damages
            if kind == .plain { world.expectStopAtForeignBars() }
        }
        // Otherwise the simulation has not met the situations that it should.
        #expect((ways["start"] ?? 0) >= Seeds.least(50), "\(ways)")
        #expect((ways["checkpoint"] ?? 0) >= Seeds.least(200), "\(ways)")
        #expect(kind == .plain || (ways["base"] ?? 0) >= Seeds.least(50), "\(ways)")
        #expect(kind != .plain || damages >= Seeds.least(20), "\(damages)")
    }

    @Test(
        "the same of whole graphs with repairs, and every tick is counted, excluded or listed",
        arguments: RecoveryWorld.Kind.allCases.filter(\.hasGraph))
    func graphs(kind: RecoveryWorld.Kind) throws {
        var life = SimulatedLife()
        var ways: [String: Int] = [:]
        var (repairs, dropped, resumed) = (0, 0, 0)
        var (windows, repaired, listed, values) = (0, 0, 0, 0)
        for seed in Self.ofGraphs.all() {
            var world = try RecoveryWorld(seed: seed, kind: kind)
            world.run(steps: 700)
            world.settle()
            world.expectUndisturbedOutput()
            let equation = world.expectEachTickOnce()
            ways.merge(world.tape.ways, uniquingKeysWith: +)
            life += world.tape.ticks.life
            values += world.valueCount
            repairs += world.tape.repairs
            dropped += world.tape.droppedRepairs
            resumed += world.tape.resumedRepairs
            windows += equation?.windows ?? 0
            repaired += equation?.repaired ?? 0
            listed += equation?.listed ?? 0
        }
        // Otherwise the simulation has not met the situations that it should.
        #expect((ways["start"] ?? 0) >= Seeds.least(50), "\(ways)")
        #expect((ways["checkpoint"] ?? 0) >= Seeds.least(200), "\(ways)")
        #expect(
            repairs >= Seeds.least(300) && dropped >= Seeds.least(20),
            "\(repairs) repairs, \(dropped) dropped")
        #expect(kind != .values || values >= Seeds.least(1_000), "\(values) passed on")
        // The kept seeds were chosen for other worlds than these.
        let isOther = kind == .joins || kind == .books || kind == .values
        #expect(
            resumed >= (isOther && !Seeds.isNight ? 0 : Seeds.least()),
            "\(resumed) begun between two days of a repair")
        if kind.hasLife {
            #expect(
                min(life.silences, life.retirements, life.returns) >= Seeds.least(100), "\(life)")
            #expect(
                life.repairsOfSilent >= Seeds.least(15)
                    && life.repairsOfRetired >= Seeds.least(30)
                    && life.repairsOfReturned >= Seeds.least(50), "\(life)")
        }
        #expect(
            windows >= Seeds.least(5_000) && repaired >= Seeds.least(300),
            "\(windows) windows, \(repaired) repaired")
        // A source that is silent or retired sends no late ticks, so worlds of their life list few.
        #expect(listed >= Seeds.least(kind.hasLife ? 20 : 100), "\(listed) listed")
    }
}
