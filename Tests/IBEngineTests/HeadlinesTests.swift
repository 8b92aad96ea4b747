import MarketModel
import Primitives
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

    @Test("a headline that history has told of, or that comes again, is told once")
    func once() throws {
        var world = World(seed: 5, feeds: [.news], canBackfill: false)
        world.start()
        for _ in 0..<100 { world.step(100_000_000) }
        let feed = try #require(world.server.subscriptions.first { $0.value.wantsNews }?.key)
        let (past, fresh) = (["BRFG", "BRFG$1", "Shares rise", ""], ["BRFG", "F1", "Calm", ""])
        for words in [past, fresh, fresh] {
            world.server.send(
                ServerMessages.frame(["84", "\(feed)", "1767623400000"] + words), world.now)
        }
        for _ in 0..<10 { world.step(100_000_000) }
        let told = world.engine.status.instruments[0].feeds.first { $0.feed == .marketData }
        #expect(told?.state == .live)
        #expect(world.verdict.headlines.map(\.article) == ["BRFG$1", "BRFG$2", "F1"])
    }

    @Test("a price under the number of their request does not keep them from their end")
    func strayPrice() {
        var world = World(seed: 5, feeds: [.level1, .news], canBackfill: false)
        world.server.hasStrayPrices = true
        world.start()
        for _ in 0..<100 { world.step(100_000_000) }
        #expect(Self.states(world)[.headlines] == .done)
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
        let now = Moment(
            wall: Timestamp(nanoseconds: World.dayStart * second), monotonic: .at(second))
        var turn = Turn(IBEngineSettings(seed: 1), now)
        var machine = FeedMachine()
        let symbol = try #require(Symbol("A"))
        let instrument = Instrument(
            symbol: symbol, contract: Instrument.Contract(.stock), feeds: .news)
        machine.begin(1, instrument, in: &turn)
        var entry = machine.entries[0]
        // Without its contract's number nothing can be requested.
        #expect(machine.headlineRequest(4, entry, in: &turn) == nil && turn.pacing.waiting == 0)
        entry.contract.id = 7
        while turn.pacing.ask(.currentTime, .live, now: now.monotonic) {}
        #expect(machine.headlineRequest(5, entry, in: &turn) == nil)
        turn.pacing.reset()
        #expect(machine.headlineRequest(6, entry, in: &turn) == nil)
        #expect(turn.pacing.waiting == 1)
    }

    @Test(
        "headlines of an outage are fetched when it is over, and the gap says what became of it",
        arguments: [false, true])
    func outage(_ hasMore: Bool) throws {
        var world = World(seed: 5, feeds: [.news], canBackfill: true)
        world.start()
        for _ in 0..<200 { world.step(100_000_000) }
        world.server.hasMoreHeadlines = hasMore
        world.drop("reset")
        for _ in 0..<100 { world.step(100_000_000) }
        // The vendor's absence ends without a new connection, which would request headlines.
        world.server.isVendorLost = true
        world.server.send(world.server.words.notice(-1, 1100, "Connectivity is lost"), world.now)
        for _ in 0..<50 { world.step(100_000_000) }
        world.remedies.append((world.now, .restore(lost: false)))
        for _ in 0..<200 { world.step(100_000_000) }
        let news = Verdict.GapKey(
            instrument: 0, kind: DataKind.news.rawValue, from: .undefined)
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
        world.isTrading = false
        for _ in 0..<20 { world.step(100_000_000) }
        let found = world.problems(isFilled: true)
        #expect(found.isEmpty, "\(found.prefix(5))")
    }

    @Test("an answer that was on its way when an outage ended says nothing of it", arguments: 1...8)
    func early(_ seed: UInt64) {
        var world = World(seed: seed, feeds: [[.level1, .news]], canBackfill: true)
        world.start()
        for _ in 0..<200 { world.step(100_000_000) }
        let asked = world.server.requestsSeen.count { $0 == "86" }
        world.drop("reset")
        for _ in 0..<300 { world.step(100_000_000) }
        #expect(world.server.requestsSeen.count { $0 == "86" } == asked + 2)
    }

    @Test("an outage of headlines that ended in an earlier process is filled, or told to be old")
    func inherited() {
        var world = World(seed: 5, feeds: [.news], canBackfill: true)
        let from = Timestamp(nanoseconds: world.now - 2 * 86_400 * second)
        let to = Timestamp(nanoseconds: world.now - 600 * second)
        let gap = OpenGap(
            instrument: 0, kind: .news, from: from, to: to, reason: .disconnected)
        var output = IBEngine.Output()
        world.engine.follow(
            begun: [(0, world.instruments[0], reached: .undefined)], ended: [], gaps: [gap],
            world.moment, into: &output)
        world.verdict.take(&output, world.now)
        for _ in 0..<200 { world.step(100_000_000) }
        let filled = world.verdict.filled.values.joined()
        let left = world.verdict.abandoned.values.joined()
        #expect(filled.map(\.upperBound) == [to] && left.map(\.lowerBound) == [from])
        #expect(filled.map(\.lowerBound) == left.map(\.upperBound))
        #expect(world.verdict.details == ["too old"])
    }

    @Test("a gap of before, of what no feed delivers any more, is ended and given up")
    func undelivered() {
        var world = World(seed: 5, feeds: [.news], canBackfill: true)
        world.start()
        for _ in 0..<100 { world.step(100_000_000) }
        let from = world.moment.wall.advanced(byNanoseconds: -60 * second)
        let gap = OpenGap(
            instrument: 0, kind: .providerBar, from: from, to: .undefined, reason: .disconnected)
        var output = IBEngine.Output()
        world.engine.follow(
            begun: [(0, world.instruments[0], reached: .undefined)], ended: [0], gaps: [gap],
            world.moment, into: &output)
        let told = output.live.records.compactMap { record -> GapRecord? in
            guard case .tape(.gap(let gap)) = record, gap.kind == DataKind.providerBar.rawValue
            else {
                return nil
            }
            return gap
        }
        #expect(told.map(\.state) == [GapState.open.rawValue, GapState.abandoned.rawValue])
        #expect(told.allSatisfy { $0.from == from && $0.to == world.moment.wall })
        let isOpen = world.engine.turn.live.outages.open.contains { $0.kind == .providerBar }
        #expect(!isOpen)
    }

    @Test("an outage that has just ended is given up with its instrument")
    func endedBefore() {
        var world = World(seed: 5, feeds: [.trades], canBackfill: true)
        world.start()
        for _ in 0..<100 { world.step(100_000_000) }
        world.dropAndReturn("reset")
        #expect(world.engine.feeds.endedOutages.all.count == 1)
        var output = IBEngine.Output()
        world.engine.follow(begun: [], ended: [0], gaps: [], world.moment, into: &output)
        world.verdict.take(&output, world.now)
        #expect(world.verdict.abandoned.values.joined().count == 1)
        #expect(world.verdict.gaps.count == 1)
    }

    @Test("an outage of headlines that nobody wants any more is given up")
    func unwanted() {
        var world = World(seed: 5, feeds: [.news], canBackfill: true)
        world.start()
        for _ in 0..<100 { world.step(100_000_000) }
        world.dropAndReturn("reset")
        #expect(world.engine.status.waitingBackfills == 1)
        var output = IBEngine.Output()
        world.engine.follow(begun: [], ended: [0], gaps: [], world.moment, into: &output)
        world.verdict.take(&output, world.now)
        #expect(world.verdict.abandoned.values.joined().count == 1)
        #expect(world.engine.status.waitingBackfills == 0)
    }

    @Test("the first time of history comes with daily history")
    func firstTime() {
        let world = Self.world([.level1, .dailyHistory])
        #expect(Self.states(world)[.firstTime] == .done)
        let values = world.verdict.indicators.filter { $0.name == "first-time" }
        #expect(values.map(\.value) == [1_000_000_000 * 1_000_000_000])
    }
}
