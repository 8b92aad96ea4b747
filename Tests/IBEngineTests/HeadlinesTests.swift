import MarketModel
import Primitives
import Testing

@testable import IBEngine
@testable import IBProtocol

@Suite("Headlines of the past, and since when there is history")
struct HeadlinesTests {
    private static func states(_ world: World) -> [FeedKind: FeedStatus.State] {
        let feeds = world.engine.status.instruments.flatMap(\.feeds)
        return feeds.reduce(into: [:]) { $0[$1.feed] = $1.state }
    }

    @Test("they are asked for at the start and behind each connection, and told once")
    func headlines() throws {
        var world = World.running([[.level1, .news]], seed: 5)
        #expect(Self.states(world)[.headlines] == .done)
        #expect(world.verdict.headlines.map(\.article) == ["BRFG$1", "BRFG$2"])
        let first = try #require(world.verdict.headlines.first)
        #expect(first.header.flags == .backfilled && first.headline == "Shares rise")
        #expect(first.header.providerTime.nanoseconds == 1_767_623_400_000_000_000)
        let asked = world.requests("86")
        world.drop("reset")
        world.pass(20)
        #expect(world.requests("86") == asked + 1)
        #expect(world.verdict.headlines.count == 2)
    }

    @Test("a headline that history has told of, or that comes again, is told once")
    func once() throws {
        var world = World.running([.news], seed: 5)
        let feed = try #require(world.server.subscriptions.first { $0.value.wantsNews }?.key)
        let (past, fresh) = (["BRFG", "BRFG$1", "Shares rise", ""], ["BRFG", "F1", "Calm", ""])
        for words in [past, fresh, fresh] {
            world.server.send(
                ServerMessages.frame(["84", "\(feed)", "1767623400000"] + words), world.now)
        }
        world.pass(1)
        let told = world.engine.status.instruments[0].feeds.first { $0.feed == .marketData }
        #expect(told?.state == .live)
        #expect(world.verdict.headlines.map(\.article) == ["BRFG$1", "BRFG$2", "F1"])
    }

    @Test("a price under the number of their request does not keep them from their end")
    func strayPrice() {
        let world = World.running([.level1, .news], seed: 5) { $0.server.hasStrayPrices = true }
        #expect(Self.states(world)[.headlines] == .done)
    }

    @Test("a list of news providers that does not come is asked for again, later each time")
    func unanswered() {
        var world = World.running([.news], seed: 5, seconds: 25) {
            $0.server.unansweredProviders = 2
        }
        let feed = world.engine.status.instruments[0].feeds.first { $0.feed == .headlines }
        #expect(feed?.state == .waiting && feed?.reason.contains("news providers") == true)
        for asked in 1...3 {
            #expect(world.requests("85") == asked)
            if asked < 3 { world.pass(40) }
        }
        #expect(Self.states(world)[.headlines] == .done)
    }

    @Test("a request for news providers that found no room is made again")
    func noRoom() throws {
        var bench = try FeedBench(.news)
        // Without its contract's number nothing can be requested.
        bench.expectHeadlines(asked: 0)
        bench.machine.entries[0].contract.id = 7
        let now = bench.turn.now.monotonic
        while bench.turn.pacing.ask(.currentTime, .live, now: now) {}
        bench.expectHeadlines(asked: bench.turn.pacing.waiting)
        bench.turn.pacing.reset()
        bench.expectHeadlines(asked: 1)
    }

    @Test(
        "headlines of an outage are fetched when it is over, and the gap says what became of it",
        arguments: [false, true])
    func outage(_ hasMore: Bool) throws {
        var world = World.running([.news], seed: 5, canBackfill: true, seconds: 20)
        world.server.hasMoreHeadlines = hasMore
        world.drop("reset")
        world.pass(10)
        // The vendor's absence ends without a new connection, which would request headlines.
        world.breakVendor()
        world.pass(5)
        world.restoreVendor()
        world.pass(20)
        let news = Verdict.GapKey(instrument: 0, kind: DataKind.news.rawValue, from: .undefined)
        let begun = world.verdict.gaps.keys.filter { $0.kind == DataKind.news.rawValue }
        let settled = hasMore ? world.verdict.abandoned : world.verdict.filled
        #expect(begun.count == 2 && settled[news]?.count == 2)
        for gap in begun {
            let end = try #require(world.verdict.gaps[gap])
            #expect(settled[news]?.contains(gap.from..<end) == true)
        }
        #expect(world.engine.status.waitingBackfills == 0)
        if hasMore {
            #expect(world.verdict.details.contains("more headlines than an answer holds"))
        }
        world.expectWhole(isFilled: true)
    }

    @Test("an answer that was on its way when an outage ended says nothing of it", arguments: 1...8)
    func early(_ seed: UInt64) {
        var world = World.running([[.level1, .news]], seed: seed, canBackfill: true, seconds: 20)
        let asked = world.requests("86")
        world.drop("reset")
        world.pass(30)
        #expect(world.requests("86") == asked + 2)
    }

    @Test("an outage of headlines that ended in an earlier process is filled, or told to be old")
    func inherited() {
        var world = World(seed: 5, feeds: [.news], canBackfill: true)
        let gap = world.gap(.news, from: 2 * 86_400, to: 600)
        world.follow([world.first()], gaps: [gap])
        world.pass(20)
        let filled = world.verdict.filled.values.joined()
        let left = world.verdict.abandoned.values.joined()
        #expect(filled.map(\.upperBound) == [gap.to] && left.map(\.lowerBound) == [gap.from])
        #expect(filled.map(\.lowerBound) == left.map(\.upperBound))
        #expect(world.verdict.details == ["too old"])
    }

    @Test("a gap of before, of what no feed delivers any more, is ended and given up")
    func undelivered() {
        var world = World.running([.news], seed: 5, canBackfill: true)
        let gap = world.gap(.providerBar, from: 60)
        let told = world.follow([world.first()], ended: [0], gaps: [gap])
            .filter { $0.kind == DataKind.providerBar.rawValue }
        #expect(told.map(\.state) == [GapState.open.rawValue, GapState.abandoned.rawValue])
        #expect(told.allSatisfy { $0.from == gap.from && $0.to == world.moment.wall })
        let isOpen = world.engine.turn.live.outages.open.contains { $0.kind == .providerBar }
        #expect(!isOpen)
    }

    @Test(
        "an outage that has just ended is given up with its instrument, also one of headlines",
        arguments: [(.trades, 1), (.news, 0)] as [(Instrument.Feeds, Int)])
    func unwanted(_ feeds: Instrument.Feeds, atBorder: Int) {
        var world = World.running([feeds], seed: 5, canBackfill: true)
        world.dropAndReturn("reset")
        #expect(world.engine.feeds.endedOutages.all.count == atBorder)
        #expect(world.engine.status.waitingBackfills == 1)
        world.follow(ended: [0])
        #expect(world.verdict.abandoned.values.joined().count == 1)
        #expect(world.verdict.gaps.count == 1 && world.engine.status.waitingBackfills == 0)
    }

    @Test("the first time of history comes with daily history")
    func firstTime() {
        let world = World.running([[.level1, .dailyHistory]], seed: 5)
        #expect(Self.states(world)[.firstTime] == .done)
        let values = world.verdict.indicators.filter { $0.name == "first-time" }
        #expect(values.map(\.value) == [1_000_000_000 * 1_000_000_000])
    }
}

extension FeedBench {
    /// Asks for headlines, which has no number yet, and expects that so many requests wait.
    fileprivate mutating func expectHeadlines(
        asked: Int, place: SourceLocation = #_sourceLocation
    ) {
        let number = machine.headlineRequest(turn.ids.next(), machine.entries[0], in: &turn)
        #expect(number == nil && turn.pacing.waiting == asked, sourceLocation: place)
    }
}
