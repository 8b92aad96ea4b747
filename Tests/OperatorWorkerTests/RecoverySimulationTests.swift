import Foundation
import Primitives
import Testing

@testable import OperatorWorker

/// Owners of one partition under every fault that may happen, from seeds. One seed alone:
/// `SIMULATION_SEED=…`.
@Suite struct RecoverySimulationTests {
    private static let only = ProcessInfo.processInfo.environment["SIMULATION_SEED"]
        .flatMap { UInt64($0) }

    private static func seeds(_ count: UInt64, fresh: Int) -> [UInt64] {
        if let only { return [only] }
        var system = SystemRandomNumberGenerator()
        return Array(1...count)
            + (0..<fresh).map { _ in UInt64.random(in: 1_000_000...UInt64.max, using: &system) }
    }

    @Test(
        "whatever fails, the bars are those of one undisturbed owner, each ordinal once",
        arguments: RecoveryWorld.Kind.allCases)
    func worlds(kind: RecoveryWorld.Kind) {
        var ways: [String: Int] = [:]
        var damages = 0
        for seed in Self.seeds(200, fresh: 80) {
            var world = RecoveryWorld(seed: seed, kind: kind)
            world.run(steps: 400)
            world.settle()
            world.audit()
            ways.merge(world.tape.ways, uniquingKeysWith: +)
            damages += world.tape.damages
        }
        // Otherwise the simulation has not met what it is for.
        guard Self.only == nil else { return }
        #expect((ways["start"] ?? 0) > 50 && (ways["checkpoint"] ?? 0) > 200, "\(ways)")
        #expect(kind == .plain || (ways["base"] ?? 0) > 50, "\(ways)")
        #expect(kind != .plain || damages > 20, "\(damages)")
    }
}
