import IBEngine
import MarketModel
import Primitives
import ProviderModel
import Testing

@Suite("The engine in worlds from a seed") struct EngineSimulationTests {
    @Test(
        "Every tick is there once or inside an outage that has an end", arguments: EngineSeeds.all)
    func completeness(_ seed: UInt64) {
        let world = Self.lived(seed, canBackfill: false)
        let found = Self.problems(of: world, isFilled: false)
        #expect(found.isEmpty, "SIMULATION_SEED=\(seed): \(found.prefix(5))")
    }

    @Test(
        "With history every trade is there once, or its gap was given up",
        arguments: EngineSeeds.all)
    func filled(_ seed: UInt64) {
        let world = Self.lived(seed, canBackfill: true)
        let found = Self.problems(of: world, isFilled: true)
        #expect(found.isEmpty, "SIMULATION_SEED=\(seed): \(found.prefix(5))")
    }

    private static func problems(of world: World, isFilled: Bool) -> [String] {
        var found = world.verdict.problems(
            in: world.server.trades, isFilled: isFilled, kind: .trade)
        let quoted = world.instruments.indices.filter {
            world.instruments[$0].feeds.contains(.quotes)
        }
        found += world.verdict.problems(
            in: world.server.trades.filter { quoted.contains($0.instrument) }, isFilled: false,
            kind: .quote)
        let status = world.engine.status
        for instrument in status.instruments {
            for feed in instrument.feeds where feed.state != .live {
                found.append("\(instrument.symbol) \(feed.feed) is \(feed.state): \(feed.reason)")
            }
        }
        if status.state != .ready { found.append("the session is \(status.state)") }
        if status.openOutages != 0 { found.append("\(status.openOutages) outages are open") }
        if status.counters.lateRecords != 0 { found.append("there are late records") }
        if !status.pacing.isEmpty { found.append("\(status.pacing) waits") }
        return found
    }

    /// Faults for two minutes and a half, then an hour in which all that is retried is retried.
    static func lived(_ seed: UInt64, canBackfill: Bool) -> World {
        var choice = SeededRandom(seed: seed &* 7 &+ 1)
        let kinds: [Instrument.Feeds] =
            seed % 4 == 0
            ? [.level1] : [.level1, .trades, [.level1, .trades], [.trades, .quotes]]
        let feeds = (0..<3).map { _ in kinds[Int.random(in: 0..<kinds.count, using: &choice)] }
        var world = World(seed: seed, feeds: feeds, canBackfill: canBackfill)
        world.start()
        var untilFault = Int64.random(in: 5...20, using: &choice) * second
        let end = world.now + 150 * second
        while world.now < end {
            let step = Int64.random(in: 20_000_000...150_000_000, using: &choice)
            world.step(step)
            untilFault -= step
            guard untilFault <= 0 else { continue }
            world.fault()
            untilFault = Int64.random(in: 1...25, using: &choice) * second
        }
        world.calm()
        for _ in 0..<800 { world.step(150_000_000) }
        world.isTrading = false
        for _ in 0..<400 { world.step(10 * second) }
        world.isTrading = true
        for _ in 0..<400 { world.step(150_000_000) }
        world.isTrading = false
        for _ in 0..<20 { world.step(200_000_000) }
        return world
    }
}
