import MarketModel
import Primitives
import Testing

@testable import IBEngine

@Suite("Farms that break") struct FarmTests {
    private static func broken(_ farm: String, isOurs: Bool) -> World {
        var world = World.running([.level1, .trades, [.level1, .trades]], seed: 6, seconds: 20)
        world.server.isFarmDown = isOurs
        world.tell(2103, "Market data farm connection is broken:\(farm)")
        return world
    }

    @Test(
        "What a farm does not send is in a gap from before the notice on, however long it lasts",
        arguments: [10, 30, 80])
    func ours(_ tenths: Int) {
        var world = Self.broken("usfarm.nj", isOurs: true)
        world.pass(Double(tenths) / 10)
        world.server.isFarmDown = false
        world.tell(
            2108,
            "Market data farm connection is inactive but should be available upon "
                + "demand.usfarm.nj")
        Self.expectWhole(&world)
    }

    /// Expects that everything comes again, and that what did not come is in gaps.
    private static func expectWhole(_ world: inout World) {
        world.pass(10)
        world.expectWhole(.trade)
        #expect(world.verdict.gapsBegun > 0 && world.engine.status.openOutages == 0)
        #expect(world.engine.status.state == .ready)
    }

    @Test("What was on its way when a farm broke does not end its gap, and begins it")
    func stragglers() {
        var world = Self.broken("usfarm.nj", isOurs: false)
        world.pass(1.2)
        #expect(world.engine.status.openOutages == 0)
        world.server.isFarmDown = true
        world.pass(4)
        #expect(world.engine.status.openOutages > 0)
        world.server.isFarmDown = false
        world.tell(2104, "Market data farm connection is OK:usfarm.nj")
        Self.expectWhole(&world)
    }

    @Test("The vendor that comes back brings nothing of a farm that broke meanwhile")
    func vendor() {
        var world = Self.broken("euhmds", isOurs: false)
        world.tell(2104, "Market data farm connection is OK:euhmds")
        world.pass(1)
        #expect(world.engine.status.openOutages == 0)
        world.server.isFarmDown = true
        world.breakVendor()
        world.pass(1)
        world.tell(2103, "Market data farm connection is broken:usfarm")
        world.pass(1)
        world.restoreVendor()
        world.pass(4)
        #expect(world.engine.status.openOutages > 0)
        world.remedies.append((world.now, .farmUp(isTold: true)))
        Self.expectWhole(&world)
    }

    @Test(
        "The name of a farm stands behind a colon, or behind the demand",
        arguments: [
            ("Market data farm connection is broken:usfarm", "usfarm"),
            ("Market data farm connection is OK: usfarm.nj", "usfarm.nj"),
            ("inactive but should be available upon demand.usfarm.nj", "usfarm.nj"),
            ("nothing of it", "nothing of it"), ("upon demand.", ""), ("", ""),
        ])
    func names(_ text: String, _ name: String) {
        #expect(FarmWatch.name(in: text) == name)
    }

    @Test("A farm that nobody speaks of any more is forgotten, and no more than some are known")
    func bounded() {
        var watch = FarmWatch()
        func at(_ seconds: Int64) -> Moment {
            Moment(wall: Timestamp(nanoseconds: seconds * second), monotonic: .at(seconds * second))
        }
        let cause = OutageCause(.farm, "broken")
        for index in 0..<100 { watch.broke("farm \(index)", cause, at(Int64(index))) }
        #expect(watch.down.count == EngineLimits.farmsMax)
        // A known farm breaks again, and is down from then on.
        watch.broke("farm 0", cause, at(2))
        #expect(watch.down.count == EngineLimits.farmsMax)
        let isForgotten = watch.expire(.at(601 * second))
        #expect(isForgotten && watch.down.first?.name == "farm 2")
        watch.back("farm 2")
        watch.back("farm 2")
        #expect(watch.down.first?.name == "farm 3" && watch.down.last?.name == "farm 0")
    }
}
