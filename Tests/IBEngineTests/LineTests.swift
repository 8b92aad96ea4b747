import IBEngine
import MarketModel
import Primitives
import Testing

@Suite("Lines of the account") struct LineTests {
    /// A world with this many lines of each kind.
    private static func world(_ feeds: [Instrument.Feeds], lines: Int) -> World {
        var world = World(seed: 5, feeds: feeds, canBackfill: false)
        var settings = IBEngineSettings(seed: 5)
        settings.silentAfter = .seconds(20)
        settings.lines = lines
        settings.tickByTickLines = lines
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
        let feeds = [feed, feed, feed]
        var world = Self.world(feeds, lines: 2)
        #expect(Self.states(world) == [.live, .live, .waitingForLines])
        let quiet = try #require(world.server.subscriptions.keys.min())
        world.server.subscriptions[quiet]?.isDead = true
        for _ in 0..<1_500 { world.step(100_000_000) }
        #expect(Self.states(world) == [.live, .live, .waitingForLines])
        #expect(world.engine.status.counters.resubscriptions > 0)
        #expect(world.engine.status.openOutages == 0)
    }

    @Test("Other feeds of an instrument: what falls between is in a gap, and it keeps its line")
    func changed() throws {
        var world = Self.world([.level1, .level1], lines: 1)
        #expect(Self.states(world) == [.live, .waitingForLines])
        var changed = world.instruments[0]
        changed.feeds = [.level1, .news]
        var output = IBEngine.Output()
        world.engine.follow(
            begun: [(0, changed, reached: .undefined)], ended: [0], gaps: [], world.moment,
            into: &output)
        world.server.received(output.bytes, world.now)
        output.bytes = []
        world.verdict.take(&output, world.now)
        #expect(world.verdict.gapsBegun > 0)
        for _ in 0..<200 { world.step(100_000_000) }
        let first = world.engine.status.instruments.first { $0.instrument == 0 }
        #expect(first?.feeds.first?.state == .live)
        #expect(world.engine.status.openOutages == 0)
        let own = world.server.trades.filter { $0.instrument == 0 }
        let found = world.verdict.problems(in: own, .trade, isFilled: false)
        #expect(found.isEmpty, "\(found.prefix(5))")
    }

    @Test("What the broker does not tell one by one any more comes by level 1, until it does")
    func givenBack() throws {
        var world = Self.world([[.level1, .trades]], lines: 2)
        for _ in 0..<50 { world.step(100_000_000) }
        #expect(Self.states(world) == [.live, .live])
        let isTrades = { (id: Int32) in world.server.subscriptions[id]?.kind == .trades }
        let refused = try #require(world.server.subscriptions.keys.first(where: isTrades))
        world.server.subscriptions[refused] = nil
        world.server.send(world.server.words.notice(refused, 354, "Not subscribed"), world.now)
        for _ in 0..<20 { world.step(100_000_000) }
        #expect(Self.states(world) == [.live, .refused])
        #expect(world.engine.status.openOutages == 0)
        let trades = { (world: World) in world.verdict.values.keys.count { $0.track == .trade } }
        let (came, began) = (trades(world), world.server.trades.count)
        for _ in 0..<600 { world.step(100_000_000) }
        // One trade may be on its way.
        #expect(trades(world) - came >= world.server.trades.count - began - 1)
        // It is requested again after an hour.
        world.isTrading = false
        for _ in 0..<400 { world.step(10 * second) }
        world.isTrading = true
        for _ in 0..<200 { world.step(100_000_000) }
        world.isTrading = false
        for _ in 0..<50 { world.step(100_000_000) }
        #expect(Self.states(world) == [.live, .live])
        let found = world.verdict.problems(in: world.server.trades, .trade, isFilled: false)
        #expect(found.isEmpty, "\(found.prefix(5))")
        #expect(world.verdict.gapsBegun == 1)
    }
}
