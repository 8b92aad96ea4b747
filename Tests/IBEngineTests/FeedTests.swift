import IBEngine
import IBProtocol
import MarketModel
import Primitives
import Testing

@Suite("Feeds and what becomes of them") struct FeedTests {
    private static func world(_ feeds: Instrument.Feeds..., refusal: (Int, String)? = nil) -> World
    {
        World.running(feeds) { world in
            if let refusal { world.server.refusals.append(refusal) }
        }
    }

    /// A world whose server refuses the first requests of level 1.
    private static func refusing(
        _ times: Int, _ feeds: Instrument.Feeds, seconds: Double
    ) -> World {
        World.running([feeds], seconds: seconds) {
            $0.server.refusals = Array(repeating: (321, "Invalid generic tick"), count: times)
        }
    }

    @Test(
        "One request's failure is told with its reason, and the others are live",
        arguments: [
            (354, "Requested market data is not subscribed", FeedStatus.State.refused),
            (200, "No security definition", .down),
            (101, "Max number of tickers", .waitingForLines),
            (10_190, "Max number of tick-by-tick requests", .waitingForLines),
            (10_189, "Failed to request", .down), (10_197, "Competing session", .down),
            (10_167, "Delayed market data is available", .refused),
            (10_092, "Deep market data is not supported", .refused),
            (10_186, "Not subscribed, delayed data not enabled", .refused),
            (9_999, "What nobody knows", .down),
        ])
    func refused(_ code: Int, _ text: String, _ state: FeedStatus.State) {
        let world = Self.world(.level1, .trades, .trades, refusal: (code, text))
        #expect(world.states == [state, .live, .live])
        #expect(!world.feeds()[0].reason.isEmpty && world.feeds()[0].until < .never)
        #expect(world.engine.status.openOutages == 0)
    }

    @Test(
        "Level 1 is asked for with fewer values when the request is refused, four times in all",
        arguments: [(1, FeedStatus.State.live), (2, .live), (3, .live), (4, .refused)])
    func fewerValues(_ refusals: Int, _ state: FeedStatus.State) {
        let world = Self.refusing(refusals, .level1, seconds: 10)
        #expect(world.states == [state])
        #expect(world.requests("1") == min(refusals + 1, 4))
        #expect(world.feeds()[0].reason.contains("Invalid generic tick (321)"))
        // Without `RTVolume` the last prices are the trades.
        let hasTrades = world.verdict.values.keys.contains { $0.track == .trade }
        #expect(hasTrades == (state == .live))
    }

    @Test(
        "Of what is refused, single values are left out first, then headlines, and trades last",
        arguments: [
            (1, "233,375,292"), (2, "233,292"), (3, "233,375"), (4, "233"), (5, ""),
        ])
    func leftOut(_ refusals: Int, _ ticks: String) {
        let world = Self.refusing(refusals, [.level1, .news], seconds: 30)
        #expect(world.server.genericTicksSeen.last == ticks)
        #expect(world.verdict.values.keys.contains { $0.track == .trade })
        // A subscription to headlines is recorded only where they come.
        let told = world.verdict.firstStart.keys.contains { $0.kind == DataKind.news.rawValue }
        #expect(told == ticks.contains("292"))
    }

    @Test("Values that one connection refused are asked for again on the next one")
    func leftOutNoMore() {
        var world = Self.refusing(3, [.level1, .news], seconds: 30)
        let asked = world.server.genericTicksSeen
        #expect(asked.count == 4 && asked.last == "233,375")
        world.dropAndReturn("reset")
        #expect(world.server.genericTicksSeen == asked + [asked[0]])
        world.pass(10)
        let isTold = world.verdict.firstStart.keys.contains { $0.kind == DataKind.news.rawValue }
        #expect(isTold)
    }

    @Test("What a message lost in reading is counted, over all connections")
    func losses() {
        var world = Self.world(.level1)
        let price = ["1", "6", "77", "1", "123456789012345678901", "1", "0"]
        let trade = [
            "99", "77", "1", "1767605400", "10", "1", "0", "AN EXCHANGE OF MANY LETTERS", "T",
        ]
        for connection in UInt64(1)...2 {
            world.garbage += [
                ServerMessages.frame(price), ServerMessages.frame(trade),
                ServerMessages.frame(["1", "6", "77", "x", "1"]), ServerMessages.frame(["1"]),
            ]
            world.step(100_000_000)
            let counters = world.engine.status.counters
            let once = [
                counters.lostNumbers, counters.cutTexts, counters.skipped(.notANumber),
                counters.skipped(.missing), counters.skippedMessages / 2,
            ]
            #expect(once == Array(repeating: connection, count: 5))
            world.drop("reset")
            while !world.isConnected || world.engine.status.state != .ready {
                world.step(100_000_000)
            }
        }
    }

    @Test("The book of one exchange is asked for there, and everything else where the contract is")
    func depthExchange() {
        let feeds: Instrument.Feeds = [.level1, .depth, .smartDepth]
        let world = Self.world(feeds)
        #expect(world.states == [.live, .live, .live] && world.server.complaints.isEmpty)
        // Without a depth exchange the contract's exchange is used. SMART has no book.
        let other = World.running([feeds]) { $0.instruments[0].depthExchange = "" }
        #expect(other.states == [.live, .refused, .live])
    }

    @Test("A book of which not all was kept is asked for anew, and begins with a reset")
    func restartedBook() throws {
        var world = Self.world([.level1, .depth])
        let asked = world.server.requestsSeen.count
        var output = IBEngine.Output()
        world.engine.restart(0, .depth, world.moment, into: &output)
        world.engine.restart(3, .depth, world.moment, into: &output)
        world.settle(&output)
        world.pass(10)
        // The old subscription is cancelled, and the new one requested. Level 1 continues.
        #expect(
            world.server.requestsSeen[asked...].filter { ["10", "11"].contains($0) } == [
                "11", "10",
            ])
        #expect(world.states == [.live, .live] && world.engine.status.openOutages == 0)
        #expect(world.engine.status.counters.resubscriptions == 1)
    }

    @Test("What cannot be sent is refused, and holds no line")
    func unsendable() throws {
        var world = Self.world(.trades)
        let symbol = try #require(Symbol("X\u{c4}"))
        let instrument = Instrument(
            symbol: symbol, contract: Instrument.Contract(.stock), feeds: .level1)
        world.follow([(7, instrument, reached: .undefined)])
        world.pass(10)
        #expect(world.states == [.live, .refused] && world.engine.status.linesUsed == 0)
        #expect(world.feeds(1)[0].reason.contains("cannot be sent"))
    }

    @Test("A notice that is only a warning changes nothing", arguments: [10_090, 10_091])
    func warning(_ code: Int) {
        let world = Self.world(
            .level1, .trades, refusal: (code, "Part of the data is not subscribed"))
        // The simulated server sends nothing after it. The subscription settles all the same.
        #expect(world.states == [.live, .live])
        #expect(world.feeds()[0].reason.hasPrefix("Part of the data is not subscribed (\(code)): "))
        #expect(world.requests("1") == 1)
    }

    @Test("Where usually nothing comes only a tick proves that a feed delivers")
    func subscriptionMissing() {
        var world = Self.world(
            .level1, .trades, refusal: (10_089, "Requires additional subscription for API"))
        world.pass(100)
        #expect(world.states == [.asked, .live])
        let reason = "Requires additional subscription for API (10089): "
        #expect(world.feeds()[0].reason.hasPrefix(reason))
    }

    @Test("What nobody told of between two processes is an outage of the gateway")
    func reached() {
        var world = World(seed: 3, feeds: [.trades, .level1], canBackfill: false)
        let reached = world.ago(60)
        let gaps = world.follow(
            world.instruments.enumerated().map {
                (UInt32($0.offset), $0.element, reached: reached)
            })
        #expect(gaps.count == 4)
        // Ticks that were on their way are stamped with the beginning of their second, or were half
        // a second late. Ticks without a provider's stamp cannot have been on their way.
        let begins = gaps.map {
            "\($0.header.symbol) \($0.kind) \($0.from.nanoseconds(since: reached))"
        }
        let (trade, quote) = (DataKind.trade.rawValue, DataKind.quote.rawValue)
        #expect(
            Set(begins) == [
                "0 \(trade) -1000000000", "1 \(trade) -500000000", "1 \(quote) 0",
                "1 \(DataKind.indicator.rawValue) 0",
            ])
        #expect(gaps.allSatisfy { !$0.to.isDefined })
        #expect(gaps.allSatisfy { $0.reason == GapReason.gatewayLost.rawValue })
        world.pass(20)
        #expect(world.engine.status.openOutages == 0)
        #expect(world.verdict.gaps.values.allSatisfy { $0.isDefined })
    }

    @Test("The outage of the gateway begins where another one had ended")
    func reachedBehind() {
        let world = World(seed: 3, feeds: [.trades], canBackfill: false)
        for (end, from) in [(-400, -400), (-1_200, -1_000), (300, -1_000)] as [(Int64, Int64)] {
            var other = world
            let reached = world.ago(60)
            let gap = world.gap(.trade, from: 69, to: 60 - Double(end) / 1_000)
            let open = other.follow([world.first(reached: reached)], gaps: [gap])
                .filter { $0.state == GapState.open.rawValue }
            #expect(open.map { $0.from.nanoseconds(since: reached) / 1_000_000 } == [from])
        }
    }

    @Test("An outage that an earlier process had begun goes on, and is not told twice")
    func inherited() {
        var world = World(seed: 3, feeds: [.trades], canBackfill: false)
        let gap = world.gap(.trade, from: 600)
        let told = world.follow([world.first(reached: world.ago(60))], gaps: [gap])
        #expect(told.isEmpty && world.engine.status.openOutages == 1)
        world.pass(20)
        #expect(world.engine.status.openOutages == 0)
    }

    @Test("The bar that ends an outage of an earlier process is not fetched once more")
    func firstBar() {
        var world = World(seed: 3, feeds: [.bars], canBackfill: true)
        world.follow([world.first(reached: world.ago(7))])
        world.pass(60)
        #expect(world.verdict.gapsBegun == 1 && world.engine.status.openOutages == 0)
        let twice = world.problems(isFilled: false).filter { $0.contains("times") }
        #expect(twice.isEmpty, "\(twice)")
    }

    @Test("A gap of an earlier process that nobody fills in is told to be given up")
    func givenUp() {
        var world = World(seed: 3, feeds: [.trades], canBackfill: false)
        let gap = world.gap(.trade, from: 600, to: 599)
        world.follow([world.first()], gaps: [gap])
        world.pass(20)
        #expect(world.verdict.abandoned.values.map(\.self) == [[gap.from..<gap.to]])
    }

    @Test("An instrument that is not wanted any more is cancelled, and its outages end")
    func ended() {
        var world = Self.world(.level1, .trades)
        world.drop("reset")
        #expect(world.engine.status.openOutages > 0)
        world.follow(ended: [0, 1])
        #expect(world.engine.status.openOutages == 0 && world.engine.status.instruments.isEmpty)
    }

    @Test("The floor follows the slowest clock of the feeds that are wanted at the moment")
    func delay() {
        var world = Self.world(.level1, .bars)
        for (ended, halves) in [([], 5), ([1], 3), ([0], 1)] as [([UInt32], Int64)] {
            world.follow(ended: ended)
            world.step(0)
            #expect(world.verdict.floor.nanoseconds == world.now - halves * second / 2)
        }
    }

    @Test("A stop cancels, puts gaps on record and wishes the connection closed")
    func stop() {
        var world = Self.world(.level1, .trades)
        var output = IBEngine.Output()
        world.engine.stop(world.moment, into: &output)
        let gaps = output.live.records.filter { if case .tape(.gap) = $0 { true } else { false } }
        #expect(gaps.count == 4)
        #expect(output.wish != nil)
        world.server.received(output.bytes, world.now)
        #expect(world.server.subscriptions.isEmpty)
    }

    @Test("The same world twice gives the same records")
    func deterministic() {
        let worlds = (0..<2).map { _ in
            EngineSimulationTests.lived(11, canBackfill: true)
        }
        #expect(worlds[0].verdict.checksum == worlds[1].verdict.checksum)
        #expect(worlds[0].verdict.records == worlds[1].verdict.records)
    }
}
