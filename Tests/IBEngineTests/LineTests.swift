import IBEngine
import ProviderModel
import Testing

@Suite("Lines of the account") struct LineTests {
    /// With as many lines for market data as said, and one tick by tick.
    private static func world(_ feeds: [Instrument.Feeds], lines: Int) -> World {
        var world = World(seed: 5, feeds: feeds, canBackfill: false)
        var settings = IBEngineSettings(seed: 5)
        settings.silentAfter = .seconds(20)
        settings.lines = lines
        settings.tickByTickLines = 1
        world.engine = IBEngine(settings)
        world.start()
        for _ in 0..<100 { world.step(100_000_000) }
        return world
    }

    private static func states(_ world: World) -> [FeedStatus.State] {
        world.engine.status.instruments.flatMap { $0.feeds.map(\.state) }
    }

    @Test(
        "A feed that is asked for anew keeps its line, while others wait for one",
        arguments: [false, true])
    func kept(isTickByTick: Bool) throws {
        let feed: Instrument.Feeds = isTickByTick ? .trades : .level1
        let feeds = [feed, feed]
        var world = Self.world(feeds, lines: 1)
        #expect(Self.states(world) == [.live, .waitingForLines])
        let quiet = try #require(world.server.subscriptions.first?.key)
        world.server.subscriptions[quiet]?.isDead = true
        for _ in 0..<1_500 { world.step(100_000_000) }
        #expect(Self.states(world) == [.live, .waitingForLines])
        #expect(world.engine.status.counters.resubscriptions > 0)
        #expect(world.engine.status.openOutages == 0)
    }
}
