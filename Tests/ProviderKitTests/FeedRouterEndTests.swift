import MarketModel
import Primitives
import ProviderKit
import Testing

@Suite("The router, when instruments end or begin anew")
struct FeedRouterEndTests {
    private typealias Bench = RouterBench

    @Test("what is ended is ended at all that were asked, and feeds nothing any more")
    func ended() {
        var bench = Bench()
        bench.report(0, .refused)
        bench.pass(seconds: 1)
        bench.end()
        #expect(bench.work.ended == [[0], [0], []] && bench.router.active(0) == nil)
        bench.tick(1, at: 1_001)
        #expect(bench.trades.isEmpty && bench.router.leftOut == [0, 1, 0])
        // No tick was missing, and no provider is subscribed any more.
        #expect(bench.gaps.isEmpty && bench.stops == ["any of b"])
    }

    @Test("an outage ends with its instrument, and what it delivers later lies in no gap")
    func endedOut() {
        var bench = Bench()
        bench.subscription(0, .start)
        bench.report(0, .live)
        bench.tick(0, at: 1_000)
        bench.gap(0, from: 1_001, to: nil)
        bench.report(0, .down)
        bench.pass(seconds: 3)
        bench.end()
        let ends = ["1001-1003", "1001-1003 not followed any more"]
        #expect(bench.gaps == ["1001-"] + ends && bench.stops == ["any of a"])
        // The provider's own report comes later, and is not news.
        bench.pass(seconds: 1)
        bench.gap(0, from: 1_001, to: 1_004)
        bench.gap(0, from: 1_001, to: 1_004, .abandoned)
        bench.subscription(0, .stop)
        #expect(bench.gaps.count == 3 && bench.stops.count == 1)
        bench.router.begin(0, providers: [], bench.moment, into: &bench.work)
        bench.pass(seconds: 6)
        bench.tick(0, at: 1_010)
        bench.end()
        #expect(bench.trades == [1_000, 1_010] && bench.gaps.count == 3)
    }

    @Test("an instrument that ends between two providers leaves nothing open, told or not")
    func endedBetween() {
        // One provider has reported its outage, the other has not, and no provider has taken over
        // yet.
        for isTold in [true, false] {
            var bench = Bench()
            bench.report(0, .live)
            bench.tick(0, at: 1_000)
            if isTold { bench.gap(0, from: 1_000, to: nil) }
            bench.report(0, .refused)
            bench.pass(seconds: 4)
            #expect(bench.router.active(0) == 1)
            bench.end()
            let ends = ["1000-1004", "1000-1004 not followed any more"]
            #expect(bench.gaps == (isTold ? ["1000-"] : []) + ends)
        }
        // The gap begins where a return is still pending, and has no end before that.
        var bench = Bench()
        bench.beginReturn()
        bench.gap(0, from: 1_031, to: nil)
        bench.end()
        #expect(bench.gaps == ["1033-", "1033-1033", "1033-1033 not followed any more"])
    }

    @Test("an outage of a predecessor ends with its instrument, or where another one takes over")
    func inherited() {
        let gap = OpenGap(
            instrument: 0, kind: .trade, from: Bench.at(900), to: .undefined, reason: .gatewayLost)
        var ended = Bench()
        ended.router.inherit(gap)
        ended.pass(seconds: 1)
        ended.end()
        #expect(ended.gaps == ["900-1001", "900-1001 not followed any more"])
        var replaced = Bench()
        replaced.router.inherit(gap)
        replaced.report(0, .refused)
        replaced.pass(seconds: 1)
        replaced.tick(1, at: 1_005)
        #expect(replaced.gaps == ["900-1005"] && replaced.switches == ["a>b@1005"])
        // A provider that has ended the feed has nothing left to end.
        var over = Bench()
        over.router.inherit(gap)
        over.gap(0, from: 900, to: 1_000)
        over.end()
        #expect(over.gaps == ["900-1000"])
    }

    @Test("one that begins anew goes on with its own outages, and ends those of others")
    func changed() {
        var bench = Bench()
        bench.report(0, .live)
        bench.tick(0, at: 1_000)
        bench.gap(0, from: 1_001, to: nil)
        bench.pass(seconds: 1)
        bench.restart()
        #expect(bench.work.begun[0] == [0] && bench.work.ended[0] == [0])
        #expect(bench.gaps == ["1001-"] && bench.stops.isEmpty)
        // The provider reports the end of its outage. If no provider can, the next one's beginning
        // ends it.
        bench.report(0, .refused)
        bench.pass(seconds: 1)
        bench.tick(1, at: 1_006)
        #expect(bench.gaps == ["1001-", "1001-1006"])
        // From the switch on, the feed is the first provider's. Its gaps and backfills count only
        // from that time.
        bench.gap(1, from: 1_007, to: nil)
        bench.pass(seconds: 8)
        bench.restart()
        #expect(bench.work.ended == [[0], [0], []] && bench.work.begun[0] == [0])
        #expect(bench.gaps.suffix(2) == ["1007-", "1007-1010"])
        bench.gap(0, from: 1_001, to: 1_020)
        bench.tick(0, at: 1_008, flags: .backfilled)
        bench.tick(0, at: 1_011, flags: .backfilled)
        #expect(bench.gaps.last == "1010-1020" && bench.trades == [1_000, 1_006, 1_011])
    }

    @Test("an outage at a return ends, also if the feed is back before its time")
    func backBeforeReturn() {
        var bench = Bench()
        bench.beginReturn()
        bench.gap(0, from: 1_031, to: nil)
        bench.gap(0, from: 1_031, to: 1_032)
        bench.gap(0, from: 1_031, to: 1_032, .filled)
        #expect(bench.gaps == ["1033-", "1033-1033", "1033-1033"])
        bench.pass(seconds: 8)
        bench.tick(0, at: 1_034)
        #expect(bench.trades.last == 1_034 && bench.gaps.count == 3)
    }

    @Test("an outage at a return ends, also if its instrument begins anew before its time")
    func relistedAtReturn() {
        var bench = Bench()
        bench.beginReturn()
        bench.gap(0, from: 1_030, to: nil)
        bench.restart()
        // From now on it is the feed of this provider alone, so it lacks more.
        bench.gap(0, from: 1_030, to: 1_036)
        bench.gap(0, from: 1_030, to: 1_036, .filled)
        #expect(
            bench.gaps == ["1033-", "1033-1033", "1033-1033", "1031-", "1031-1036", "1031-1036"])
    }
}
