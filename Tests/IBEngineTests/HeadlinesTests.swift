import IBEngine
import MarketModel
import Primitives
import ProviderModel
import Testing

@Suite("Headlines of the past, and since when there is history")
struct HeadlinesTests {
    private static func world(_ feeds: Instrument.Feeds) -> World {
        var world = World(seed: 5, feeds: [feeds], canBackfill: false)
        world.start()
        for _ in 0..<100 { world.step(100_000_000) }
        return world
    }

    private static func states(_ world: World) -> [FeedKind: FeedStatus.State] {
        let feeds = world.engine.status.instruments.flatMap(\.feeds)
        return feeds.reduce(into: [:]) { $0[$1.feed] = $1.state }
    }

    @Test("they are asked for at the start and behind each connection, and told once")
    func headlines() throws {
        var world = Self.world([.level1, .news])
        #expect(Self.states(world)[.headlines] == .done)
        #expect(world.verdict.headlines.map(\.article) == ["BRFG$1", "BRFG$2"])
        let first = try #require(world.verdict.headlines.first)
        #expect(first.header.flags == .backfilled && first.headline == "Shares rise")
        #expect(first.header.providerTime.nanoseconds == 1_767_623_400_000_000_000)
        let asked = world.server.requestsSeen.count { $0 == "86" }
        world.drop("reset")
        for _ in 0..<200 { world.step(100_000_000) }
        #expect(world.server.requestsSeen.count { $0 == "86" } == asked + 1)
        #expect(world.verdict.headlines.count == 2)
    }

    @Test("the first time of history comes with daily history")
    func firstTime() {
        let world = Self.world([.level1, .dailyHistory])
        #expect(Self.states(world)[.firstTime] == .done)
        let values = world.verdict.indicators.filter { $0.name == "first-time" }
        #expect(values.map(\.value) == [1_000_000_000 * 1_000_000_000])
    }
}
