import EngineKit
import HistoryTestSupport
import MarketModel
import Primitives
import Testing

@testable import MassiveEngine

@Suite struct MassiveEngineTests {
    // MARK: the connection

    @Test("a connection is greeted, authenticated, and only then asked; each word is answered")
    func begins() {
        var bench = MassiveBench()
        bench.follow(["AAPL", "SPY"], .level1)
        #expect(bench.takeWishes() == [.open(1)])
        bench.opened(1)
        #expect(bench.takeWishes().isEmpty)
        bench.receive(MassiveBench.connected, on: 1)
        #expect(bench.takeWishes() == [.authenticate(1)])
        #expect(bench.engine.status.state == .connecting)
        bench.receive(MassiveBench.authenticated, on: 1)
        bench.pass(0)
        #expect(
            bench.takeRequests() == [
                #"{"action":"subscribe","params":"T.AAPL,Q.AAPL,T.SPY,Q.SPY"}"#
            ])
        #expect(bench.subscriptions.isEmpty && bench.states == [.starting, .starting])
        bench.receive(MassiveBench.subscribed("T.AAPL", "Q.AAPL"), on: 1)
        #expect(bench.engine.machine.links[0].asking.request?.feeds == [2, 3])
        bench.receive(MassiveBench.status("success", "subscribed to: T.SPY,Q.SPY"), on: 1)
        #expect(bench.engine.machine.links[0].asking.request == nil)
        #expect(bench.subscriptions.count == 4 && bench.gaps.isEmpty)
        #expect(bench.states.suffix(2) == [.live, .live])
        #expect(bench.engine.status.state == .ready && bench.engine.nextDue > bench.now.monotonic)
    }

    // MARK: refusals

    @Test("another session is there, which the service says after it has confirmed")
    func occupied() {
        var bench = MassiveBench()
        bench.follow(["AAPL"], reached: MassiveBench.origin)
        for number in UInt32(1)...5 {
            let connection = bench.connect()
            #expect(connection == number)
            bench.confirm(on: connection)
            bench.receive(MassiveBench.occupied, on: connection)
            #expect(bench.takeWishes() == [.close(connection)])
            #expect(bench.engine.status.state == .occupied && bench.engine.status.failures == 0)
            bench.pass(MassiveLimits.occupiedWait - 1)
            #expect(bench.takeWishes().isEmpty)
            bench.pass(1)
        }
        #expect(bench.engine.counters.links.occupied == 5)
        #expect(bench.notes.count { if case .lost = $0 { true } else { false } } == 1)
        // From the second attempt on nothing is believed for a moment.
        #expect(bench.states.count { $0 == .live } == 1 && bench.gaps.count == 4)
        let number = bench.connect()
        bench.confirm(on: number)
        #expect(bench.engine.status.state == .occupied && bench.states.last == .down)
        #expect(bench.engine.nextDue <= bench.now.monotonic + MassiveLimits.provenAfter)
        bench.pass(MassiveLimits.provenAfter)
        #expect(bench.engine.status.state == .ready && bench.states.last == .live)
        #expect(bench.gaps.last?.state == GapState.abandoned.rawValue)
    }

    @Test("a record shows that no other session is there")
    func occupiedNoLonger() {
        var bench = MassiveBench()
        let number = bench.begin("AAPL")
        bench.receive(MassiveBench.occupied, on: number)
        bench.pass(MassiveLimits.occupiedWait)
        let next = bench.connect()
        bench.receive("[\(bench.trade("AAPL", 3))]", on: next)
        #expect(bench.trades.count == 1 && bench.states.last == .live)
    }

    @Test("what is refused by name is refused alone")
    func named() {
        var bench = MassiveBench()
        bench.follow(["AAPL", "SPY"], .level1)
        let number = bench.connect()
        _ = bench.takeRequests()
        bench.receive(MassiveBench.subscribed("T.AAPL", "T.SPY"), on: number)
        bench.receive(MassiveBench.status("error", "not authorized: Q.AAPL,Q.SPY"), on: number)
        #expect(bench.engine.machine.links[0].asking.request == nil)
        let feeds = bench.engine.status.feeds
        #expect(feeds.allSatisfy { $0.state == .live })
        #expect(feeds[0].reason.hasPrefix("the service says: not authorized: Q.AAPL,Q.SPY: "))
        #expect(bench.engine.counters.links.refusedFeeds == 2)
        bench.pass(MassiveBench.minute)
        #expect(bench.takeRequests().isEmpty)
        // The next connection asks for them again.
        bench.ended(number)
        bench.pass(MassiveBench.minute)
        #expect(bench.confirm(on: bench.connect()).count == 4)
    }

    @Test("what the service refuses without a name is what it does not confirm meanwhile")
    func unnamed() {
        var bench = MassiveBench()
        bench.follow(["A", "B"], .level1)
        let number = bench.connect()
        _ = bench.takeRequests()
        // A service may say what it refuses before what it takes.
        bench.receive(MassiveBench.status("error", "not authorized"), on: number)
        bench.receive(MassiveBench.subscribed("T.A"), on: number)
        bench.pass(MassiveLimits.refusalAfter - 1)
        bench.receive(MassiveBench.subscribed("T.B"), on: number)
        #expect(bench.engine.machine.links[0].asking.request != nil)
        bench.pass(1)
        #expect(bench.engine.machine.links[0].asking.request == nil && bench.takeWishes().isEmpty)
        let feeds = bench.engine.status.feeds
        #expect(feeds.allSatisfy { $0.state == .live } && bench.subscriptions.count == 2)
        #expect(feeds.allSatisfy { $0.reason.hasPrefix("the service says: not authorized: ") })
        #expect(bench.engine.counters.links.refusedFeeds == 2)
        // Where all is refused, the instrument is.
        bench.follow(["A", "B", "C"], .quotes, ended: [0, 1])
        bench.pass(StreamLimits.requestInterval)
        bench.confirm(on: number)
        bench.receive(MassiveBench.status("error", "not authorized"), on: number)
        bench.pass(MassiveLimits.refusalAfter)
        #expect(bench.engine.status.feeds.allSatisfy { $0.state == .refused })
    }

    @Test("what is wanted again while it is unsubscribed is asked for again, with a gap")
    func crossing() {
        var bench = MassiveBench()
        let number = bench.begin("AAPL", "SPY")
        bench.receive("[\(bench.trade("SPY", 1))]", on: number)
        bench.follow([], ended: [1])
        bench.pass(StreamLimits.requestInterval)
        #expect(bench.takeRequests().count == 1)
        bench.engine.follow(
            begun: [
                BegunInstrument(
                    number: 1, instrument: MassiveBench.instrument("SPY"), reached: .undefined)
            ], ended: [], bench.now, into: &bench.out)
        bench.receive(MassiveBench.subscribed("T.SPY"), on: number)
        bench.receive("[\(bench.trade("SPY", 2))]", on: number)
        bench.receive(MassiveBench.status("success", "unsubscribed to: T.SPY"), on: number)
        bench.pass(StreamLimits.requestInterval)
        #expect(bench.confirm(on: number) == ["T.SPY"])
        #expect(bench.states.last == .live && bench.trades.count == 1)
    }

    @Test("a channel that the service passes over in silence is refused; a late answer counts")
    func silent() {
        var bench = MassiveBench()
        bench.follow(["AAPL"], [.trades, .bars])
        let number = bench.connect()
        _ = bench.takeRequests()
        bench.receive(MassiveBench.subscribed("T.AAPL"), on: number)
        bench.pass(StreamLimits.answerAfter)
        #expect(bench.engine.status.state == .ready && bench.takeWishes().isEmpty)
        let reason = bench.engine.status.feeds[0].reason
        #expect(reason.hasPrefix("the service does not answer to it: "))
        bench.receive(MassiveBench.subscribed("AM.AAPL"), on: number)
        #expect(bench.engine.status.feeds[0].reason.isEmpty && bench.subscriptions.count == 2)
    }

    @Test("what came without an answer is not refused for that, and what ends then is a gap")
    func unanswered() {
        var bench = MassiveBench()
        bench.follow(["AAPL"])
        let number = bench.connect()
        bench.receive("[\(bench.trade("AAPL", 1))]", on: number)
        bench.pass(StreamLimits.answerAfter)
        #expect(bench.states.last == .live && bench.engine.machine.links[0].asking.request == nil)
        bench.follow(["AAPL"], ended: [0])
        bench.pass(0)
        #expect(bench.takeRequests().count == 1)
        // A refusal of what was delivered.
        bench.engine.refuse(0, "over", bench.now, into: &bench.out)
        bench.collect()
        #expect(bench.states.suffix(2) == [.down, .refused] && bench.gaps.count == 1)
    }

    @Test("a status that is not known is told, and changes nothing")
    func unknown() {
        var bench = MassiveBench()
        let number = bench.begin("AAPL")
        bench.receive(MassiveBench.status("news", "we\\nmove"), on: number)
        bench.receive(MassiveBench.status("success", "done"), on: number)
        bench.receive(#"[{"ev":"status"},{"ev":"LULD","T":"MSFT"},{"ev":5},{}]"#, on: number)
        bench.receive(MassiveBench.status("error", "late"), on: number)
        #expect(bench.notes.contains(.trouble(instrument: nil, "Massive says: news: we move")))
        #expect(bench.engine.counters.skipped(.unknown) == 6)
        #expect(bench.engine.status.state == .ready && bench.gaps.isEmpty)
    }

    // MARK: restarts and lists

    @Test("a symbol is asked for by one instrument, and an instrument says what it lacks")
    func taken() {
        var bench = MassiveBench()
        bench.follow(["AAPL", "AAPL"], [.trades, .news])
        #expect(bench.engine.status.feeds.map(\.state) == [.starting, .refused])
        #expect(bench.engine.status.feeds[0].reason.contains("only its trades"))
        #expect(bench.engine.status.feeds[1].reason.contains("by another instrument"))
    }

    // MARK: the floor

    @Test("where bars are wanted, the floor waits for them")
    func floorOfBars() {
        var bench = MassiveBench()
        let number = bench.begin("AAPL", feeds: [.trades, .bars])
        bench.receive("[\(bench.trade("AAPL", 1))]", on: number)
        bench.pass(MassiveBench.second * 10)
        let behind = bench.now.wall.nanoseconds(since: bench.out.floor)
        #expect(behind >= 2 * MassiveBench.second + MassiveLimits.barDelay)
    }

    @Test("a delayed feed is a quarter of an hour behind from the start, and healthy")
    func delayed() {
        var bench = MassiveBench(.delayed)
        let number = bench.begin("AAPL")
        bench.pass(MassiveBench.second)
        let quarter = 15 * MassiveBench.minute
        #expect(bench.now.wall.nanoseconds(since: bench.out.floor) > quarter)
        for turn in 1..<50 as Range<UInt64> {
            bench.receive(
                "[\(bench.trade("AAPL", turn, at: bench.stamp - 900_000))]", on: number)
            bench.pass(MassiveBench.second)
        }
        let behind = bench.now.wall.nanoseconds(since: bench.out.floor)
        #expect(quarter < behind && behind < quarter + 5 * MassiveBench.second)
        #expect(bench.engine.counters.late == 0 && bench.engine.status.state == .ready)
        #expect(bench.engine.takeClockAhead() == nil && bench.takeWishes().isEmpty)
        bench.ended(number)
        // What happened in the last quarter of an hour had not come.
        #expect(bench.now.wall.nanoseconds(since: bench.gaps[0].from) >= quarter)
    }
}
