import Foundation
import Primitives
import SimulationKit
import Testing

@testable import OperatorWorker

/// Owners of one partition under every possible fault, from seeds. To run one seed:
/// `SIMULATION_SEED=…`.
@Suite struct RecoverySimulationTests {
    private static func number(_ name: String) -> UInt64? {
        ProcessInfo.processInfo.environment[name].flatMap { UInt64($0) }
    }

    private static let only = number("SIMULATION_SEED")

    /// Each of these failed once.
    private static let kept: [UInt64] = [
        4_584_502_643_741_107_250,
        12_967_508_878_563_453_416, 1_968_628_453_880_737_074, 16_047_284_534_485_081_228,
        12_772_684_446_743_960_626, 4_131_356_156_494_920_234, 4_334_982_033_528_236_068,
        7_257_593_675_068_730_531,
        // Owners begin between two days of a repair, six times.
        10_892_832_895_007_866_752,
        // A new line of output begins between two days of a repair of the previous one.
        8_013_741_354_109_842_545,
    ]

    private static func seeds(_ count: UInt64, fresh: Int, kept: [UInt64] = []) -> [UInt64] {
        if let only { return [only] }
        var system = SystemRandomNumberGenerator()
        let fresh = number("SIMULATION_SEEDS").map { Int(clamping: $0) } ?? fresh
        return Array(1...count) + kept
            + (0..<fresh).map { _ in UInt64.random(in: 1_000_000...UInt64.max, using: &system) }
    }

    @Test(
        "whatever fails, the bars are those of one undisturbed owner, each ordinal once",
        arguments: RecoveryWorld.Kind.allCases.filter { !$0.hasGraph })
    func worlds(kind: RecoveryWorld.Kind) throws {
        var ways: [String: Int] = [:]
        var damages = 0
        for seed in Self.seeds(200, fresh: 80) {
            var world = try RecoveryWorld(seed: seed, kind: kind)
            world.run(steps: 400)
            world.settle()
            world.audit()
            ways.merge(world.tape.ways, uniquingKeysWith: +)
            damages += world.tape.damages
            if kind == .plain { world.expectProof() }
        }
        // Otherwise the simulation has not met the situations that it should.
        guard Self.only == nil else { return }
        #expect((ways["start"] ?? 0) > 50 && (ways["checkpoint"] ?? 0) > 200, "\(ways)")
        #expect(kind == .plain || (ways["base"] ?? 0) > 50, "\(ways)")
        #expect(kind != .plain || damages > 20, "\(damages)")
    }

    @Test(
        "the same of whole graphs with repairs, and every tick is counted, excluded or listed",
        arguments: RecoveryWorld.Kind.allCases.filter(\.hasGraph))
    func graphs(kind: RecoveryWorld.Kind) throws {
        var life = SimulatedLife()
        var ways: [String: Int] = [:]
        var (repairs, dropped, resumed) = (0, 0, 0)
        var (windows, repaired, listed) = (0, 0, 0)
        for seed in Self.seeds(200, fresh: 80, kept: Self.kept) {
            var world = try RecoveryWorld(seed: seed, kind: kind)
            world.run(steps: 700)
            world.settle()
            world.audit()
            let equation = world.expectEquation()
            ways.merge(world.tape.ways, uniquingKeysWith: +)
            life += world.tape.ticks.life
            repairs += world.tape.repairs
            dropped += world.tape.droppedRepairs
            resumed += world.tape.resumedRepairs
            windows += equation?.windows ?? 0
            repaired += equation?.repaired ?? 0
            listed += equation?.listed ?? 0
        }
        // Otherwise the simulation has not met the situations that it should.
        guard Self.only == nil else { return }
        #expect((ways["start"] ?? 0) > 50 && (ways["checkpoint"] ?? 0) > 200, "\(ways)")
        #expect(repairs > 300 && dropped > 20, "\(repairs) repairs, \(dropped) dropped")
        #expect(resumed > 0, "\(resumed) begun between two days of a repair")
        if kind.hasLife {
            #expect(life.silences > 100 && life.retirements > 100 && life.returns > 100, "\(life)")
            #expect(
                life.repairsOfSilent > 15 && life.repairsOfRetired > 30
                    && life.repairsOfReturned > 50, "\(life)")
        }
        #expect(windows > 5_000 && repaired > 300, "\(windows) windows, \(repaired) repaired")
        // A source that is silent or retired sends no late ticks, so worlds of their life list few.
        #expect(listed > (kind.hasLife ? 20 : 100), "\(listed) listed")
    }
}
