import IBEngine
import MarketModel
import Primitives
import Testing

@Suite("Lines of the account") struct LineTests {
    /// A world with this many lines of each kind.
    private static func world(_ feeds: [Instrument.Feeds], lines: Int) -> World {
        World.running(feeds, seed: 5) {
            var settings = IBEngineSettings(seed: 5)
            settings.silentAfter = .seconds(20)
            (settings.lines, settings.tickByTickLines) = (lines, lines)
            $0.engine = IBEngine(settings)
        }
    }

    @Test(
        "A feed that is asked for anew keeps its line, while others wait for one",
        arguments: [false, true])
    func kept(isTickByTick: Bool) throws {
        let feed: Instrument.Feeds = isTickByTick ? .trades : .level1
        let feeds = [feed, feed, feed]
        var world = Self.world(feeds, lines: 2)
        #expect(world.states == [.live, .live, .waitingForLines])
        let quiet = try #require(world.server.subscriptions.keys.min())
        world.server.subscriptions[quiet]?.isDead = true
        world.pass(150)
        #expect(world.states == [.live, .live, .waitingForLines])
        #expect(world.engine.status.counters.resubscriptions > 0)
        #expect(world.engine.status.openOutages == 0)
    }

    @Test("Other feeds of an instrument: what falls between is in a gap, and it keeps its line")
    func changed() throws {
        var world = Self.world([.level1, .level1], lines: 1)
        #expect(world.states == [.live, .waitingForLines])
        var changed = world.instruments[0]
        changed.feeds = [.level1, .news]
        world.follow([(0, changed, reached: .undefined)], ended: [0])
        #expect(world.verdict.gapsBegun > 0)
        world.pass(20)
        let first = world.engine.status.instruments.first { $0.instrument == 0 }
        #expect(first?.feeds.first?.state == .live && world.engine.status.openOutages == 0)
        let own = world.server.trades.filter { $0.instrument == 0 }
        let found = world.verdict.problems(in: own, .trade, isFilled: false)
        #expect(found.isEmpty, "\(found.prefix(5))")
    }

    @Test("What the broker does not tell one by one any more comes by level 1, until it does")
    func givenBack() throws {
        var world = Self.world([[.level1, .trades]], lines: 2)
        world.pass(5)
        #expect(world.states == [.live, .live])
        let isTrades = { (id: Int32) in world.server.subscriptions[id]?.kind == .trades }
        let refused = try #require(world.server.subscriptions.keys.first(where: isTrades))
        world.server.subscriptions[refused] = nil
        world.tell(354, "Not subscribed", about: refused)
        world.pass(2)
        #expect(world.states == [.live, .refused])
        #expect(world.engine.status.openOutages == 0)
        let trades = { (world: World) in world.verdict.values.keys.count { $0.track == .trade } }
        let (came, began) = (trades(world), world.server.trades.count)
        world.pass(60)
        // One trade may be on its way.
        #expect(trades(world) - came >= world.server.trades.count - began - 1)
        // It is requested again after an hour.
        world.isTrading = false
        for _ in 0..<400 { world.step(10 * second) }
        world.isTrading = true
        world.pass(20)
        world.expectWhole(.trade, after: 5)
        #expect(world.states == [.live, .live])
        #expect(world.verdict.gapsBegun == 1)
    }
}
