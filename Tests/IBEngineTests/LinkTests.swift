import MarketModel
import Primitives
import Testing

@testable import IBEngine
@testable import IBProtocol

@Suite("What is told of the whole connection") struct LinkTests {
    private static let now = Moment(
        wall: Timestamp(nanoseconds: World.dayStart * second), monotonic: .at(second))

    @Test(
        "A platform without its vendor is noted before the session is ready",
        arguments: [1100, 2110])
    func early(_ code: Int32) {
        var engine = IBEngine(IBEngineSettings(seed: 1))
        engine.turn.now = Self.now
        engine.take(IBNotice(request: -1, code: code, text: "lost"))
        #expect(engine.link.vendorLostSince == Self.now.monotonic)
        engine.take(IBNotice(request: -1, code: 1102, text: "restored"))
        #expect(engine.link.vendorLostSince == nil)
    }

    @Test("A connection that has to be silent for its messages is not taken for dead")
    func heartbeat() {
        var world = World(seed: 7, feeds: [.level1], canBackfill: false)
        world.isTrading = false
        world.start()
        for _ in 0..<50 { world.step(100_000_000) }
        // The server reports too many messages again and again, so the waits grow to minutes.
        for _ in 0..<6 {
            world.server.send(world.server.words.notice(-1, 100, "Max rate of messages"), world.now)
            for _ in 0..<2_000 { world.step(100_000_000) }
        }
        #expect(world.engine.status.counters.connections == 1)
    }

    @Test("A request that TWS leaves out for too many messages is repeated when it may be again")
    func leftOut() {
        var world = World(seed: 5, feeds: [.level1, .level1, .trades], canBackfill: false)
        world.server.leavesOut = 1
        world.start()
        for _ in 0..<100 { world.step(100_000_000) }
        #expect(world.server.subscriptions.count == 2)
        for _ in 0..<80 { world.step(100_000_000) }
        #expect(world.server.subscriptions.count == 3)
        #expect(
            world.engine.status.instruments.allSatisfy { $0.feeds.allSatisfy { $0.state == .live } }
        )
        // What was answered, or ticks, is not requested again.
        #expect(world.server.requestsSeen.count { $0 == "1" || $0 == "97" } == 4)
    }

    @Test("A TWS that is away for half a minute leaves gaps of half a minute", arguments: 1...5)
    func shortAbsence(_ seed: UInt64) throws {
        var world = World(seed: seed, feeds: [.level1, .level1], canBackfill: false)
        world.start()
        for _ in 0..<100 { world.step(100_000_000) }
        world.connectFailures = .max
        world.drop("closed")
        for _ in 0..<300 { world.step(100_000_000) }
        world.connectFailures = 0
        for _ in 0..<100 { world.step(100_000_000) }
        #expect(world.engine.status.openOutages == 0 && world.verdict.gapsBegun > 0)
        let longest = try #require(
            world.verdict.gaps.map { $1.nanoseconds(since: $0.from) }.max())
        // The time until the next attempt, the beginning of the session, and the next values.
        #expect(longest < 37 * second, "\(longest)")
    }

    @Test("What the platform said of its vendor is gone with the connection, however long that is")
    func lostWithoutVendor() {
        var world = World(seed: 9, feeds: [.trades], canBackfill: false)
        world.start()
        for _ in 0..<100 { world.step(100_000_000) }
        world.server.send(world.server.words.notice(-1, 1100, "Connectivity is lost"), world.now)
        for _ in 0..<10 { world.step(100_000_000) }
        world.drop("reset by peer")
        world.connectFailures = .max
        for _ in 0..<660 { world.step(second) }
        world.connectFailures = 0
        for _ in 0..<120 { world.step(second) }
        #expect(world.isConnected && world.engine.status.state == .ready)
    }

    @Test(
        "A gap waits while the platform is without its vendor, however long, and is filled behind",
        arguments: [true, false])
    func vendorAway(_ areSubscriptionsLost: Bool) {
        var world = World(seed: 9, feeds: [.trades], canBackfill: true)
        world.start()
        for _ in 0..<100 { world.step(100_000_000) }
        world.dropAndReturn("reset by peer")
        world.server.isVendorLost = true
        world.server.send(world.server.words.notice(-1, 1100, "Connectivity is lost"), world.now)
        for _ in 0..<10 { world.step(100_000_000) }
        let asked = world.server.requestsSeen.count { $0 == "96" || $0 == "20" }
        for _ in 0..<360 { world.step(second) }
        #expect(world.server.requestsSeen.count { $0 == "96" || $0 == "20" } == asked)
        world.remedies.append((world.now, .restore(lost: areSubscriptionsLost)))
        for _ in 0..<900 { world.step(100_000_000) }
        #expect(world.engine.status.waitingBackfills == 0)
        world.isTrading = false
        for _ in 0..<20 { world.step(100_000_000) }
        let found = world.problems(isFilled: true)
        #expect(found.isEmpty, "\(found.prefix(5))")
        // Everything but what cannot be known at the borders.
        let left = world.verdict.abandoned.values.joined()
        #expect(
            left.allSatisfy { $0.upperBound.nanoseconds(since: $0.lowerBound) < 5 * second },
            "\(left.map { $0 })")
    }

    @Test(
        "Behind a long absence of the vendor all is asked for again, though it says it kept it",
        arguments: [(5, false), (30, true)])
    func vendorLongAway(_ seconds: Int64, _ isAskedAgain: Bool) {
        var world = World(seed: 9, feeds: [.level1, .trades, .bars], canBackfill: false)
        world.start()
        for _ in 0..<100 { world.step(100_000_000) }
        let subscriptions = ["1", "97", "50"]
        let asked = subscriptions.map { kind in world.server.requestsSeen.count { $0 == kind } }
        #expect(asked == [1, 1, 1])
        world.server.isVendorLost = true
        world.server.send(world.server.words.notice(-1, 1100, "Connectivity is lost"), world.now)
        for _ in 0..<seconds { world.step(second) }
        world.remedies.append((world.now, .restore(lost: false)))
        for _ in 0..<100 { world.step(100_000_000) }
        let again = subscriptions.map { kind in world.server.requestsSeen.count { $0 == kind } }
        #expect(again == (isAskedAgain ? [2, 2, 2] : asked))
        #expect(world.engine.status.openOutages == 0)
    }

    @Test(
        "A trade that comes late right behind an outage is not filled in as well",
        arguments: 1...20)
    func lateBehind(_ seed: UInt64) {
        var world = World(seed: seed, feeds: [.trades], canBackfill: true)
        world.start()
        for _ in 0..<100 { world.step(100_000_000) }
        world.dropAndReturn("reset by peer")
        world.server.lateTrades = 1_000
        for _ in 0..<30 { world.step(100_000_000) }
        world.server.lateTrades = 0
        for _ in 0..<600 { world.step(100_000_000) }
        #expect(world.engine.status.waitingBackfills == 0)
        world.isTrading = false
        for _ in 0..<40 { world.step(100_000_000) }
        let found = world.problems(isFilled: true)
        #expect(found.isEmpty, "\(found.prefix(5))")
    }

    @Test(
        "History that another session of the user holds up is asked again, and no outage of feeds")
    func historyOfAnotherSession() {
        var world = World(seed: 9, feeds: [[.level1, .dailyHistory]], canBackfill: false)
        world.server.historyRefusals = [
            (162, "Trading TWS session is connected from a different IP address")
        ]
        world.start()
        for _ in 0..<100 { world.step(100_000_000) }
        let feed = world.engine.status.instruments[0].feeds.first { $0.feed == .dailyHistory }
        #expect(feed?.state == .down && feed?.reason.contains("different IP") == true)
        #expect(world.engine.status.state == .ready)
        for _ in 0..<700 { world.step(100_000_000) }
        #expect(
            world.engine.status.instruments[0].feeds.allSatisfy {
                $0.state == .live || $0.state == .done
            })
        #expect(world.engine.status.state == .ready)
    }

    @Test("A bulletin is told once, and another one with its number as well")
    func bulletins() {
        var engine = IBEngine(IBEngineSettings(seed: 1))
        engine.turn.now = Self.now
        for text in ["halted", "halted", "resumed"] {
            let bulletin = BulletinMessage(id: 1, kind: .regular, text: text, exchange: "NYSE")
            engine.take(bulletin)
        }
        #expect(engine.turn.live.records.count == 2)
    }
}
