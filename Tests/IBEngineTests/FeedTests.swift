import IBEngine
import IBProtocol
import MarketModel
import Primitives
import Testing

@Suite("Feeds and what becomes of them") struct FeedTests {
    private static func world(_ feeds: Instrument.Feeds..., refusal: (Int, String)? = nil) -> World
    {
        var world = World(seed: 3, feeds: feeds, canBackfill: false)
        if let refusal { world.server.refusals.append(refusal) }
        world.start()
        for _ in 0..<100 { world.step(100_000_000) }
        return world
    }

    private static func states(_ world: World) -> [FeedStatus.State] {
        world.engine.status.instruments.flatMap { $0.feeds.map(\.state) }
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
        #expect(Self.states(world) == [state, .live, .live])
        let first = world.engine.status.instruments.first?.feeds.first
        #expect(first.map { !$0.reason.isEmpty && $0.until < .never } == true)
        #expect(world.engine.status.openOutages == 0)
    }

    @Test(
        "Level 1 is asked for with fewer values when the request is refused, four times in all",
        arguments: [(1, FeedStatus.State.live), (2, .live), (3, .live), (4, .refused)])
    func fewerValues(_ refusals: Int, _ state: FeedStatus.State) {
        var world = World(seed: 3, feeds: [.level1], canBackfill: false)
        for _ in 0..<refusals { world.server.refusals.append((321, "Invalid generic tick")) }
        world.start()
        for _ in 0..<100 { world.step(100_000_000) }
        #expect(Self.states(world) == [state])
        #expect(world.server.requestsSeen.count { $0 == "1" } == min(refusals + 1, 4))
        let reason = world.engine.status.instruments.first?.feeds.first?.reason
        #expect(reason?.contains("Invalid generic tick (321)") == true)
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
        var world = World(seed: 3, feeds: [[.level1, .news]], canBackfill: false)
        for _ in 0..<refusals { world.server.refusals.append((321, "Invalid generic tick")) }
        world.start()
        for _ in 0..<300 { world.step(100_000_000) }
        #expect(world.server.genericTicksSeen.last == ticks)
        let tracks = Set(world.verdict.values.keys.map(\.track))
        #expect(tracks.contains(.trade))
        // A subscription to headlines is recorded only where they come.
        let told = world.verdict.firstStart.keys.contains { $0.kind == DataKind.news.rawValue }
        #expect(told == ticks.contains("292"))
    }

    @Test("Values that one connection refused are asked for again on the next one")
    func leftOutNoMore() {
        var world = World(seed: 3, feeds: [[.level1, .news]], canBackfill: false)
        for _ in 0..<3 { world.server.refusals.append((321, "Invalid generic tick")) }
        world.start()
        for _ in 0..<300 { world.step(100_000_000) }
        let asked = world.server.genericTicksSeen
        #expect(asked.count == 4 && asked.last == "233,375")
        world.dropAndReturn("reset")
        #expect(world.server.genericTicksSeen == asked + [asked[0]])
        for _ in 0..<100 { world.step(100_000_000) }
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
            #expect(counters.lostNumbers == connection && counters.cutTexts == connection)
            #expect(counters.skippedMessages == 2 * connection)
            #expect(counters.skipped(.notANumber) == connection)
            #expect(counters.skipped(.missing) == connection)
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
        #expect(Self.states(world) == [.live, .live, .live] && world.server.complaints.isEmpty)
        // Without a depth exchange the contract's exchange is used. SMART has no book.
        var other = World(seed: 3, feeds: [feeds], canBackfill: false)
        other.instruments[0].depthExchange = ""
        other.start()
        for _ in 0..<100 { other.step(100_000_000) }
        #expect(Self.states(other) == [.live, .refused, .live])
    }

    @Test("A book of which not all was kept is asked for anew, and begins with a reset")
    func restartedBook() throws {
        var world = Self.world([.level1, .depth])
        let asked = world.server.requestsSeen.count
        var output = IBEngine.Output()
        world.engine.restart(0, .depth, world.moment, into: &output)
        world.engine.restart(3, .depth, world.moment, into: &output)
        world.settle(&output)
        for _ in 0..<100 { world.step(100_000_000) }
        // The old subscription is cancelled, and the new one requested. Level 1 continues.
        #expect(
            world.server.requestsSeen[asked...].filter { ["10", "11"].contains($0) } == [
                "11", "10",
            ])
        #expect(Self.states(world) == [.live, .live] && world.engine.status.openOutages == 0)
        #expect(world.engine.status.counters.resubscriptions == 1)
    }

    @Test("What cannot be sent is refused, and holds no line")
    func unsendable() throws {
        var world = Self.world(.trades)
        let symbol = try #require(Symbol("X\u{c4}"))
        let instrument = Instrument(
            symbol: symbol, contract: Instrument.Contract(.stock), feeds: .level1)
        var output = IBEngine.Output()
        world.engine.follow(
            begun: [(7, instrument, reached: .undefined)], ended: [], gaps: [], world.moment,
            into: &output)
        world.verdict.take(&output, world.now)
        for _ in 0..<100 { world.step(100_000_000) }
        let status = world.engine.status
        #expect(status.instruments.map { $0.feeds.map(\.state) } == [[.live], [.refused]])
        #expect(status.instruments.last?.feeds.first?.reason.contains("cannot be sent") == true)
        #expect(status.linesUsed == 0)
    }

    @Test("A notice that is only a warning changes nothing", arguments: [10_090, 10_091])
    func warning(_ code: Int) {
        let world = Self.world(
            .level1, .trades, refusal: (code, "Part of the data is not subscribed"))
        // The simulated server sends nothing after it. The subscription settles all the same.
        #expect(Self.states(world) == [.live, .live])
        let reason = world.engine.status.instruments.first?.feeds.first?.reason
        #expect(reason?.hasPrefix("Part of the data is not subscribed (\(code)): ") == true)
        #expect(world.server.requestsSeen.count { $0 == "1" } == 1)
    }

    @Test("Where usually nothing comes only a tick proves that a feed delivers")
    func subscriptionMissing() {
        var world = Self.world(
            .level1, .trades, refusal: (10_089, "Requires additional subscription for API"))
        for _ in 0..<1_000 { world.step(100_000_000) }
        #expect(Self.states(world) == [.asked, .live])
        let reason = world.engine.status.instruments.first?.feeds.first?.reason
        #expect(reason?.hasPrefix("Requires additional subscription for API (10089): ") == true)
    }

    @Test("What nobody told of between two processes is an outage of the gateway")
    func reached() {
        var world = World(seed: 3, feeds: [.trades, .level1], canBackfill: false)
        let reached = Timestamp(nanoseconds: world.now - 60 * second)
        let begun = world.instruments.enumerated().map {
            (UInt32($0.offset), $0.element, reached: reached)
        }
        var output = IBEngine.Output()
        world.engine.follow(
            begun: begun, ended: [], gaps: [], world.moment, into: &output)
        let gaps = output.live.records.compactMap { record in
            if case .tape(.gap(let gap)) = record { gap } else { nil }
        }
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
        world.verdict.take(&output, world.now)
        for _ in 0..<200 { world.step(100_000_000) }
        #expect(world.engine.status.openOutages == 0)
        #expect(world.verdict.gaps.values.allSatisfy { $0.isDefined })
    }

    @Test("The outage of the gateway begins where another one had ended")
    func reachedBehind() {
        let world = World(seed: 3, feeds: [.trades], canBackfill: false)
        let reached = Timestamp(nanoseconds: world.now - 60 * second)
        for (end, from) in [(-400, -400), (-1_200, -1_000), (300, -1_000)] as [(Int64, Int64)] {
            let gap = OpenGap(
                instrument: 0, kind: .trade, from: reached.advanced(byNanoseconds: -9 * second),
                to: reached.advanced(byNanoseconds: end * 1_000_000), reason: .disconnected)
            var engine = world.engine
            var output = IBEngine.Output()
            engine.follow(
                begun: [(0, world.instruments[0], reached: reached)], ended: [], gaps: [gap],
                world.moment, into: &output)
            let begins = output.live.records.compactMap { record -> Int64? in
                guard case .tape(.gap(let gap)) = record, gap.state == GapState.open.rawValue else {
                    return nil
                }
                return gap.from.nanoseconds(since: reached) / 1_000_000
            }
            #expect(begins == [from])
        }
    }

    @Test("An outage that an earlier process had begun goes on, and is not told twice")
    func inherited() {
        var world = World(seed: 3, feeds: [.trades], canBackfill: false)
        let from = Timestamp(nanoseconds: world.now - 600 * second)
        let gap = OpenGap(
            instrument: 0, kind: .trade, from: from, to: .undefined, reason: .disconnected)
        var output = IBEngine.Output()
        let reached = Timestamp(nanoseconds: world.now - 60 * second)
        world.engine.follow(
            begun: [(0, world.instruments[0], reached: reached)], ended: [], gaps: [gap],
            world.moment, into: &output)
        let isTold = output.live.records.contains {
            if case .tape(.gap) = $0 { true } else { false }
        }
        #expect(!isTold)
        #expect(world.engine.status.openOutages == 1)
        for _ in 0..<200 { world.step(100_000_000) }
        #expect(world.engine.status.openOutages == 0)
    }

    @Test("The bar that ends an outage of an earlier process is not fetched once more")
    func firstBar() {
        var world = World(seed: 3, feeds: [.bars], canBackfill: true)
        let reached = Timestamp(nanoseconds: world.now - 7 * second)
        var output = IBEngine.Output()
        world.engine.follow(
            begun: [(0, world.instruments[0], reached: reached)], ended: [], gaps: [],
            world.moment, into: &output)
        world.verdict.take(&output, world.now)
        for _ in 0..<600 { world.step(100_000_000) }
        #expect(world.verdict.gapsBegun == 1 && world.engine.status.openOutages == 0)
        let twice = world.problems(isFilled: false).filter { $0.contains("times") }
        #expect(twice.isEmpty, "\(twice)")
    }

    @Test("A gap of an earlier process that nobody fills in is told to be given up")
    func givenUp() {
        var world = World(seed: 3, feeds: [.trades], canBackfill: false)
        let from = Timestamp(nanoseconds: world.now - 600 * second)
        let gap = OpenGap(
            instrument: 0, kind: .trade, from: from, to: from.advanced(byNanoseconds: second),
            reason: .disconnected)
        var output = IBEngine.Output()
        world.engine.follow(
            begun: [(0, world.instruments[0], reached: .undefined)], ended: [], gaps: [gap],
            world.moment, into: &output)
        for _ in 0..<200 { world.step(100_000_000) }
        #expect(world.verdict.abandoned.values.map(\.self) == [[gap.from..<gap.to]])
    }

    @Test("An instrument that is not wanted any more is cancelled, and its outages end")
    func ended() {
        var world = Self.world(.level1, .trades)
        world.drop("reset")
        #expect(world.engine.status.openOutages > 0)
        var output = IBEngine.Output()
        world.engine.follow(begun: [], ended: [0, 1], gaps: [], world.moment, into: &output)
        #expect(world.engine.status.openOutages == 0)
        #expect(world.engine.status.instruments.isEmpty)
    }

    @Test("The floor follows the slowest clock of the feeds that are wanted at the moment")
    func delay() {
        var world = Self.world(.level1, .bars)
        #expect(world.verdict.floor.nanoseconds == world.now - 5 * second / 2)
        var output = IBEngine.Output()
        world.engine.follow(begun: [], ended: [1], gaps: [], world.moment, into: &output)
        world.engine.drained(world.moment, into: &output)
        #expect(output.live.floor.nanoseconds == world.now - 3 * second / 2)
        world.engine.follow(begun: [], ended: [0], gaps: [], world.moment, into: &output)
        world.engine.drained(world.moment, into: &output)
        #expect(output.live.floor.nanoseconds == world.now - second / 2)
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
