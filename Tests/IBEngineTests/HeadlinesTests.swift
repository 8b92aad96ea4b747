import MarketModel
import Primitives
import ProviderModel
import Testing

@testable import IBEngine
@testable import IBProtocol

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

    @Test("a list of news providers that does not come is asked for again, later each time")
    func unanswered() {
        var world = World(seed: 5, feeds: [.news], canBackfill: false)
        world.server.unansweredProviders = 2
        world.start()
        for _ in 0..<250 { world.step(100_000_000) }
        let feed = world.engine.status.instruments[0].feeds.first { $0.feed == .headlines }
        #expect(feed?.state == .waiting && feed?.reason.contains("news providers") == true)
        #expect(world.server.requestsSeen.count { $0 == "85" } == 1)
        for _ in 0..<400 { world.step(100_000_000) }
        #expect(world.server.requestsSeen.count { $0 == "85" } == 2)
        for _ in 0..<400 { world.step(100_000_000) }
        #expect(world.server.requestsSeen.count { $0 == "85" } == 3)
        #expect(Self.states(world)[.headlines] == .done)
    }

    @Test("a request for news providers that found no room is made again")
    func noRoom() throws {
        var tools = EngineTools(IBEngineSettings(seed: 1))
        var machine = FeedMachine()
        var output = IBEngine.Output()
        let now = Moment(wall: Timestamp(nanoseconds: World.dayStart * second), monotonic: second)
        let symbol = try #require(Symbol("A"))
        let instrument = Instrument(
            symbol: symbol, contract: Instrument.Contract(.stock), feeds: .news)
        machine.begin(1, instrument, now, &tools, &output)
        while tools.pacing.ask(.currentTime, .live, now: now.monotonic) {}
        let entry = machine.entries[0]
        #expect(machine.headlineRequest(5, entry, now, &tools) == nil)
        tools.pacing.reset()
        #expect(machine.headlineRequest(6, entry, now, &tools) == nil)
        #expect(tools.pacing.waiting == 1)
    }

    @Test("the first time of history comes with daily history")
    func firstTime() {
        let world = Self.world([.level1, .dailyHistory])
        #expect(Self.states(world)[.firstTime] == .done)
        let values = world.verdict.indicators.filter { $0.name == "first-time" }
        #expect(values.map(\.value) == [1_000_000_000 * 1_000_000_000])
    }
}
