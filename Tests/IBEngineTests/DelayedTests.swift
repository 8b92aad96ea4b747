import IBEngine
import MarketModel
import Primitives
import Seeds
import Testing

@Suite("Delayed data where the account may not see live ones, and back") struct DelayedTests {
    private static func world(
        _ feeds: [Instrument.Feeds] = [.level1, .level1], withoutLive: Set<Int> = [0],
        _ delayed: DelayedData = .automatic, keepsRefused: Bool = false
    ) -> World {
        var world = World(seed: 3, feeds: feeds, canBackfill: true, delayed: delayed)
        world.server.withoutLive = withoutLive
        world.server.keepsRefused = keepsRefused
        world.start()
        world.pass(20)
        return world
    }

    @Test("What is refused live comes delayed, in a source of its own with its own time")
    func refused() {
        let world = Self.world()
        #expect(world.feeds().map(\.isDelayed) == [true])
        #expect(world.feeds(1).map(\.isDelayed) == [false])
        #expect(world.feeds().map(\.state) == [.live])
        world.expectSound()
        #expect(Set(world.verdict.delayedTicks.map(\.symbol)) == [0])
        #expect(Set(world.verdict.values.keys.map(\.instrument)) == [1])
        #expect(world.verdict.delayedStarts == [0: [true]])
        // The trades have shown how late they come. The live source waits for nothing.
        let late = world.now - world.verdict.delayedFloor.nanoseconds
        #expect(late > 900 * second && late < 904 * second, "\(late)")
        #expect(world.verdict.floor.nanoseconds == world.now - 3 * second / 2)
        // Nothing is missing that the account may not see.
        #expect(world.verdict.gaps.isEmpty)
        // The kind of data is asked for only when it changes.
        #expect(world.requests("59") == 1)
    }

    @Test("Every 15 minutes live data are asked for, without any loss of delayed ones")
    func look() {
        var world = Self.world()
        let asked = world.requests("1")
        world.pass(860, step: second)
        #expect(world.requests("1") == asked)
        world.pass(60, step: second)
        #expect(world.requests("1") == asked + 1)
        #expect(world.feeds().map(\.isDelayed) == [true])
        #expect(world.verdict.delayedStarts == [0: [true]])
        world.server.withoutLive = []
        world.pass(920, step: second)
        #expect(world.feeds().map(\.isDelayed) == [false])
        #expect(world.feeds().map(\.state) == [.live])
        #expect(world.verdict.delayedStarts == [0: [true, false]])
        #expect(world.verdict.liveStarts[0] == [true])
        world.expectSound()
        #expect(world.verdict.gaps.isEmpty && world.engine.status.openOutages == 0)
        #expect(world.server.subscriptions.count == 2)
    }

    @Test("A refused question leaves no request behind, where TWS keeps it")
    func keptRequests() {
        var world = Self.world(keepsRefused: true)
        world.pass(1_980, step: second)
        #expect(world.requests("1") > 4)
        #expect(world.server.subscriptions.count == 2)
        #expect(world.feeds().map(\.isDelayed) == [true])
        world.expectSound()
    }

    @Test(
        "A gap of live data stays open until these come, or are refused once more",
        arguments: [true, false])
    func refusedAgain(passes: Bool) {
        var world = Self.world(withoutLive: [])
        world.server.withoutLive = [0]
        world.drop("reset")
        world.pass(40)
        #expect(world.feeds().map(\.isDelayed) == [true])
        #expect(world.engine.status.openOutages > 0)
        if passes { world.server.withoutLive = [] }
        world.pass(950, step: second)
        #expect(world.feeds().map(\.isDelayed) == [!passes])
        #expect(world.engine.status.openOutages == 0)
        let isGivenUp = world.verdict.details.contains("the account may not see live data")
        #expect(isGivenUp == !passes)
        world.expectSound()
    }

    @Test("A live feed stays live when a part of its data is refused and no price comes")
    func partlyRefused() throws {
        var world = Self.world(withoutLive: [])
        let request = try #require(
            world.server.subscriptions.first { $0.value.instrument == 0 }?.key)
        world.isTrading = false
        world.tell(10_090, "Part of requested market data is not subscribed", about: request)
        world.pass(10)
        #expect(world.feeds().map(\.isDelayed) == [false])
        #expect(world.verdict.delayedStarts.isEmpty)
    }

    @Test("A delayed value on its way does not move a live subscription")
    func straggler() throws {
        var world = Self.world()
        let request = try #require(
            world.server.subscriptions.first { $0.value.instrument == 0 }?.key)
        world.server.subscriptions[request]?.isDelayed = false
        world.server.send(world.server.words.mode(request, isDelayed: false), world.now)
        let trade = try #require(world.server.trades.last)
        world.server.send(world.server.delayed(request, trade, world.now), world.now)
        world.pass(10)
        #expect(world.feeds().map(\.isDelayed) == [false])
        #expect(world.verdict.delayedStarts == [0: [true, false]])
        world.expectSound()
    }

    @Test("Message 58 moves a subscription, in both directions, and the live gap is filled")
    func message() throws {
        var world = Self.world(withoutLive: [])
        let request = try #require(
            world.server.subscriptions.first { $0.value.instrument == 0 }?.key)
        for isDelayed in [true, false, true, false] {
            world.server.subscriptions[request]?.isDelayed = isDelayed
            world.server.send(world.server.words.mode(request, isDelayed: isDelayed), world.now)
            world.pass(10)
            #expect(world.feeds().map(\.isDelayed) == [isDelayed])
            #expect(world.feeds().map(\.state) == [.live])
        }
        world.expectSound()
        #expect(world.verdict.delayedStarts == [0: [true, false, true, false]])
        #expect(world.verdict.liveStarts[0] == [true, false, true, false, true])
        // Of trades and quotes two each, and of other kinds.
        #expect(world.verdict.gapsBegun >= 4 && world.engine.status.openOutages == 0)
        #expect(world.verdict.gaps.allSatisfy { $0.key.instrument == 0 && $0.value.isDefined })
        #expect(!world.verdict.details.contains("the account may not see live data"))
    }

    @Test("Ticks that may not be seen one by one come delayed from level 1, until they may")
    func standIn() {
        var world = Self.world([[.trades, .quotes]])
        #expect(world.feeds().filter(\.isDelayed).map(\.feed) == [.marketData])
        #expect(!world.verdict.delayedTicks.isEmpty && world.verdict.values.isEmpty)
        world.server.withoutLive = []
        world.pass(950, step: second)
        #expect(world.feeds().map(\.feed) == [.trades, .quotes])
        #expect(world.feeds().allSatisfy { $0.state == .live && !$0.isDelayed })
        #expect(!world.verdict.values.isEmpty)
        world.expectSound()
        #expect(world.server.subscriptions.count == 2)
    }

    @Test("A gap of delayed data is in their source, and is not filled")
    func gap() {
        var world = Self.world(withoutLive: [0, 1])
        world.drop("reset")
        world.pass(40)
        #expect(world.verdict.gaps.isEmpty)
        for state in [GapState.open, .abandoned] {
            let gaps = world.verdict.delayedGaps.filter { $0.state == state.rawValue }
            #expect(gaps.contains { $0.kind == DataKind.trade.rawValue && $0.to.isDefined })
            #expect(Set(gaps.map(\.header.symbol)) == [0, 1])
        }
        #expect(world.engine.status.openOutages == 0 && world.engine.status.waitingBackfills == 0)
        #expect(world.verdict.delayedStarts[0] == [true, false, true])
    }

    @Test("Without live and delayed data a feed is refused, and tries again in an hour")
    func nothing() {
        var world = World(seed: 3, feeds: [.level1], canBackfill: false, delayed: .automatic)
        world.server.refusals = [(354, "Not subscribed"), (10_168, "No delayed data")]
        world.start()
        world.pass(10)
        #expect(world.feeds().map(\.state) == [.refused])
        #expect(world.feeds().map(\.isDelayed) == [false])
        world.pass(3_600, step: second)
        #expect(world.feeds().map(\.state) == [.live])
    }

    @Test("IBKR_DELAYED=true asks for nothing live")
    func always() {
        let world = Self.world([.level1, .trades], withoutLive: [0, 1], .always)
        #expect(world.server.requestsSeen.contains("97") == false)
        #expect(Set(world.verdict.delayedTicks.map(\.symbol)) == [0, 1])
    }

    @Test(
        "What an earlier process left in the source of delayed data ends", arguments: [true, false])
    func rest(isStillDelayed: Bool) {
        var world = Self.world(withoutLive: isStillDelayed ? [0] : [])
        var out = IBEngine.Output()
        let reached = Timestamp(nanoseconds: world.now - 100 * second)
        let open = OpenGap(
            instrument: 0, kind: .quote, from: reached, to: .undefined, reason: .gatewayLost)
        world.engine.continueDelayed(
            reached: [(0, reached)], gaps: [open], world.moment, into: &out)
        var gaps: [GapRecord] = []
        var stops = 0
        for case .tape(let record) in out.delayed.records {
            if case .gap(let gap) = record { gaps.append(gap) }
            if case .subscription(let end) = record {
                stops += end.action == SubscriptionAction.stop.rawValue ? 1 : 0
            }
        }
        #expect(stops == (isStillDelayed ? 0 : 1))
        let abandoned = gaps.filter { $0.state == GapState.abandoned.rawValue }
        #expect(abandoned.contains { $0.kind == DataKind.quote.rawValue && $0.from == reached })
        // Delayed trades are missing from the time on that the last ones had.
        let trades = abandoned.filter { $0.kind == DataKind.trade.rawValue }
        #expect(trades.count == (isStillDelayed ? 1 : 0))
        #expect(trades.allSatisfy { $0.from < reached && $0.to.isDefined })
        #expect(world.engine.status.openOutages == 0)
    }

    private static let twoSources = Seeds(
        fixed: 1...30, kept: [1, 2, 3, 4, 5, 6, 7, 8], failed: [14_168_490_540_340_141_770],
        weight: 0.02)

    @Test("The two sources stay apart whatever happens", arguments: twoSources.all())
    func simulation(_ seed: UInt64) {
        var choice = SeededRandom(seed: seed &* 11 &+ 5)
        let kinds: [Instrument.Feeds] = [.level1, [.level1, .trades], [.trades, .quotes]]
        // Two lines of ticks for two instruments, and one for the others: as many as there are.
        let feeds = (0..<4).map { kinds[Int.random(in: 0..<($0 < 2 ? 3 : 2), using: &choice)] }
        var world = World(seed: seed, feeds: feeds, canBackfill: true, delayed: .automatic)
        func choose() -> Set<Int> { Set((0..<4).filter { _ in Bool.random(using: &choice) }) }
        world.server.withoutLive = choose()
        world.start()
        for _ in 0..<12 {
            world.pass(Double(Int.random(in: 5...20, using: &choice)))
            world.fault()
            if Int.random(in: 0..<4, using: &choice) == 0 { world.server.withoutLive = choose() }
        }
        world.calm()
        // Everything is asked for again by then.
        world.pass(8_000, step: 2 * second)
        let withoutLive = world.server.withoutLive
        var found = world.verdict.problems + world.server.complaints
        for (index, instrument) in world.engine.status.instruments.enumerated() {
            let isDelayed = withoutLive.contains(index)
            // What only comes live is refused, and asked for again from time to time. A request
            // that was granted before goes on live.
            for feed in instrument.feeds where feed.feed == .marketData || !isDelayed {
                guard feed.state != .live || feed.isDelayed && !isDelayed else { continue }
                found.append("\(instrument.symbol) \(feed.feed): \(feed)")
            }
        }
        if world.engine.status.openOutages != 0 { found.append("outages are open") }
        #expect(found.isEmpty, "TAPELINE_SEED=\(seed): \(found.prefix(5))")
    }
}
