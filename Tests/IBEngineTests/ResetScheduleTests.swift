import Primitives
import MarketModel
import Testing

@testable import IBEngine

@Suite("The vendor's nightly reset") struct ResetScheduleTests {
    /// 2026: clocks in New York change on March 8 and November 1, in Zurich on March 29 and
    /// October 25.
    private static let rules = [
        "America/New_York": ZoneRules(
            first: -18_000,
            changes: [
                .init(at: 1_772_953_200, offset: -14_400),
                .init(at: 1_793_512_800, offset: -18_000),
            ]),
        "Europe/Zurich": ZoneRules(
            first: 3_600,
            changes: [
                .init(at: 1_774_746_000, offset: 7_200), .init(at: 1_792_890_000, offset: 3_600),
            ]),
        "Asia/Hong_Kong": ZoneRules(first: 28_800, changes: []),
    ]

    /// Midnight UTC of 2026-01-05 and of 2026-07-06, which are Mondays.
    private static let winter: Int64 = 1_767_571_200
    private static let summer: Int64 = 1_783_296_000

    private static func contains(
        _ region: AccountRegion, _ day: Int64, _ hour: Int64, _ minute: Int64
    ) -> Bool {
        ResetSchedule(region).contains(
            Timestamp(nanoseconds: (day + hour * 3_600 + minute * 60) * second), rules)
    }

    @Test("In America it is around midnight in New York, in winter and in summer")
    func america() {
        #expect(!Self.contains(.america, Self.winter, 4, 44))
        #expect(Self.contains(.america, Self.winter, 4, 45))
        #expect(Self.contains(.america, Self.winter, 6, 44))
        #expect(!Self.contains(.america, Self.winter, 6, 45))
        #expect(!Self.contains(.america, Self.summer, 3, 44))
        #expect(Self.contains(.america, Self.summer, 3, 45))
        #expect(!Self.contains(.america, Self.summer, 5, 45))
    }

    @Test("In Europe and Asia it is in their mornings")
    func others() {
        #expect(Self.contains(.europe, Self.winter, 5, 30))
        #expect(!Self.contains(.europe, Self.winter, 4, 30))
        #expect(Self.contains(.europe, Self.summer, 4, 30))
        #expect(!Self.contains(.europe, Self.summer, 6, 0))
        #expect(Self.contains(.asia, Self.winter, 21, 0))
        #expect(Self.contains(.asia, Self.winter, 12, 30))
        #expect(!Self.contains(.asia, Self.winter, 4, 50))
    }

    @Test(
        "From Friday 23:00 to Saturday 3:00 in New York it is everywhere",
        arguments: AccountRegion.allCases)
    func weekend(_ region: AccountRegion) {
        let saturday = Self.winter + 5 * 86_400
        #expect(!Self.contains(region, saturday, 3, 59))
        #expect(Self.contains(region, saturday, 4, 0))
        #expect(Self.contains(region, saturday, 7, 59))
        #expect(!Self.contains(region, saturday, 8, 0))
        let sunday = saturday + 86_400
        #expect(!Self.contains(region, sunday, 4, 0))
    }

    @Test("Without the rules of its zones no time is in it, and they are asked for")
    func unknown() {
        let time = Timestamp(nanoseconds: (Self.winter + 5 * 3_600) * second)
        #expect(!ResetSchedule(.america).contains(time, [:]))
        #expect(!ResetSchedule(.america).contains(.undefined, Self.rules))
        #expect(ResetSchedule(.asia).zones == ["Asia/Hong_Kong", "America/New_York"])
        var world = World(seed: 3, feeds: [.trades], canBackfill: false)
        var output = IBEngine.Output()
        world.engine.follow(begun: [], ended: [], gaps: [], world.moment, into: &output)
        world.engine.follow(begun: [], ended: [], gaps: [], world.moment, into: &output)
        #expect(output.events.contains(.zoneWanted("America/New_York")))
        #expect(output.events.count { $0 == .zoneWanted("America/New_York") } == 1)
    }
}
