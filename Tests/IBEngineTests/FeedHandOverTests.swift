import MarketModel
import Primitives
import Seeds
import Testing

@testable import IBEngine

/// Trades and quotes that two feeds deliver, one feed after the other.
@Suite("From one feed to another") struct FeedHandOverTests {
    private typealias Bench = FeedBench

    @Test("What came one by one does not come late by level 1, also after the next hand-over")
    func straggler() throws {
        var bench = try Bench([.level1, .trades])
        let (level1, trades) = try (bench.route(.marketData), bench.route(.trades))
        bench.makeLive(level1, 1)
        bench.makeLive(trades, 2)
        bench.machine.takeOverFromLevel1(trades, in: bench.turn)
        #expect(bench.ofLevel1(-500, 1_999, 2_000) == [-500, 1_999])
        // Tick by tick until 10 s, then by level 1 from the next whole second on.
        bench.machine.entries[0].slots[level1.slot].kinds.remove(.trade)
        bench.setClock(to: 10)
        bench.machine.giveBackToLevel1(trades, "a test", in: &bench.turn)
        #expect(bench.ofLevel1(10_900, 11_000) == [11_000])
        // Now tick by tick again. The print of 10.9 s was recorded then, and level 1 brings it only
        // now.
        bench.setClock(to: 12)
        bench.machine.takeOverFromLevel1(trades, in: bench.turn)
        #expect(bench.ofLevel1(10_900, 11_000, 13_999, 14_000) == [11_000, 13_999])
        bench.machine.takeOverFromLevel1(trades, in: bench.turn)
        #expect(bench.ofLevel1(10_900, 11_000) == [11_000])
    }

    /// Level 1 last delivered at `last`. The other feed begins at 33 s, and a notice stops it at
    /// 34 s. Then level 1 turns out to be silent. An earlier pause of 15 s shows at 34 s that this
    /// pause may be a usual one, but no more at 44 s.
    @Test(
        "The gap of a feed that stops in a hand-over has what level 1 did not deliver before it",
        arguments: [(20, 20, 1), (20, 20, 15), (34, 33, 1)] as [(Int64, Int64, Int64)])
    func silence(last: Int64, from: Int64, pause: Int64) throws {
        var bench = try Bench([.level1, .trades])
        let (level1, trades) = try (bench.route(.marketData), bench.route(.trades))
        bench.makeLive(level1, 1)
        bench.deliver(level1, last: last, pause: pause)
        bench.machine[level1].times.trade = Bench.wall(at: last)
        bench.takeOver(trades)
        bench.interrupt(trades, .competing, at: 34)
        bench.interrupt(level1, .silence, at: 44)
        let gap = try #require(bench.turn.live.outages.open.first { $0.kind == .trade })
        #expect(gap.from == Bench.wall(at: from))
    }

    /// Quotes come tick by tick from 33 s on. Level 1 last delivered at `last`, and its longest
    /// pause before was `pause`. At 44 s or later it turns out to be silent.
    @Test(
        "Quotes that level 1 did not deliver before the other feed took over are in a gap",
        arguments: [(20, 1, true), (20, 15, true), (20, 30, false), (33, 1, false), (34, 1, false)]
            as [(Int64, Int64, Bool)])
    func silentLevel1(last: Int64, pause: Int64, isGap: Bool) throws {
        var (bench, level1, _) = try Self.handOverQuotes(last: last, pause: pause)
        bench.interrupt(level1, .silence, at: 44)
        let gaps = Self.quoteGaps(bench.turn)
        #expect(gaps == (isGap ? [[20, nil], [20, 33]] : []))
        let outages = bench.turn.live.outages
        #expect(!outages.isOpen(1, .quote) && outages.isOpen(1, .indicator))
        // Later outages of level 1 have nothing to do with quotes.
        bench.makeLive(level1, 3, since: 50)
        bench.interrupt(level1, .silence, at: 60)
        #expect(Self.quoteGaps(bench.turn) == gaps)
    }

    /// As above. A notice stops the feed that took over at 36 s, and it continues at 40 s.
    @Test(
        "Those quotes are in a gap if the other feed stops first",
        arguments: [(20, 1, true), (20, 15, true), (20, 30, true), (33, 1, false), (34, 1, false)]
            as [(Int64, Int64, Bool)])
    func silentLevel1AndOutage(last: Int64, pause: Int64, isGap: Bool) throws {
        var (bench, level1, quotes) = try Self.handOverQuotes(last: last, pause: pause)
        bench.machine[quotes].silence.lastWall = Bench.wall(at: 36)
        bench.machine[quotes].times.other = Bench.wall(at: 35)
        bench.interrupt(quotes, .competing, at: 36)
        bench.resume(quotes, at: 40)
        bench.interrupt(level1, .silence, at: 44)
        let before: [[Int64?]] = isGap ? [[20, nil], [20, 33]] : []
        #expect(Self.quoteGaps(bench.turn) == before + [[35, nil], [35, 40]])
    }

    /// Lets the quotes come tick by tick from 33 s on.
    private static func handOverQuotes(
        last: Int64, pause: Int64
    ) throws -> (bench: FeedBench, level1: FeedRoute, quotes: FeedRoute) {
        var bench = try Bench([.level1, .quotes])
        let (level1, quotes) = try (bench.route(.marketData), bench.route(.quotes))
        bench.makeLive(level1, 1)
        bench.machine[level1].silence.lastWall = Bench.wall(at: min(last, 33))
        bench.machine[level1].times.other = Bench.wall(at: min(last, 33))
        bench.takeOver(quotes)
        bench.deliver(level1, last: last, pause: pause)
        return (bench, level1, quotes)
    }

    /// Returns the bounds of the gaps of quotes on the tape, in seconds.
    private static func quoteGaps(_ turn: Turn) -> [[Int64?]] {
        turn.live.records.compactMap { record in
            guard case .tape(.gap(let gap)) = record, gap.kind == DataKind.quote.rawValue,
                gap.state == GapState.open.rawValue
            else { return nil }
            return [gap.from, gap.to].map {
                $0.isDefined ? $0.nanoseconds(since: Bench.noon) / second : nil
            }
        }
    }

    /// Both feeds are ordered to stop during a hand-over. They continue so soon that what comes may
    /// have been sent before the stop.
    @Test(
        "Feeds that stop in the middle of a hand-over tell each trade once",
        arguments: Seeds(fixed: 0...39).all())
    func interrupted(_ seed: UInt64) throws {
        var world = World(seed: seed, feeds: [[.level1, .trades]], canBackfill: seed % 2 == 0)
        world.start()
        while world.states != [.live, .live] {
            world.step(10_000_000)
            try #require(world.now - world.began < 60 * second)
        }
        // In the first half of the hand-over, later, and when it is over.
        for _ in 0..<Int(seed % 8) * 60 { world.step(10_000_000) }
        for (index, id) in world.server.subscriptions.keys.sorted().enumerated() {
            let pause = Int64(seed % 5 + 1) * 400_000_000
            world.server.subscriptions[id]?.pausedUntil = world.now + pause
            world.tell(10_197, "competing", about: id)
            if index == 0, seed % 3 == 0 { for _ in 0..<60 { world.step(10_000_000) } }
        }
        for _ in 0..<1_500 { world.step(10_000_000) }
        let twice = world.verdict.values.filter { $0.key.track == .trade && $0.value > 1 }
        #expect(twice.isEmpty, "TAPELINE_SEED=\(seed): \(twice)")
        world.expectSound()
        #expect(world.states == [.live, .live])
    }
}

extension FeedBench {
    /// Returns those of the milliseconds whose trades are taken from level 1.
    fileprivate func ofLevel1(_ milliseconds: Int64...) -> [Int64] {
        milliseconds.filter {
            machine.entries[0].handOver.isLevel1(
                tradeAt: Self.noon.advanced(byNanoseconds: $0 * 1_000_000))
        }
    }

    /// Lets level 1 deliver for the last time then, after a pause.
    fileprivate mutating func deliver(_ level1: FeedRoute, last: Int64, pause: Int64) {
        machine[level1].silence.rhythm.came(Self.moment(at: last - pause).monotonic)
        machine[level1].silence.rhythm.came(Self.moment(at: last).monotonic)
        machine[level1].silence.lastWall = Self.wall(at: last)
    }

    /// Lets the other feed take over from level 1 at 33 s.
    fileprivate mutating func takeOver(_ route: FeedRoute) {
        setClock(to: 33)
        makeLive(route, 2, since: 33)
        machine[route].silence.lastWall = turn.now.wall
        machine.takeOverFromLevel1(route, in: turn)
    }
}
