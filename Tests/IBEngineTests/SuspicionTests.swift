import IBEngine
import MarketModel
import Primitives
import Testing

@Suite("Notices that data may be missing") struct SuspicionTests {
    private static func world(
        _ count: Int, _ feeds: Instrument.Feeds = .level1, canBackfill: Bool = true
    ) -> World {
        World.running(
            [Instrument.Feeds](repeating: feeds, count: count), seed: 4, canBackfill: canBackfill,
            seconds: 30)
    }

    @Test(
        "Another place's farm that is down for a minute or a moment costs 100 feeds nothing",
        arguments: [0, 1, 15, 600])
    func otherFarm(_ tenths: Int) {
        var world = Self.world(100)
        world.tell(2103, "Market data farm connection is broken:jfarm")
        world.pass(Double(tenths) / 10)
        if tenths < 600 { world.tell(2104, "Market data farm connection is OK:jfarm") }
        world.pass(10)
        world.expectWhole(.quote)
        #expect(world.verdict.gapsBegun == 0 && world.requests("96", "20") == 0)
        #expect(world.engine.status.state == .ready)
    }

    @Test(
        "A farm of ours whose data stop a moment after the notice is one gap, from the last tick",
        arguments: [true, false])
    func ownFarm(isTold: Bool) throws {
        var world = Self.world(100)
        world.tell(2103, "Market data farm connection is broken:usfarm")
        world.pass(0.3)
        world.server.isFarmDown = true
        let broke = world.now
        world.pass(20)
        #expect(world.engine.status.openOutages == 300)
        world.server.isFarmDown = false
        if isTold { world.tell(2104, "Market data farm connection is OK:usfarm") }
        world.pass(20)
        world.expectWhole(.quote)
        #expect(world.engine.status.openOutages == 0 && world.verdict.gapsBegun == 300)
        // Each gap begins where the data of its instrument stopped, and not at the notice before.
        for (gap, _) in world.verdict.gaps where gap.kind == DataKind.quote.rawValue {
            let last = try #require(
                world.server.trades.last {
                    $0.instrument == Int(gap.instrument) && $0.time <= broke
                })
            let early = gap.from.nanoseconds - last.time
            #expect(early >= 0 && early <= world.server.latencyMax + 100_000_000)
        }
    }

    @Test("Of a farm that feeds a part of what trades in a place, that part is missing")
    func partOfAPlace() {
        var world = Self.world(40, canBackfill: false)
        world.tell(2103, "Market data farm connection is broken:usfarm.nj")
        for id in world.server.subscriptions.keys.sorted().prefix(10) {
            world.server.subscriptions[id]?.pausedUntil = world.now + 15 * second
        }
        world.pass(30)
        world.expectWhole(.quote)
        #expect(world.engine.status.openOutages == 0)
        #expect(Set(world.verdict.gaps.keys.map(\.instrument)).count == 10)
    }

    /// A busy instrument, and one with a tick every 15 s.
    private static func quietBesideBusy() -> World {
        var world = Self.world(20, canBackfill: false)
        for _ in 0..<3 {
            world.nextTrade[1] = world.now + 15 * second
            world.pass(15.2)
        }
        world.nextTrade[1] = world.now + 18 * second
        world.pass(12)
        return world
    }

    @Test("The silence of a quiet instrument is none while what trades beside it goes on")
    func quiet() {
        var world = Self.quietBesideBusy()
        let begun = world.verdict.gapsBegun
        world.tell(2103, "Market data farm connection is broken:jfarm")
        world.pass(10)
        #expect(world.verdict.gapsBegun == begun && world.engine.status.openOutages == 0)
    }

    @Test("A quiet instrument of a farm that is down is missing since the farm's last sign of life")
    func quietAndDown() throws {
        var world = Self.quietBesideBusy()
        let begun = world.now
        world.server.isFarmDown = true
        world.tell(2103, "Market data farm connection is broken:usfarm")
        world.pass(8)
        world.server.isFarmDown = false
        world.tell(2104, "Market data farm connection is OK:usfarm")
        world.pass(2)
        let gap = try #require(
            world.verdict.gaps.first {
                $0.key.instrument == 1 && $0.key.kind == DataKind.quote.rawValue
                    && $0.key.from.nanoseconds > begun - 5 * second
            })
        #expect(abs(gap.key.from.nanoseconds - begun) < second)
        #expect(gap.value.isDefined && gap.value.nanoseconds - begun >= 8 * second)
        #expect(world.engine.status.openOutages == 0)
    }

    @Test(
        "Where nothing else trades, a quiet instrument is missing up to the notice of its farm",
        arguments: [5, 60])
    func alone(_ tenths: Int) {
        var world = Self.world(1, canBackfill: false)
        world.isTrading = false
        world.pass(5)
        world.tell(2103, "Market data farm connection is broken:usfarm")
        world.pass(Double(tenths) / 10)
        #expect(world.engine.status.openOutages == (tenths < 20 ? 0 : 3))
        world.tell(2104, "Market data farm connection is OK:usfarm")
        world.pass(10)
        #expect(world.engine.status.openOutages == 0 && world.verdict.gapsBegun == 3)
    }

    @Test("A platform that never says that it has its vendor again is believed by its data")
    func restoredUntold() {
        var world = Self.world(3)
        world.tell(1100, "Connectivity between IB and Trader Workstation has been lost")
        world.pass(1)
        #expect(world.engine.status.state == .serverLost)
        world.pass(7)
        #expect(world.engine.status.state == .ready && world.verdict.gapsBegun == 0)
        world.pass(700, step: second)
        #expect(world.engine.status.counters.connections == 1)
        #expect(world.engine.status.counters.resubscriptions == 0)
    }

    @Test("A farm of which the platform says that it is not back with it keeps the gaps open")
    func farmsNamed() {
        var world = Self.world(3, canBackfill: false)
        world.breakVendor()
        world.pass(3)
        world.server.isVendorLost = false
        world.server.isFarmDown = true
        world.tell(
            1102,
            "Connectivity between IB and Trader Workstation has been restored - data maintained. "
                + "The following farms are connected: ushmds. The following farms are not "
                + "connected: usfarm.nj; secdefil.")
        world.pass(5)
        #expect(world.engine.status.openOutages == 9 && world.engine.status.state == .farmDown)
        world.server.isFarmDown = false
        world.tell(2104, "Market data farm connection is OK:usfarm.nj")
        world.pass(3)
        #expect(world.engine.status.openOutages == 0 && world.verdict.gapsBegun == 9)
        world.expectWhole(.quote)
    }

    @Test("A farm of history that is said to be down is asked a minute later all the same")
    func historyFarm() {
        var world = Self.world(1)
        world.tell(2105, "HMDS data farm connection is broken:euhmds")
        world.pass(1)
        world.dropAndReturn("reset by peer")
        world.tell(2105, "HMDS data farm connection is broken:euhmds")
        world.pass(40)
        #expect(world.requests("96", "20") == 0)
        world.pass(30)
        #expect(world.requests("96", "20") > 0 && world.engine.status.waitingBackfills == 0)
    }

    @Test("What was on its way when another session took over does not end the outage")
    func competing() throws {
        var world = Self.world(1, canBackfill: false)
        let id = try #require(world.server.subscriptions.keys.first)
        world.tell(10_197, "No market data", about: id)
        world.pass(1.5)
        world.server.subscriptions[id]?.pausedUntil = world.now + 10 * second
        world.pass(2)
        #expect(world.engine.status.openOutages == 3)
        world.pass(12)
        #expect(world.engine.status.openOutages == 0)
    }

    @Test("After a reconnect level 1 tells of what comes one by one again only later")
    func level1Meanwhile() throws {
        var world = Self.world(1, [.level1, .trades, .quotes])
        world.pass(30)
        let begun = world.now
        world.drop("reset by peer")
        world.pass(40)
        #expect(world.engine.status.openOutages == 0)
        #expect(world.states.allSatisfy { $0 == .live })
        let gaps = world.verdict.gaps.filter { $0.key.from.nanoseconds > begun - 5 * second }
        #expect(gaps.count >= 3)
        for (gap, end) in gaps { #expect(end.nanoseconds(since: gap.from) < 8 * second) }
        world.pass(20)
        world.isTrading = false
        world.pass(2)
        let trades = world.verdict.problems(in: world.server.trades, .trade, isFilled: true)
        #expect(trades.isEmpty, "\(trades.prefix(5))")
        // A quote that both feeds report during the hand-over is recorded by both.
        let quotes = world.verdict.problems(
            in: world.server.trades, .quote, isFilled: false,
            latency: world.server.latencyMax + 100_000_000
        ).filter { !$0.hasSuffix("is there 2 times") }
        #expect(quotes.isEmpty, "\(quotes.prefix(5))")
        // No trade is left whose arrival is unknown.
        let left = world.verdict.abandoned.filter { $0.key.kind == DataKind.trade.rawValue }
        #expect(left.isEmpty, "\(left)")
    }
}
