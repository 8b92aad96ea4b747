import MarketModel
import Primitives
import ProviderModel
import Testing

@testable import IBEngine

@Suite("Who tells of trades and quotes") struct HandOverTests {
    private static func run(_ world: inout World, seconds: Int) {
        for _ in 0..<seconds * 10 { world.step(100_000_000) }
    }

    @Test(
        "Level 1 tells of them again when the feed that told them one by one is gone",
        arguments: [false, true])
    func handedBack(areQuotes: Bool) throws {
        let feeds: Instrument.Feeds =
            areQuotes ? [.level1, .trades, .quotes] : [.level1, .trades]
        let kind = areQuotes ? SimulatedServer.Kind.quotes : .trades
        var world = World(seed: 4, feeds: [feeds], canBackfill: false)
        world.start()
        Self.run(&world, seconds: 40)
        #expect(world.engine.status.openOutages == 0)
        let gone = try #require(world.server.subscriptions.first { $0.value.kind == kind }?.key)
        world.server.subscriptions[gone] = nil
        world.server.send(ServerMessages.notice(gone, 354, "Not subscribed"), world.now)
        Self.run(&world, seconds: 2)
        #expect(world.engine.status.openOutages == 1)
        Self.run(&world, seconds: 10)
        #expect(world.engine.status.openOutages == 0)
        let (trades, quotes) = (world.verdict.trades.count, world.verdict.quotes.count)
        Self.run(&world, seconds: 20)
        #expect(world.verdict.trades.count > trades && world.verdict.quotes.count > quotes)
        // An hour later the feed is back, and it alone tells of them.
        Self.run(&world, seconds: 3_700)
        let states = world.engine.status.instruments.flatMap { $0.feeds.map(\.state) }
        #expect(states.allSatisfy { $0 == .live })
        let found = world.verdict.problems(
            in: world.server.trades, isFilled: false, kind: .trade)
        #expect(found.isEmpty, "\(found.prefix(5))")
    }

    @Test("What level 1 tells of in between is not compared with history one by one")
    func conflated() {
        var border = BorderTicks()
        let trade = Trade(
            header: TickHeader(symbol: 1, providerTime: .undefined, receiveTime: .undefined),
            price: .undefined, size: .undefined)
        border.add(.trade(trade), World(seed: 1, feeds: [.trades], canBackfill: false).moment)
        #expect(border.arrivals(until: .undefined).since.isDefined)
        border.isConflated = true
        #expect(!border.arrivals(until: .undefined).since.isDefined)
    }
}
