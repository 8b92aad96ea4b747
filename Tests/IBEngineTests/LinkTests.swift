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
        var world = World.running([.level1], seed: 7, seconds: 5) { $0.isTrading = false }
        // The server reports too many messages again and again, so the waits grow to minutes.
        for _ in 0..<6 {
            world.tell(100, "Max rate of messages")
            world.pass(200)
        }
        #expect(world.engine.status.counters.connections == 1)
    }

    @Test("A request that TWS leaves out for too many messages is repeated when it may be again")
    func leftOut() {
        var world = World.running([.level1, .level1, .trades], seed: 5) { $0.server.leavesOut = 1 }
        #expect(world.server.subscriptions.count == 2)
        world.pass(8)
        #expect(world.server.subscriptions.count == 3)
        #expect(world.states == [.live, .live, .live])
        // What was answered, or ticks, is not requested again.
        #expect(world.requests("1", "97") == 4)
    }

    @Test("A TWS that is away for half a minute leaves gaps of half a minute", arguments: 1...5)
    func shortAbsence(_ seed: UInt64) throws {
        var world = World.running([.level1, .level1], seed: seed)
        world.connectFailures = .max
        world.drop("closed")
        world.pass(30)
        world.connectFailures = 0
        world.pass(10)
        #expect(world.engine.status.openOutages == 0 && world.verdict.gapsBegun > 0)
        let longest = try #require(world.verdict.gaps.map { $1.nanoseconds(since: $0.from) }.max())
        // The time until the next attempt, the beginning of the session, and the next values.
        #expect(longest < 37 * second, "\(longest)")
    }

    @Test("What the platform said of its vendor is gone with the connection, however long that is")
    func lostWithoutVendor() {
        var world = World.running([.trades], seed: 9)
        world.tell(1100, "Connectivity is lost")
        world.pass(1)
        world.drop("reset by peer")
        world.connectFailures = .max
        world.pass(660, step: second)
        world.connectFailures = 0
        world.pass(120, step: second)
        #expect(world.isConnected && world.engine.status.state == .ready)
    }

    @Test(
        "A gap waits while the platform is without its vendor, however long, and is filled behind",
        arguments: [true, false])
    func vendorAway(_ areSubscriptionsLost: Bool) {
        var world = World.running([.trades], seed: 9, canBackfill: true)
        world.dropAndReturn("reset by peer")
        world.breakVendor()
        world.pass(1)
        let asked = world.requests("96", "20")
        world.pass(360, step: second)
        #expect(world.requests("96", "20") == asked)
        world.restoreVendor(lost: areSubscriptionsLost)
        world.pass(90)
        #expect(world.engine.status.waitingBackfills == 0)
        world.expectWhole(isFilled: true)
        // Everything but what cannot be known at the borders.
        let left = world.verdict.abandoned.values.joined()
        #expect(
            left.allSatisfy { $0.upperBound.nanoseconds(since: $0.lowerBound) < 5 * second },
            "\(left.map { $0 })")
    }

    @Test(
        "Behind a long absence of the vendor all is asked for again, though it says it kept it",
        arguments: [(5, false), (30, true)])
    func vendorLongAway(_ seconds: Double, _ isAskedAgain: Bool) {
        var world = World.running([.level1, .trades, .bars], seed: 9)
        func expectAsked(_ times: Int) {
            #expect(["1", "97", "50"].map { world.requests($0) } == [times, times, times])
        }
        expectAsked(1)
        world.breakVendor()
        world.pass(seconds, step: second)
        world.restoreVendor()
        world.pass(10)
        expectAsked(isAskedAgain ? 2 : 1)
        #expect(world.engine.status.openOutages == 0)
    }

    @Test(
        "A trade that comes late right behind an outage is not filled in as well",
        arguments: 1...20)
    func lateBehind(_ seed: UInt64) {
        var world = World.running([.trades], seed: seed, canBackfill: true)
        world.dropAndReturn("reset by peer")
        world.server.lateTrades = 1_000
        world.pass(3)
        world.server.lateTrades = 0
        world.pass(60)
        #expect(world.engine.status.waitingBackfills == 0)
        world.expectWhole(isFilled: true, after: 4)
    }

    @Test(
        "History that another session of the user holds up is asked again, and no outage of feeds")
    func historyOfAnotherSession() {
        var world = World.running([[.level1, .dailyHistory]], seed: 9) {
            $0.server.historyRefusals = [
                (162, "Trading TWS session is connected from a different IP address")
            ]
        }
        let feed = world.feeds().first { $0.feed == .dailyHistory }
        #expect(feed?.state == .down && feed?.reason.contains("different IP") == true)
        #expect(world.engine.status.state == .ready)
        world.pass(70)
        #expect(world.states.allSatisfy { $0 == .live || $0 == .done })
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
