import MarketModel
import Primitives
import ProviderKit
import Testing

@Suite("The router of a source's providers")
struct FeedRouterTests {
    private typealias Bench = RouterBench

    @Test("an instrument's own priority holds, else the source's; unknown names are passed over")
    func priority() {
        let tables: [(own: [String], first: Int)] = [
            ([], 0), (["b"], 1), (["c", "a"], 2), (["x", "b"], 1), (["x"], 0),
        ]
        for table in tables {
            let bench = Bench(table.own)
            #expect(bench.router.active(0) == table.first, "\(table.own)")
            #expect(bench.work.begun.map(\.count) == (0..<3).map { $0 == table.first ? 1 : 0 })
        }
    }

    @Test("who is down for long, refused or never starts is replaced, and not before")
    func failover() {
        let tables: [(state: FeedState.State?, seconds: Int64)] = [
            (.down, 5), (.refused, 1), (nil, 30),
        ]
        for (state, seconds) in tables {
            var bench = Bench()
            if let state {
                bench.report(0, .live)
                bench.report(0, state)
            }
            bench.pass(seconds: seconds - 1)
            #expect(bench.work.switches.isEmpty)
            bench.pass(seconds: 1)
            #expect(bench.router.active(0) == 1)
            #expect(bench.work.begun[1] == [0] && bench.work.ended.allSatisfy(\.isEmpty))
        }
        // There is no other provider.
        var alone = Bench(["b"])
        alone.report(1, .refused)
        alone.pass(seconds: 100)
        #expect(alone.router.active(0) == 1 && alone.work.switches.isEmpty)
    }

    @Test("the switch is on record with the new one's first tick, and ends the old one's outage")
    func record() {
        var bench = Bench()
        bench.report(0, .live)
        bench.tick(0, at: 1_000)
        bench.gap(0, from: 1_001, to: nil)
        bench.report(0, .down)
        bench.pass(seconds: 8)
        #expect(bench.switches.isEmpty)
        bench.tick(1, at: 1_008)
        #expect(bench.switches == ["a>b@1008"] && bench.gaps == ["1001-", "1001-1008"])
        #expect(bench.trades == [1_000, 1_008])
        // Its own end of the outage, and what it fills in, apply only up to the switch.
        bench.gap(0, from: 1_001, to: 1_020)
        bench.tick(0, at: 1_005, flags: .backfilled)
        bench.tick(0, at: 1_009, flags: .backfilled)
        bench.tick(0, at: 1_021)
        #expect(bench.gaps.last == "1001-1008" && bench.trades == [1_000, 1_008, 1_005])
        #expect(bench.router.leftOut == [2, 0, 0])
    }

    @Test("who ends without a word leaves a gap behind its last tick, and none where it said so")
    func untold() {
        var bench = Bench()
        bench.report(0, .live)
        bench.tick(0, at: 1_000)
        bench.report(0, .refused)
        bench.pass(seconds: 1)
        bench.report(1, .live)
        bench.tick(1, at: 1_007)
        #expect(bench.gaps == ["1000-1007"])
        #expect(bench.router.feeders.map(\.provider) == [1])
        // A feed that never delivered loses nothing, and neither does one that is still live.
        bench.report(1, .down)
        bench.gap(1, from: 1_008, to: nil)
        bench.pass(seconds: 5)
        bench.tick(2, at: 1_013)
        #expect(bench.gaps == ["1000-1007", "1008-", "1008-1013"])
        bench.report(2, .live)
        bench.report(0, .live)
        bench.pass(seconds: 31)
        bench.tick(2, at: bench.now)
        bench.tick(0, at: bench.now + 3)
        #expect(bench.router.active(0) == 0 && bench.gaps.count == 3)
    }

    @Test("the better one delivers again after a while, from a whole second on, without a double")
    func back() {
        var bench = Bench()
        bench.report(0, .refused)
        bench.pass(seconds: 1)
        bench.report(1, .live)
        bench.tick(1, at: 1_001)
        bench.report(0, .live)
        bench.pass(seconds: 29)
        #expect(bench.router.active(0) == 1)
        bench.pass(seconds: 1)
        #expect(bench.router.active(0) == 0)
        // Until then the other provider was active: its late ticks count, and none of the better
        // one.
        bench.tick(0, at: 1_032)
        bench.tick(1, at: 1_032)
        bench.tick(1, at: 1_033)
        bench.tick(0, at: 1_033)
        #expect(bench.trades == [1_001, 1_032, 1_033])
        #expect(bench.switches == ["a>b@1001", "b>a@1033"])
        #expect(bench.work.ended[1].isEmpty && bench.router.isFeeding(1))
        bench.pass(seconds: 4)
        #expect(bench.work.ended[1] == [0] && !bench.router.isFeeding(1))
    }

    @Test("an outage that began before its provider took over begins there")
    func outage() {
        var bench = Bench()
        bench.beginReturn()
        bench.gap(0, from: 1_031, to: nil)
        bench.gap(0, from: 1_031, to: 1_040)
        #expect(bench.gaps == ["1033-", "1033-1040"])
        bench.gap(0, from: 1_010, to: 1_033)
        #expect(bench.gaps.count == 2)
    }

    @Test("each return that does not last makes the next one wait twice as long")
    func hysteresis() {
        var bench = Bench()
        bench.report(0, .live)
        var waits: [Int64] = []
        for _ in 0..<4 {
            bench.report(0, .refused)
            bench.pass(seconds: 1)
            bench.report(1, .live)
            bench.tick(1, at: bench.now)
            bench.report(0, .live)
            let began = bench.now
            while bench.router.active(0) != 0, bench.now < began + 1_000 { bench.pass(seconds: 1) }
            waits.append(bench.now - began)
            bench.pass(seconds: 5)
        }
        #expect(waits == [30, 60, 120, 240])
    }

    @Test("who takes over many instruments is told so many a second, each once, and none is lost")
    func rate() {
        var settings = FeedRouter.Settings()
        settings.begunPerSecondMax = 50
        var router = FeedRouter(providers: ["a", "b", "c"], settings: settings)
        var work = FeedRouter.Work(providers: 3)
        let all: [UInt32] = Array(0..<2_000)
        func moment(_ tenths: Int64) -> Moment {
            Moment(
                wall: Timestamp(nanoseconds: tenths * 100_000_000),
                monotonic: .at(tenths * 100_000_000))
        }
        for number in all { router.start(number, providers: [], moment(0), into: &work) }
        #expect(work.begun[0] == all)
        var kept: [ProviderRecord] = []
        let refusals: [ProviderRecord] = all.map {
            .feed(FeedState(instrument: $0, state: .refused, time: moment(1).wall))
        }
        router.pass(refusals, from: 0, moment(1), into: &kept)
        var told: [Int] = []
        work.begun[0] = []
        for tenth in 1...420 as ClosedRange<Int64> {
            let before = work.begun[1].count
            router.advance(moment(tenth), into: &work)
            let new = work.begun[1][before...]
            told.append(new.count)
            let live: [ProviderRecord] = new.map {
                .feed(FeedState(instrument: $0, state: .live, time: moment(tenth).wall))
            }
            router.pass(live, from: 1, moment(tenth), into: &kept)
            // No provider was asked for this one, and none is told of its end.
            if tenth == 10 { router.end(1_999, moment(tenth), into: &work) }
        }
        #expect(work.begun[1] == Array(all.dropLast()) && work.begun[2].isEmpty)
        #expect(work.ended == [[1_999], [], []])
        let second = told.indices.dropLast(9).map { told[$0..<$0 + 10].reduce(0, +) }
        #expect(second.max() == 50 && told.max() == 5)
    }

    @Test("an instrument that begins anew is told in one go, whatever waits")
    func anew() {
        var settings = FeedRouter.Settings()
        settings.begunPerSecondMax = 1
        var router = FeedRouter(providers: ["a", "b"], settings: settings)
        var work = FeedRouter.Work(providers: 2)
        let now = Moment(wall: Timestamp(nanoseconds: 0), monotonic: .at(0))
        router.start(0, providers: [], now, into: &work)
        router.begin(1, providers: [], now, into: &work)
        router.begin(2, providers: [], now, into: &work)
        #expect(work.begun == [[0, 1], []])
        router.restart(0, providers: [], now, into: &work)
        #expect(work.begun == [[0, 1, 0], []] && work.ended == [[0], []])
        router.advance(Moment(wall: now.wall, monotonic: .at(1_000_000_000)), into: &work)
        #expect(work.begun == [[0, 1, 0, 2], []])
    }
}
