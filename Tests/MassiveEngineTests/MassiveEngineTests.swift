import EngineKit
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

    @Test("a service that does not greet, or does not answer at all, is given up")
    func noAnswer() {
        var bench = MassiveBench()
        bench.follow(["AAPL"])
        _ = bench.takeWishes()
        bench.opened(1)
        bench.pass(StreamLimits.answerAfter)
        #expect(bench.takeWishes() == [.close(1)])
        bench.pass(60 * MassiveBench.second)
        _ = bench.connect()
        bench.pass(StreamLimits.answerAfter)
        #expect(bench.takeWishes().contains(.close(2)))
        #expect(bench.engine.status.reason == "a request has no answer")
        #expect(bench.engine.status.failures == 2)
    }

    @Test("a lost connection is one gap of each feed, until the next one is confirmed")
    func outage() throws {
        var bench = MassiveBench()
        let number = bench.begin("AAPL", "SPY")
        bench.receive("[\(bench.trade("AAPL", 1)),\(bench.trade("SPY", 1))]", on: number)
        bench.ended(number)
        #expect(bench.gaps.count == 2 && bench.states.suffix(2) == [.down, .down])
        bench.pass(20 * MassiveBench.second)
        let next = bench.connect()
        // Everything is asked for again.
        #expect(bench.confirm(on: next) == ["T.AAPL", "T.SPY"])
        #expect(bench.gaps.count == 6)
        let last = try #require(bench.gaps.last)
        #expect(last.state == GapState.abandoned.rawValue && last.to.isDefined)
        #expect(last.reason == GapReason.disconnected.rawValue)
        #expect(bench.states.suffix(2) == [.live, .live] && bench.subscriptions.count == 2)
    }

    @Test("hours without a message are no gap: the connection answers pings")
    func quiet() {
        var bench = MassiveBench()
        let number = bench.begin("AAPL")
        for id in 1...3 as ClosedRange<UInt64> {
            bench.receive("[\(bench.trade("AAPL", id))]", on: number)
        }
        for _ in 0..<7_200 { bench.pass(MassiveBench.second) }
        #expect(bench.gaps.isEmpty && bench.takeWishes().isEmpty)
        let alive = bench.now.wall
        bench.pass(0)
        bench.ended(number, "no pong")
        #expect(bench.gaps.count == 1)
        #expect(
            bench.gaps[0].from
                == alive.advanced(byNanoseconds: -(10 + 1 + 2) * MassiveBench.second))
    }

    @Test(
        "a frame that cannot be read ends the connection, with a gap",
        arguments: [
            "", "{}", "[", #"[{"ev":"T","sym":""#, "garbage", #"[{"ev":"T","ev":"T"}]"#, "[1]",
        ])
    func broken(frame: String) {
        var bench = MassiveBench()
        let number = bench.begin("AAPL")
        bench.receive("[\(bench.trade("AAPL", 1))]", on: number)
        bench.receive(frame, on: number)
        #expect(bench.takeWishes().contains(.close(number)))
        #expect(bench.gaps.count == 1 && bench.engine.counters.broken == 1)
        bench.receive("[\(bench.trade("AAPL", 2))]", on: number)
        #expect(bench.trades.count == 1)
    }

    @Test("a binary frame cannot be read either")
    func binary() {
        var bench = MassiveBench()
        let number = bench.begin("AAPL")
        bench.receive("[]", on: number, isText: false)
        #expect(bench.takeWishes().contains(.close(number)))
    }

    // MARK: refusals

    @Test(
        "the key or the plan is not taken: refused with its words, tried again after a minute",
        arguments: ["authentication failed", "Your plan doesn't include websocket access."])
    func key(_ words: String) {
        var bench = MassiveBench()
        bench.follow(["AAPL"])
        _ = bench.takeWishes()
        bench.opened(1)
        bench.receive(MassiveBench.connected, on: 1)
        bench.receive(MassiveBench.status("auth_failed", words), on: 1)
        #expect(bench.states.last == .refused && bench.engine.status.state == .refused)
        #expect(bench.engine.status.feeds[0].reason.hasPrefix("the service says: \(words): "))
        // The service closes without a word. That is no second failure.
        bench.ended(1)
        bench.pass(StreamLimits.refusedWait - 1)
        #expect(!bench.takeWishes().contains(.open(2)))
        bench.pass(1)
        #expect(bench.takeWishes() == [.open(2)])
        bench.wishes = [.open(2)]
        bench.confirm(on: bench.connect())
        #expect(bench.engine.status.state == .ready && bench.engine.status.reason.isEmpty)
        #expect(bench.engine.status.feeds[0].reason.isEmpty)
    }

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

    @Test("since an earlier process, a gap is on record until the subscription is confirmed")
    func restart() {
        var bench = MassiveBench()
        let reached = MassiveBench.origin.advanced(byNanoseconds: -60 * MassiveBench.second)
        let left = OpenGap(
            instrument: 0, kind: .trade, from: reached,
            to: reached.advanced(byNanoseconds: 5), reason: .disconnected)
        _ = bench.begin("AAPL", reached: reached, gaps: [left])
        #expect(
            bench.gaps.map(\.state)
                == [GapState.open, .abandoned, .open, .abandoned].map(\.rawValue))
        #expect(bench.gaps[0].from == reached.advanced(byNanoseconds: -10 * MassiveBench.second))
    }

    @Test("a gap that an earlier process left open goes on")
    func openGap() {
        var bench = MassiveBench()
        let from = MassiveBench.origin.advanced(byNanoseconds: -600 * MassiveBench.second)
        let left = OpenGap(
            instrument: 0, kind: .trade, from: from, to: .undefined, reason: .disconnected)
        _ = bench.begin("AAPL", reached: MassiveBench.origin, gaps: [left])
        #expect(bench.gaps.count == 2 && bench.gaps.allSatisfy { $0.from == from })
    }

    @Test("an end is a gap without an end, and the end of the subscription")
    func stop() {
        var bench = MassiveBench()
        let number = bench.begin("AAPL")
        bench.receive("[\(bench.trade("AAPL", 1))]", on: number)
        bench.stop()
        bench.stop()
        #expect(bench.gaps.count == 1 && !bench.gaps[0].to.isDefined)
        #expect(bench.gaps[0].reason == GapReason.gatewayLost.rawValue)
        #expect(bench.subscriptions.map(\.action) == [1, 2])
        #expect(bench.takeWishes().contains(.close(number)) && bench.engine.nextDue == .never)
    }

    @Test("what ends is unsubscribed, what begins is subscribed, and both is no gap")
    func list() {
        var bench = MassiveBench()
        let number = bench.begin("AAPL", "SPY")
        bench.receive("[\(bench.trade("AAPL", 1))]", on: number)
        bench.follow(["AAPL"], ended: [0, 1])
        bench.pass(StreamLimits.requestInterval)
        #expect(bench.confirm(on: number) == ["T.SPY"])
        #expect(bench.gaps.isEmpty && bench.engine.status.feeds.count == 1)
        bench.receive("[\(bench.trade("SPY", 2)),\(bench.trade("AAPL", 2))]", on: number)
        #expect(bench.trades.count == 2 && bench.engine.counters.skipped(.stray) == 1)
        // Another symbol of the same instrument takes over what is missing.
        bench.follow(["MSFT"], ended: [0])
        #expect(bench.gaps.count == 1 && bench.gaps[0].state == GapState.open.rawValue)
        bench.confirm(on: number)
        bench.confirm(on: number)
        #expect(bench.gaps.last?.state == GapState.abandoned.rawValue)
        // A kind that is not wanted any more ends.
        bench.follow(["MSFT"], .quotes, ended: [0])
        #expect(bench.subscriptions.last?.action == SubscriptionAction.stop.rawValue)
        bench.follow([], ended: [0])
        bench.pass(0)
        #expect(bench.takeWishes().contains(.close(number)))
        // What is wanted again after nothing was wanted is asked for again.
        bench.follow(["AAPL"])
        #expect(bench.confirm(on: bench.connect()) == ["T.AAPL"])
        #expect(bench.states.last == .live)
    }

    @Test("a long list is asked for in requests that stay short, one at a time")
    func long() {
        var bench = MassiveBench()
        let symbols = (0..<600).map { "S\($0)" }
        bench.follow(symbols)
        let number = bench.connect()
        var words: [String] = []
        for _ in 0..<10 {
            bench.pass(StreamLimits.requestInterval)
            let requests = bench.wishes.count { if case .send = $0 { true } else { false } }
            #expect(requests <= 1)
            words += bench.confirm(on: number)
        }
        #expect(words == symbols.map { "T.\($0)" } && bench.subscriptions.count == 600)
    }

    @Test(
        "what cannot be delivered is refused at once, with the reason",
        arguments: [
            ("AAPL", Instrument.Feeds.trades, Instrument.Security.crypto, "only stocks"),
            ("AAPL", .depth, .stock, "only trades, quotes and bars"),
            ("A PL", .trades, .stock, "is no symbol of Massive"),
            ("A,T.SPY", .trades, .stock, "is no symbol of Massive"),
        ])
    func refused(
        symbol: String, feeds: Instrument.Feeds, security: Instrument.Security, reason: String
    ) {
        var bench = MassiveBench()
        let instrument = MassiveBench.instrument("X", feeds, name: symbol, security: security)
        bench.engine.follow(
            begun: [BegunInstrument(number: 0, instrument: instrument, reached: .undefined)],
            ended: [], bench.now, into: &bench.out)
        bench.pass(0)
        let shown = bench.engine.status.feeds
        #expect(shown.count == 1 && shown[0].state == .refused)
        #expect(shown[0].reason.contains(reason) && bench.takeWishes().isEmpty)
    }

    @Test("a symbol is asked for by one instrument, and an instrument says what it lacks")
    func taken() {
        var bench = MassiveBench()
        bench.follow(["AAPL", "AAPL"], [.trades, .news])
        #expect(bench.engine.status.feeds.map(\.state) == [.starting, .refused])
        #expect(bench.engine.status.feeds[0].reason.contains("only its trades"))
        #expect(bench.engine.status.feeds[1].reason.contains("by another instrument"))
    }

    // MARK: the floor

    @Test("the floor follows the present, less what may be under way, and never goes back")
    func floor() {
        var bench = MassiveBench()
        let number = bench.begin("AAPL")
        var last = Timestamp.undefined
        for turn in 0..<50 as Range<UInt64> {
            let late = turn % 10 == 9 ? bench.stamp - 60_000 : nil
            bench.receive("[\(bench.trade("AAPL", turn + 1, at: late))]", on: number)
            bench.pass(MassiveBench.second / 10)
            #expect(!last.isDefined || bench.out.floor >= last)
            last = bench.out.floor
            #expect(last <= bench.now.wall.advanced(byNanoseconds: -2 * MassiveBench.second))
        }
        bench.pass(10 * MassiveBench.second)
        #expect(bench.now.wall.nanoseconds(since: bench.out.floor) < 3 * MassiveBench.second)
        #expect(bench.engine.counters.late > 0 && bench.engine.takeClockAhead() == 0)
    }

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

    @Test("limits: the one connection, symbols and requests, and what waits for each")
    func limits() throws {
        func limits(_ bench: MassiveBench) -> [ProviderLimit] {
            bench.engine.limits(bench.now.monotonic)
        }
        var bench = MassiveBench()
        bench.follow((0..<600).map { "S\($0)" })
        #expect(
            limits(bench) == [
                ProviderLimit(.connections, used: 0, max: 1, waiting: 1),
                ProviderLimit(.symbols, used: 0, max: nil, waiting: 600),
                // 250 words leave with each request.
                ProviderLimit(
                    .requests, used: 0, max: 240, waiting: 600,
                    until: bench.now.monotonic + 2 * StreamLimits.requestInterval),
            ])
        let number = bench.connect()
        while !bench.confirm(on: number).isEmpty {}
        #expect(
            limits(bench) == [
                ProviderLimit(.connections, used: 1, max: 1),
                ProviderLimit(.symbols, used: 600, max: nil),
                ProviderLimit(.requests, used: 3, max: 240),
            ])
        bench.receive(MassiveBench.occupied, on: number)
        let occupied = try #require(limits(bench).first)
        #expect(occupied.used == 0 && occupied.waiting == 1)
        #expect(occupied.until == bench.now.monotonic + MassiveLimits.occupiedWait)
        #expect(occupied.reason.contains("another session is connected"))
    }
}
