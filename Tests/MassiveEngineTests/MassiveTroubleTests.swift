import EngineKit
import HistoryTestSupport
import MarketModel
import Primitives
import Testing

@testable import MassiveEngine

/// What a service does that is not as described, or seldom.
@Suite("Seldom trouble with Massive") struct MassiveTroubleTests {
    private static func minute(_ start: Timestamp) -> String {
        let begin = start.nanoseconds / 1_000_000
        return "[{\"ev\":\"AM\",\"sym\":\"AAPL\",\"v\":10,\"op\":1,\"vw\":1,\"o\":1,\"c\":1,"
            + "\"h\":1,\"l\":1,\"s\":\(begin),\"e\":\(begin + 60_000)}]"
    }

    @Test("the first bar of a window is flagged, if it comes behind the watermark")
    func firstBarBehind() {
        var bench = MassiveBench()
        let number = bench.begin("AAPL", feeds: .bars)
        bench.time = MassiveBench.minute
        bench.pass(3 * MassiveBench.second)
        bench.receive(Self.minute(MassiveBench.origin), on: number)
        bench.pass(MassiveBench.minute + 20 * MassiveBench.second)
        let next = MassiveBench.origin.advanced(byNanoseconds: MassiveBench.minute)
        bench.receive(Self.minute(next), on: number)
        #expect(bench.bars.map(\.flags) == [[], .revised])
    }

    @Test("capitals and small letters are other symbols")
    func letters() {
        var bench = MassiveBench()
        bench.follow(["BACpA"])
        #expect(bench.confirm(on: bench.connect()) == ["T.BACpA"])
    }

    @Test("what was refused is asked for again after a while")
    func again() {
        var bench = MassiveBench()
        bench.follow(["A", "B"])
        let number = bench.connect()
        _ = bench.takeRequests()
        bench.receive(MassiveBench.subscribed("T.A"), on: number)
        bench.receive(MassiveBench.status("error", "internal error"), on: number)
        bench.pass(MassiveLimits.refusalAfter)
        #expect(bench.engine.status.feeds.map(\.state) == [.live, .refused])
        bench.pass(0)
        #expect(bench.engine.nextDue <= bench.now.monotonic + StreamFeeds.askAgainAfter)
        bench.pass(StreamFeeds.askAgainAfter - 1)
        #expect(bench.takeRequests().isEmpty)
        bench.pass(1)
        #expect(bench.confirm(on: number) == ["T.B"])
        #expect(bench.engine.status.feeds.map(\.state) == [.live, .live])
        #expect(bench.engine.nextDue == .never)
    }

    @Test("a long refusal names its words whole")
    func longRefusal() {
        var bench = MassiveBench()
        let symbols = (0..<100).map { "LONG\($0)" }
        bench.follow(symbols)
        let number = bench.connect()
        _ = bench.takeRequests()
        let words = symbols.map { "T.\($0)" }.joined(separator: ",")
        bench.receive(MassiveBench.status("error", "not authorized: \(words)"), on: number)
        #expect(bench.engine.status.feeds.allSatisfy { $0.state == .refused })
        #expect(bench.engine.status.feeds.allSatisfy { $0.reason.count < 350 })
    }

    @Test("an end of what was never delivered needs no answer")
    func unsubscribedSilence() {
        var bench = MassiveBench()
        bench.follow(["AAPL"], .level1)
        let number = bench.connect()
        _ = bench.takeRequests()
        bench.receive(MassiveBench.subscribed("T.AAPL"), on: number)
        bench.pass(StreamLimits.answerAfter)
        bench.follow(["AAPL"], .trades, ended: [0])
        bench.pass(StreamLimits.requestInterval)
        #expect(bench.takeRequests().count >= 1)
        bench.pass(StreamLimits.answerAfter)
        #expect(bench.engine.status.state == .ready && bench.gaps.isEmpty)
    }

    @Test("a record of the present does not move the floor of a delayed feed")
    func presentRecord() {
        var bench = MassiveBench(.delayed)
        let number = bench.begin("AAPL")
        bench.receive("[\(bench.trade("AAPL", 1))]", on: number)
        bench.pass(MassiveBench.second)
        let lag = MassiveFeedName.delayed.lag.lowerBound
        #expect(bench.engine.machine.floor < bench.now.wall.advanced(byNanoseconds: -lag))
        bench.pass(MassiveBench.minute)
        bench.ended(number)
        #expect(bench.gaps.count == 1)
        #expect(bench.gaps[0].from <= bench.now.wall.advanced(byNanoseconds: -lag))
    }

    @Test("a gap of a stopped stream lasts while it is not known whether another session is there")
    func stoppedWhileOccupied() {
        var bench = MassiveBench()
        var number = bench.begin("AAPL", "SPY")
        for count in UInt64(1)...400 {
            bench.receive("[\(bench.trade("AAPL", count))]", on: number)
            bench.pass(MassiveBench.second / 10)
        }
        bench.pass(10 * MassiveBench.second)
        bench.pass(MassiveBench.minute)
        number = bench.connect()
        bench.receive(MassiveBench.occupied, on: number)
        bench.pass(MassiveLimits.occupiedWait)
        number = bench.connect()
        bench.confirm(on: number)
        // One symbol's trade shows that the stream goes on, not that the other one is delivered.
        bench.receive("[\(bench.trade("AAPL", 401))]", on: number)
        #expect(bench.engine.status.feeds.map(\.hasOpenGap) == [false, true])
        bench.ended(number)
        bench.pass(MassiveBench.minute)
        number = bench.connect()
        bench.confirm(on: number)
        #expect(bench.engine.status.feeds.allSatisfy { $0.state == .live && !$0.hasOpenGap })
        let gaps = bench.gaps.filter {
            $0.header.symbol == 1 && $0.state == GapState.abandoned.rawValue
        }
        #expect(gaps.count == 1)
    }

    @Test("the number 0 is none: nothing is taken for a double by it")
    func zero() {
        var bench = MassiveBench()
        let number = bench.begin("AAPL", feeds: .quotes)
        for _ in 0..<2 {
            bench.receive(
                "[{\"ev\":\"Q\",\"sym\":\"AAPL\",\"bp\":1,\"bs\":1,\"ap\":2,\"as\":1,"
                    + "\"t\":\(bench.stamp),\"q\":0}]", on: number)
            bench.pass(MassiveBench.second)
        }
        #expect(bench.quotes.count == 2 && bench.quotes.allSatisfy { $0.header.providerID == 0 })
    }

    @Test(
        "a key that the service sends back is in no text",
        arguments: ["auth_failed", "error", "max_connections", "success", "typo"])
    func echo(_ status: String) {
        let key = "m0123456789abcdef"
        var bench = MassiveBench { $0.stream.hidden = HiddenTexts([key]) }
        bench.follow(["AAPL"])
        _ = bench.takeWishes()
        bench.opened(1)
        bench.receive(MassiveBench.connected, on: 1)
        bench.receive(MassiveBench.status(status, "\(key) is wrong: \(key)"), on: 1)
        bench.ended(1, "closed: \(key)")
        let all = "\(bench.records) \(bench.notes) \(bench.engine.status)"
        #expect(all.contains("…") && !all.contains("m012345"), "\(all)")
    }
}
