import IBEngine
import MarketModel
import Primitives
import Testing

@Suite("What level 1 tells, and how it is marked") struct Level1Tests {
    private static func world(
        isDelayed: Bool = false, isEntitled: Bool = false
    ) throws -> (world: World, request: Int32) {
        var world = World(
            seed: 3, feeds: [.level1], canBackfill: false, isDelayed: isDelayed,
            isEntitled: isEntitled)
        world.start()
        world.pass(10)
        return (world, try #require(world.server.subscriptions.keys.first))
    }

    @Test("A print that RT trade volume leaves out is unreported, and the floor waits for it")
    func unreported() throws {
        var (world, request) = try Self.world()
        #expect(world.verdict.unreported.isEmpty && !world.verdict.values.isEmpty)
        world.isTrading = false
        // It is so late that the floor would pass it while it waits.
        let print = WorldTrade(instrument: 0, number: 9_000, time: world.now - 1_350_000_000)
        world.garbage.append(world.server.words.volume(request, print))
        world.pass(1)
        #expect(world.verdict.unreported == [9_000])
        #expect(world.verdict.problems.isEmpty, "\(world.verdict.problems)")
        // The floor continues to move.
        #expect(world.verdict.floor.nanoseconds == world.now - 3 * second / 2)
    }

    @Test("A print that waits for its word when the connection ends is on the tape as it is")
    func unreportedAtEnd() throws {
        var (world, request) = try Self.world()
        world.isTrading = false
        let print = WorldTrade(instrument: 0, number: 9_000, time: world.now)
        world.garbage.append(world.server.words.volume(request, print))
        world.step(10_000_000)
        world.drop("reset")
        let seen = Verdict.Seen(instrument: 0, track: .trade, number: 9_000)
        #expect(world.verdict.values[seen] == 1 && world.verdict.unreported.isEmpty)
    }

    @Test("The state at a request is one by the clock of TWS, which may be fast")
    func state() throws {
        var (world, _) = try Self.world()
        world.isTrading = false
        world.server.ahead = 90 * second
        // It sends no state of its own.
        world.server.trades = []
        for _ in 0..<2 {
            world.drop("reset")
            while world.server.subscriptions.isEmpty { world.step(100_000_000) }
            // The answer to the question for its time comes.
            world.pass(1)
        }
        let request = try #require(world.server.subscriptions.keys.first)
        // The first one was made five seconds before the request, the second one after it.
        for (number, age) in [(9_000, 5 * second), (9_001, 0)] {
            let print = WorldTrade(
                instrument: 0, number: number, time: world.now + 90 * second - age)
            world.garbage.append(world.server.words.volumes(request, print))
        }
        world.step(100_000_000)
        let trades = [9_000, 9_001].map { Verdict.Seen(instrument: 0, track: .trade, number: $0) }
        #expect(world.verdict.states.contains(trades[0]) && world.verdict.values[trades[0]] == nil)
        #expect(world.verdict.values[trades[1]] == 1)
    }

    @Test("A moment of delayed data is an outage, and a refusal when it lasts", arguments: [5, 70])
    func delayedMoment(_ seconds: Int) throws {
        var (world, request) = try Self.world()
        world.garbage.append(world.server.words.mode(request, isDelayed: true))
        world.step(100_000_000)
        #expect(world.states == [.interrupted])
        let before = world.verdict.values
        for _ in 0..<10 * seconds - 2 { world.step(100_000_000) }
        // None of it comes onto the tape.
        #expect(world.verdict.values == before)
        world.garbage.append(world.server.words.mode(request, isDelayed: false))
        world.pass(3)
        #expect(world.states == [seconds == 5 ? .live : .refused])
        guard seconds == 5 else { return }
        #expect(world.verdict.values.count > before.count)
        let gaps = world.verdict.gaps.map { $0.value.nanoseconds(since: $0.key.from) / second }
        #expect(gaps.count == 3 && gaps.allSatisfy { $0 < 7 }, "\(gaps)")
        // It was requested once, and not again.
        #expect(world.requests("1") == 1)
    }

    @Test("After a moment of delayed data no quote has a side of before it")
    func sidesAfterDelayed() throws {
        var (world, request) = try Self.world()
        world.isTrading = false
        world.step(second)
        let words = world.server.words
        func tell(_ messages: [UInt8]...) {
            world.garbage += messages
            world.step(3 * second)
        }
        tell(
            ServerMessages.frame(["1", "6", "\(request)", "2", "990", "100", "0"]),
            words.bid(request, WorldTrade(instrument: 0, number: 900, time: 0)))
        #expect(world.verdict.quote?.askPrice == Price(raw: 990 * second))
        tell(words.mode(request, isDelayed: true))
        tell(words.mode(request, isDelayed: false))
        tell(words.bid(request, WorldTrade(instrument: 0, number: 901, time: 0)))
        #expect(world.verdict.quote?.bidPrice == Price(raw: 902 * second))
        #expect(world.verdict.quote?.askPrice == .undefined)
    }

    @Test("Live ticks that come where delayed ones are asked for are not marked")
    func entitled() throws {
        let (world, _) = try Self.world(isDelayed: true, isEntitled: true)
        // The verdict would list a marked trade as a problem.
        #expect(world.verdict.problems.isEmpty, "\(world.verdict.problems)")
        let tracks = Set(world.verdict.values.keys.map(\.track))
        #expect(tracks.isSuperset(of: [.trade, .quote]))
        #expect(world.verdict.floor.nanoseconds == world.now - 1_210 * second - 3 * second / 2)
        // Trades come by `RTVolume`, as everywhere.
        #expect(world.server.genericTicksSeen.first?.contains("233,") == true)
    }

    @Test("Delayed trades are of the time that is told with them, and the floor waits for them")
    func delayed() throws {
        var (world, request) = try Self.world(isDelayed: true)
        #expect(world.verdict.floor.nanoseconds == world.now - 1_210 * second - 3 * second / 2)
        world.isTrading = false
        world.pass(1)
        let told = world.now / second - 901
        let trade = WorldTrade(instrument: 0, number: 9_000, time: told * second)
        world.garbage.append(
            world.server.words.last(request, trade)
                + ServerMessages.frame(["46", "6", "\(request)", "88", "\(told)"]))
        world.step(100_000_000)
        #expect(world.verdict.latest?.eventTime.nanoseconds == told * second)
        #expect(world.verdict.latest?.flags.contains(.delayed) == true)
        // Delayed trades that are missing from here on happened 15 minutes ago.
        let lost = world.now
        world.drop("reset")
        let gap = world.verdict.gaps.keys.first { $0.kind == DataKind.trade.rawValue }
        #expect(gap?.from.nanoseconds == told * second)
        world.isTrading = true
        world.pass(20)
        let ends = world.verdict.gaps.filter { $0.key == gap }.values
        #expect(ends.allSatisfy { $0.isDefined && $0.nanoseconds < lost - 800 * second })
        #expect(ends.count == 1)
    }

    @Test("Numbers with more digits than the scale are told together, with their instrument")
    func numbers() throws {
        var (world, request) = try Self.world()
        world.isTrading = false
        world.step(second)
        for _ in 0..<4 {
            let price = ["1", "6", "\(request)", "37", "150.123456789012345678", "0", "0"]
            world.garbage += [ServerMessages.frame(price), ServerMessages.frame(price)]
            world.step(4 * second)
        }
        #expect(world.verdict.numbers == [[0, 1], [0, 6]])
        #expect(world.engine.status.counters.lostNumbers == 8)
    }

    @Test("A feed that waits has no time at which it is tried again")
    func waiting() {
        var world = World(seed: 3, feeds: [.level1], canBackfill: false)
        world.connectFailures = .max
        world.start()
        world.step(second)
        #expect(world.feeds()[0].state == .waiting && world.feeds()[0].until == .never)
    }
}
