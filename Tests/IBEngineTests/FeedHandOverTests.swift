import MarketModel
import Primitives
import Seeds
import Testing

@testable import IBEngine

/// Trades and quotes that two feeds deliver, one feed after the other.
@Suite("From one feed to another") struct FeedHandOverTests {
    private static let noon = Timestamp(nanoseconds: (World.dayStart + 43_200) * second)

    private static func moment(_ seconds: Int64) -> Moment {
        Moment(
            wall: noon.advanced(byNanoseconds: seconds * second), monotonic: .at(seconds * second))
    }

    @Test("What came one by one does not come late by level 1, also after the next hand-over")
    func straggler() throws {
        var machine = FeedMachine()
        var turn = Turn(IBEngineSettings(seed: 1), Self.moment(0))
        let instrument = Instrument(
            symbol: try #require(Symbol("DIA")), contract: Instrument.Contract(.stock),
            feeds: [.level1, .trades])
        machine.begin(1, instrument, in: &turn)
        let level1 = try #require(machine.entries[0].level1)
        let trades = try #require(machine.entries[0].slots.firstIndex { $0.feed == .trades })
        for slot in [level1, trades] {
            machine.entries[0].slots[slot].phase = .live(
                FeedPhase.Live(request: Int32(slot + 1), since: Self.noon))
        }
        func isTold(_ milliseconds: Int64) -> Bool {
            let time = Self.noon.advanced(byNanoseconds: milliseconds * 1_000_000)
            return machine.entries[0].handOver.isLevel1(tradeAt: time)
        }
        let route = FeedRoute(place: 0, slot: trades)
        machine.takeOverFromLevel1(route, in: turn)
        #expect(isTold(-500) && isTold(1_999) && !isTold(2_000))
        // Tick by tick until 10 s, then by level 1 from the next whole second on.
        machine.entries[0].slots[level1].kinds.remove(.trade)
        turn.now = Self.moment(10)
        machine.giveBackToLevel1(route, "a test", in: &turn)
        #expect(!isTold(10_900) && isTold(11_000))
        // Now tick by tick again. The print of 10.9 s was recorded then, and level 1 brings it only
        // now.
        turn.now = Self.moment(12)
        machine.takeOverFromLevel1(route, in: turn)
        #expect(!isTold(10_900) && isTold(11_000) && isTold(13_999) && !isTold(14_000))
        machine.takeOverFromLevel1(route, in: turn)
        #expect(!isTold(10_900) && isTold(11_000))
    }

    /// Level 1 last delivered at `last`. The other feed begins at 33 s, and a notice stops it at
    /// 34 s. Then level 1 turns out to be silent. An earlier pause of 15 s shows at 34 s that this
    /// pause may be a usual one, but no more at 44 s.
    @Test(
        "The gap of a feed that stops in a hand-over has what level 1 did not deliver before it",
        arguments: [(20, 20, 1), (20, 20, 15), (34, 33, 1)] as [(Int64, Int64, Int64)])
    func silence(last: Int64, from: Int64, pause: Int64) throws {
        var machine = FeedMachine()
        var turn = Turn(IBEngineSettings(seed: 1), Self.moment(0))
        let instrument = Instrument(
            symbol: try #require(Symbol("DIA")), contract: Instrument.Contract(.stock),
            feeds: [.level1, .trades])
        machine.begin(1, instrument, in: &turn)
        let level1 = FeedRoute(place: 0, slot: try #require(machine.entries[0].level1))
        let slot = machine.entries[0].slots.firstIndex { $0.feed == .trades }
        let trades = FeedRoute(place: 0, slot: try #require(slot))
        machine[level1].phase = .live(FeedPhase.Live(request: 1, since: Self.noon))
        machine[level1].silence.rhythm.came(Self.moment(last - pause).monotonic)
        machine[level1].silence.rhythm.came(Self.moment(last).monotonic)
        machine[level1].silence.lastWall = Self.moment(last).wall
        machine[level1].times.trade = Self.moment(last).wall
        turn.now = Self.moment(33)
        machine[trades].phase = .live(FeedPhase.Live(request: 2, since: turn.now.wall))
        machine[trades].silence.lastWall = turn.now.wall
        machine.takeOverFromLevel1(trades, in: turn)
        turn.now = Self.moment(34)
        machine.interrupt(trades, OutageCause(.competing, "a test"), in: &turn)
        turn.now = Self.moment(44)
        machine.interrupt(level1, OutageCause(.silence, "a test"), in: &turn)
        let gap = try #require(turn.live.outages.open.first { $0.kind == .trade })
        #expect(gap.from == Self.moment(from).wall)
    }

    /// Quotes come tick by tick from 33 s on. Level 1 last delivered at `last`, and its longest
    /// pause before was `pause`. At 44 s or later it turns out to be silent.
    @Test(
        "Quotes that level 1 did not deliver before the other feed took over are in a gap",
        arguments: [(20, 1, true), (20, 15, true), (20, 30, false), (33, 1, false), (34, 1, false)]
            as [(Int64, Int64, Bool)])
    func silentLevel1(last: Int64, pause: Int64, isGap: Bool) throws {
        var (machine, turn) = (FeedMachine(), Turn(IBEngineSettings(seed: 1), Self.moment(0)))
        let (level1, _) = try Self.handOverQuotes(of: &machine, last: last, pause: pause, &turn)
        turn.now = Self.moment(44)
        machine.interrupt(level1, OutageCause(.silence, "a test"), in: &turn)
        let gaps = Self.quoteGaps(turn)
        #expect(gaps == (isGap ? [[20, nil], [20, 33]] : []))
        #expect(!turn.live.outages.isOpen(1, .quote) && turn.live.outages.isOpen(1, .indicator))
        // Later outages of level 1 have nothing to do with quotes.
        machine[level1].phase = .live(FeedPhase.Live(request: 3, since: Self.moment(50).wall))
        turn.now = Self.moment(60)
        machine.interrupt(level1, OutageCause(.silence, "a test"), in: &turn)
        #expect(Self.quoteGaps(turn) == gaps)
    }

    /// As above. A notice stops the feed that took over at 36 s, and it continues at 40 s.
    @Test(
        "Those quotes are in a gap if the other feed stops first",
        arguments: [(20, 1, true), (20, 15, true), (20, 30, true), (33, 1, false), (34, 1, false)]
            as [(Int64, Int64, Bool)])
    func silentLevel1AndOutage(last: Int64, pause: Int64, isGap: Bool) throws {
        var (machine, turn) = (FeedMachine(), Turn(IBEngineSettings(seed: 1), Self.moment(0)))
        let (level1, quotes) = try Self.handOverQuotes(
            of: &machine, last: last, pause: pause, &turn)
        machine[quotes].silence.lastWall = Self.moment(36).wall
        machine[quotes].times.other = Self.moment(35).wall
        turn.now = Self.moment(36)
        machine.interrupt(quotes, OutageCause(.competing, "a test"), in: &turn)
        turn.now = Self.moment(40)
        machine.resume(quotes, in: &turn)
        turn.now = Self.moment(44)
        machine.interrupt(level1, OutageCause(.silence, "a test"), in: &turn)
        let before: [[Int64?]] = isGap ? [[20, nil], [20, 33]] : []
        #expect(Self.quoteGaps(turn) == before + [[35, nil], [35, 40]])
    }

    /// Lets the quotes come tick by tick from 33 s on.
    private static func handOverQuotes(
        of machine: inout FeedMachine, last: Int64, pause: Int64, _ turn: inout Turn
    ) throws -> (level1: FeedRoute, quotes: FeedRoute) {
        let instrument = Instrument(
            symbol: try #require(Symbol("DIA")), contract: Instrument.Contract(.stock),
            feeds: [.level1, .quotes])
        machine.begin(1, instrument, in: &turn)
        let level1 = FeedRoute(place: 0, slot: try #require(machine.entries[0].level1))
        let slot = machine.entries[0].slots.firstIndex { $0.feed == .quotes }
        let quotes = FeedRoute(place: 0, slot: try #require(slot))
        machine[level1].phase = .live(FeedPhase.Live(request: 1, since: noon))
        let first = min(last, 33)
        machine[level1].silence.lastWall = moment(first).wall
        machine[level1].times.other = moment(first).wall
        turn.now = moment(33)
        machine[quotes].phase = .live(FeedPhase.Live(request: 2, since: turn.now.wall))
        machine[quotes].silence.lastWall = turn.now.wall
        machine.takeOverFromLevel1(quotes, in: turn)
        machine[level1].silence.rhythm.came(moment(last - pause).monotonic)
        machine[level1].silence.rhythm.came(moment(last).monotonic)
        machine[level1].silence.lastWall = moment(last).wall
        return (level1, quotes)
    }

    /// Returns the bounds of the gaps of quotes on the tape, in seconds.
    private static func quoteGaps(_ turn: Turn) -> [[Int64?]] {
        turn.live.records.compactMap { record in
            guard case .tape(.gap(let gap)) = record, gap.kind == DataKind.quote.rawValue,
                gap.state == GapState.open.rawValue
            else { return nil }
            return [gap.from, gap.to].map {
                $0.isDefined ? $0.nanoseconds(since: noon) / second : nil
            }
        }
    }

    private static func feeds(_ world: World) -> [FeedStatus] {
        world.engine.status.instruments.prefix(1).flatMap(\.feeds)
    }

    /// Both feeds are ordered to stop during a hand-over. They continue so soon that what comes may
    /// have been sent before the stop.
    @Test(
        "Feeds that stop in the middle of a hand-over tell each trade once",
        arguments: Seeds(fixed: 0...39).all())
    func interrupted(_ seed: UInt64) throws {
        var world = World(seed: seed, feeds: [[.level1, .trades]], canBackfill: seed % 2 == 0)
        world.start()
        while Self.feeds(world).count != 2
            || Self.feeds(world).contains(where: { $0.state != .live })
        {
            world.step(10_000_000)
            try #require(world.now - world.began < 60 * second)
        }
        // In the first half of the hand-over, later, and when it is over.
        for _ in 0..<Int(seed % 8) * 60 { world.step(10_000_000) }
        for (index, id) in world.server.subscriptions.keys.sorted().enumerated() {
            let pause = Int64(seed % 5 + 1) * 400_000_000
            world.server.subscriptions[id]?.pausedUntil = world.now + pause
            world.server.send(world.server.words.notice(id, 10_197, "competing"), world.now)
            if index == 0, seed % 3 == 0 { for _ in 0..<60 { world.step(10_000_000) } }
        }
        for _ in 0..<1_500 { world.step(10_000_000) }
        let twice = world.verdict.values.filter { $0.key.track == .trade && $0.value > 1 }
        #expect(twice.isEmpty, "TAPELINE_SEED=\(seed): \(twice)")
        #expect(world.verdict.problems.isEmpty, "\(world.verdict.problems)")
        let live = Self.feeds(world).map(\.state)
        #expect(live == [.live, .live], "\(live)")
    }
}
