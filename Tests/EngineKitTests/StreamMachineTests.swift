import EngineKit
import HistoryTestSupport
import MarketModel
import Primitives
import Testing

/// What all services that stream have in common.
@Suite struct StreamMachineTests {
    private static let abandoned = GapState.abandoned.rawValue

    // MARK: the connection

    @Test(
        "a service that does not greet, or does not answer at all, is given up",
        arguments: Venue.allCases)
    func noAnswer(venue: Venue) {
        var bench = venue.bench()
        bench.follow(["AAPL"])
        _ = bench.takeWishes()
        bench.opened(1)
        bench.pass(StreamLimits.answerAfter)
        #expect(bench.takeWishes() == [.close(1)])
        bench.pass(Venue.minute)
        _ = bench.connect()
        bench.pass(StreamLimits.answerAfter)
        #expect(bench.takeWishes().contains(.close(2)))
        #expect(bench.status.reason == "a request has no answer" && bench.status.failures == 2)
    }

    @Test(
        "a lost connection is one gap of each feed, until the next one is confirmed",
        arguments: Venue.allCases)
    func outage(venue: Venue) throws {
        var bench = venue.bench()
        let number = bench.begin("AAPL", "SPY")
        bench.deliver("AAPL", 1, on: number)
        bench.deliver("SPY", 1, on: number)
        bench.ended(number, "cut")
        #expect(bench.gaps.count == 2 && bench.states.suffix(2) == [.down, .down])
        bench.pass(20 * Venue.second)
        // Everything is asked for again.
        #expect(bench.confirm(on: bench.connect()).count == 2)
        #expect(bench.gaps.count == 6)
        let last = try #require(bench.gaps.last)
        #expect(last.state == Self.abandoned && last.to.isDefined)
        #expect(last.reason == GapReason.disconnected.rawValue)
        #expect(bench.states.suffix(2) == [.live, .live] && bench.subscriptions.count == 2)
    }

    @Test(
        "hours without a message are no gap, and ask nothing: the connection answers pings",
        arguments: Venue.allCases)
    func quiet(venue: Venue) {
        var bench = venue.bench()
        let number = bench.begin("AAPL")
        for id in 1...3 as ClosedRange<UInt64> { bench.deliver("AAPL", id, on: number) }
        _ = bench.takeWishes()
        bench.pass(seconds: 7_200)
        #expect(bench.takeWishes().isEmpty && bench.gaps.isEmpty)
        let alive = bench.now.wall
        bench.ended(number, "no pong")
        #expect(bench.gaps.map(\.state) == [GapState.open.rawValue])
        // All that was reported before the last ping was answered has come.
        #expect(bench.gaps[0].from == alive.advanced(byNanoseconds: -(10 + 1 + 2) * Venue.second))
    }

    @Test(
        "a frame that cannot be read ends the connection, with a gap",
        arguments: Venue.allCases,
        [
            "", "{}", "[", #"[{"T":"t","S":""#, #"[{"ev":"T","sym":""#, "garbage",
            "a field twice", "[1]", "binary",
        ])
    func broken(venue: Venue, frame: String) {
        let frame = frame == "a field twice" ? venue.fieldTwice : frame
        var bench = venue.bench()
        let number = bench.begin("AAPL")
        bench.deliver("AAPL", 1, on: number)
        bench.receive(frame == "binary" ? "[]" : frame, on: number, isText: frame != "binary")
        #expect(bench.takeWishes().contains(.close(number)))
        #expect(bench.gaps.count == 1 && bench.status.counters.broken == 1)
        // What an ended connection sends is nothing.
        bench.deliver("AAPL", 2, on: number)
        #expect(bench.trades.count == 1)
    }

    @Test("a long reason of the service fits into the record of its gap", arguments: Venue.allCases)
    func longReason(venue: Venue) {
        var bench = venue.bench()
        bench.ended(bench.begin("AAPL"), String(repeating: "😀", count: 200))
        #expect(bench.gaps.map(\.detail.utf8.count) == [GapRecord.detailBytesMax])
    }

    @Test(
        "a thread that waits for an answer has nothing to do before its time",
        arguments: Venue.allCases)
    func nothingDue(venue: Venue) {
        var bench = venue.bench()
        let number = bench.begin("AAPL")
        bench.deliver("AAPL", 1, on: number)
        bench.pass(4 * Venue.second)
        _ = bench.takeWishes()
        bench.follow(["AAPL", "SPY"], ended: [0])
        #expect(bench.takeRequests().count == 1)
        bench.pass(2 * Venue.second)
        #expect(bench.takeWishes().isEmpty && bench.nextDue > bench.now.monotonic)
    }

    // MARK: streams that stop

    @Test(
        "a dense stream that stops is given up, whatever the service answers, with a gap",
        arguments: Venue.allCases)
    func stopped(venue: Venue) {
        var bench = venue.bench()
        let number = bench.begin("AAPL")
        bench.deliver("AAPL", seconds: 50, on: number)
        let last = bench.now.wall.advanced(byNanoseconds: -Venue.second / 10)
        _ = bench.takeWishes()
        bench.pass(seconds: 9)
        #expect(bench.gaps.isEmpty && bench.takeWishes().isEmpty)
        #expect(bench.nextDue <= bench.now.monotonic + Venue.second)
        bench.pass(Venue.second)
        #expect(bench.takeWishes().contains(.close(number)))
        #expect(bench.status.reason == "its stream has stopped")
        #expect(bench.gaps.count == 1 && bench.gaps[0].from <= last)
        // A market that has closed is not asked again and again.
        bench.pass(Venue.minute)
        _ = bench.confirm(on: bench.connect())
        bench.pass(seconds: 3_600)
        #expect(bench.status.state == .ready && bench.takeWishes().isEmpty)
        // Nothing vouches for the new connection, and for what begins on it, until something comes.
        bench.follow(["AAPL", "SPY"], ended: [])
        _ = bench.confirm(on: 2)
        #expect(bench.gaps.count == 2 && bench.gaps.allSatisfy { !$0.to.isDefined })
        bench.deliver("AAPL", 501, on: 2)
        #expect(bench.status.feeds.allSatisfy { $0.state == .live && !$0.hasOpenGap })
    }

    @Test("bursts of some seconds are no pace, but at the beginning", arguments: Venue.allCases)
    func bursts(venue: Venue) {
        var bench = venue.bench()
        var number = bench.begin("AAPL")
        var stops = 0
        for burst in 0..<20 as Range<UInt64> {
            bench.deliver("AAPL", seconds: 4, from: burst * 40 + 1, on: number)
            bench.pass(seconds: 56)
            guard bench.takeWishes().contains(.close(number)) else { continue }
            stops += 1
            bench.pass(Venue.minute)
            number = bench.connect()
            _ = bench.confirm(on: number)
        }
        #expect(stops <= 1)
    }

    @Test(
        "a change of what is wanted does not hide that the stream has stopped",
        arguments: Venue.allCases)
    func stoppedAtChange(venue: Venue) {
        var bench = venue.bench()
        let number = bench.begin("AAPL", "MSFT")
        bench.deliver("AAPL", seconds: 50, on: number)
        let last = bench.now.wall.advanced(byNanoseconds: -Venue.second / 10)
        bench.pass(5 * Venue.second)
        bench.follow([], ended: [1])
        _ = bench.confirm(on: number)
        bench.pass(5 * Venue.second)
        #expect(bench.takeWishes().contains(.close(number)))
        #expect(bench.gaps.contains { $0.from <= last })
    }

    @Test(
        "the thinner a stream is, the longer may it be silent", arguments: Venue.allCases,
        [(1, 100), (10, 1_000)] as [(Int64, Int64)])
    func thin(venue: Venue, span: (interval: Int64, silence: Int64)) {
        var bench = venue.bench()
        let number = bench.begin("AAPL")
        for id in 1...450 as ClosedRange<UInt64> {
            bench.deliver("AAPL", id, on: number)
            bench.pass(seconds: span.interval)
        }
        _ = bench.takeWishes()
        let last = bench.now.wall.advanced(byNanoseconds: -span.interval * Venue.second)
        bench.pass(seconds: span.silence - span.interval - 1)
        #expect(bench.gaps.isEmpty && bench.takeWishes().isEmpty)
        bench.pass(Venue.second)
        #expect(bench.takeWishes().contains(.close(number)))
        #expect(bench.gaps.count == 1 && bench.gaps[0].from <= last)
    }

    @Test("a stream that was thin for a minute may be silent for hours", arguments: Venue.allCases)
    func thinner(venue: Venue) {
        var bench = venue.bench()
        let number = bench.begin("AAPL")
        for id in 1...100 as ClosedRange<UInt64> {
            bench.deliver("AAPL", id, on: number)
            bench.pass(Venue.second)
        }
        _ = bench.takeWishes()
        bench.pass(60 * Venue.minute)
        #expect(bench.takeWishes().isEmpty && bench.gaps.isEmpty)
    }

    @Test(
        "after an outage a stream that had been dense is expected to be so again",
        arguments: Venue.allCases)
    func stoppedFromTheBeginning(venue: Venue) {
        var bench = venue.bench()
        var number = bench.begin("AAPL")
        for part in 0..<3 as Range<UInt64> {
            bench.deliver("AAPL", seconds: 14, from: part * 140 + 1, on: number)
            bench.ended(number, "cut")
            bench.pass(part == 2 ? 10 * Venue.minute : Venue.minute)
            number = bench.connect()
            _ = bench.confirm(on: number)
        }
        #expect(bench.states.last == .live)
        bench.pass(9 * Venue.second)
        #expect(bench.takeWishes().isEmpty)
        bench.pass(Venue.second)
        #expect(bench.takeWishes().contains(.close(number)))
    }

    // MARK: refusals

    @Test(
        "the key is not taken: everything is refused, and tried again after a minute",
        arguments: Venue.allCases)
    func key(venue: Venue) {
        var bench = venue.refusedBench()
        #expect(bench.states.last == .refused && bench.status.state == .refused)
        #expect(bench.status.feeds[0].reason.hasPrefix("the service says: auth failed"))
        // The service closes without a word. That is no second failure.
        bench.ended(1, "closed")
        bench.pass(StreamLimits.refusedWait - 1)
        #expect(!bench.takeWishes().contains(.open(2)))
        bench.pass(1)
        #expect(bench.wishes == [.open(2)])
        _ = bench.confirm(on: bench.connect())
        #expect(bench.status.state == .ready && bench.status.reason.isEmpty)
        #expect(bench.status.feeds[0].reason.isEmpty)
    }

    @Test("a failure after a refusal of the key is what is shown", arguments: Venue.allCases)
    func failure(venue: Venue) {
        var bench = venue.refusedBench()
        bench.pass(StreamLimits.refusedWait)
        bench.ended(2, "no route")
        #expect(bench.status.state == .closed && bench.status.reason == "no route")
        #expect(bench.status.feeds[0].reason.isEmpty)
    }

    // MARK: restarts and lists

    @Test(
        "since an earlier process, a gap is on record until the subscription is confirmed",
        arguments: Venue.allCases)
    func restart(venue: Venue) {
        var bench = venue.bench()
        let reached = bench.now.wall.advanced(byNanoseconds: -60 * Venue.second)
        let left = OpenGap(
            instrument: 0, kind: .trade, from: reached,
            to: reached.advanced(byNanoseconds: 5), reason: .disconnected)
        _ = bench.begin("AAPL", reached: reached, gaps: [left])
        #expect(
            bench.gaps.map(\.state)
                == [GapState.open, .abandoned, .open, .abandoned].map(\.rawValue))
        // The connection may have been dead for 11 s; 2 s for what was under way then, and 5 s for
        // the service's clock.
        #expect(bench.gaps[0].from == reached.advanced(byNanoseconds: -18 * Venue.second))
        #expect(bench.gaps.map(\.reason).contains(GapReason.gatewayLost.rawValue))
    }

    @Test("a gap that an earlier process left open goes on", arguments: Venue.allCases)
    func openGap(venue: Venue) {
        var bench = venue.bench()
        let from = bench.now.wall.advanced(byNanoseconds: -600 * Venue.second)
        let left = OpenGap(
            instrument: 0, kind: .trade, from: from, to: .undefined, reason: .disconnected)
        _ = bench.begin("AAPL", reached: bench.now.wall, gaps: [left])
        #expect(bench.gaps.count == 2 && bench.gaps.allSatisfy { $0.from == from })
    }

    @Test(
        "an end is a gap without an end, and the end of the subscription", arguments: Venue.allCases
    )
    func stop(venue: Venue) {
        var bench = venue.bench()
        let number = bench.begin("AAPL")
        bench.deliver("AAPL", 1, on: number)
        bench.stop()
        bench.stop()
        #expect(bench.gaps.count == 1 && !bench.gaps[0].to.isDefined)
        #expect(bench.gaps[0].reason == GapReason.gatewayLost.rawValue)
        #expect(bench.subscriptions.map(\.action) == [1, 2])
        #expect(bench.takeWishes().contains(.close(number)) && bench.nextDue == .never)
    }

    @Test(
        "what ends is unsubscribed, what begins is subscribed, and both is no gap",
        arguments: Venue.allCases)
    func list(venue: Venue) {
        var bench = venue.bench()
        let number = bench.begin("AAPL", "SPY")
        bench.deliver("AAPL", 1, on: number)
        bench.follow(["AAPL"], ended: [0, 1])
        bench.pass(StreamLimits.requestInterval)
        let words = bench.confirm(on: number)
        #expect(words.count == 1 && words[0].hasSuffix("SPY"))
        #expect(bench.gaps.isEmpty && bench.status.feeds.count == 1)
        bench.deliver("SPY", 2, on: number)
        bench.deliver("AAPL", 2, on: number)
        #expect(bench.trades.count == 2 && bench.status.counters.skipped(.stray) == 1)
        // Another symbol of the same instrument takes over what is missing.
        bench.follow(["MSFT"], ended: [0])
        #expect(bench.gaps.count == 1 && bench.gaps[0].state == GapState.open.rawValue)
        _ = bench.confirm(on: number)
        _ = bench.confirm(on: number)
        #expect(bench.gaps.last?.state == Self.abandoned)
        // A kind that is not wanted any more ends.
        bench.follow(["MSFT"], .quotes, ended: [0])
        #expect(bench.subscriptions.last?.action == SubscriptionAction.stop.rawValue)
        bench.follow([], ended: [0])
        bench.pass(0)
        #expect(bench.takeWishes().contains(.close(number)))
        // What is wanted again after nothing was wanted is asked for again.
        bench.follow(["AAPL"])
        let next = bench.connect()
        #expect(next > number && bench.confirm(on: next).count == 1)
        bench.deliver("AAPL", 7, on: next)
        #expect(bench.trades.count == 3 && bench.states.last == .live)
    }

    @Test(
        "a long list is asked for in requests that stay short, one at a time",
        arguments: Venue.allCases)
    func long(venue: Venue) {
        var bench = venue.bench()
        bench.follow((0..<900).map { "S\($0)" })
        let number = bench.connect()
        var words = 0
        for _ in 0..<10 {
            bench.pass(StreamLimits.requestInterval)
            #expect(bench.wishes.count { if case .send = $0 { true } else { false } } <= 1)
            words += bench.confirm(on: number).count
        }
        #expect(words == 900 && bench.subscriptions.count == 900)
    }

    @Test(
        "what cannot be delivered is refused at once, with the reason",
        arguments: Venue.allCases,
        [
            ("AAPL", Instrument.Feeds.trades, Instrument.Security.crypto, "only stocks"),
            ("AAPL", .depth, .stock, "only trades, quotes"),
            ("A PL", .trades, .stock, "is no symbol of"),
            ("A,T.SPY", .trades, .stock, "is no symbol of"),
        ])
    func refused(
        venue: Venue,
        asked: (
            symbol: String, feeds: Instrument.Feeds, security: Instrument.Security, reason: String
        )
    ) {
        var bench = venue.bench()
        let instrument = ServiceBench<AlpacaWords>.instrument(
            "X", asked.feeds, name: asked.symbol, security: asked.security)
        bench.follow(instrument, as: 0)
        let shown = bench.status.feeds
        #expect(shown.count == 1 && shown[0].state == .refused)
        #expect(shown[0].reason.contains(asked.reason) && bench.takeWishes().isEmpty)
    }

    @Test("a symbol is asked for by one instrument", arguments: Venue.allCases)
    func taken(venue: Venue) {
        var bench = venue.bench()
        bench.follow(["AAPL", "AAPL"])
        #expect(bench.status.feeds.map(\.state) == [.starting, .refused])
        #expect(bench.status.feeds[1].reason.contains("by another instrument"))
    }

    // MARK: the floor

    @Test(
        "the floor follows the present, less what may be under way, and never goes back",
        arguments: Venue.allCases)
    func floor(venue: Venue) {
        var bench = venue.bench()
        let number = bench.begin("AAPL")
        var last = Timestamp.undefined
        for turn in 1..<51 as Range<UInt64> {
            let late = turn % 10 == 9 ? -Venue.minute : 0
            let time = bench.now.wall.advanced(byNanoseconds: late)
            let trade = bench.trade("AAPL", turn, size: "\(turn)", at: time)
            bench.receive("[\(trade)]", on: number, isText: true)
            bench.pass(Venue.second / 10)
            let floor = bench.out.floor
            #expect(!last.isDefined || floor >= last)
            #expect(floor <= bench.now.wall.advanced(byNanoseconds: -2 * Venue.second))
            last = floor
        }
        bench.pass(10 * Venue.second)
        #expect(bench.now.wall.nanoseconds(since: bench.out.floor) < 3 * Venue.second)
        #expect(bench.status.counters.late > 0)
    }

    @Test(
        "a record with a wrong time in the future does not move a later gap",
        arguments: Venue.allCases)
    func future(venue: Venue) {
        var bench = venue.bench()
        let number = bench.begin("AAPL")
        let far = bench.now.wall.advanced(byNanoseconds: 30 * 86_400 * Venue.second)
        let trade = bench.trade("AAPL", 1, size: "1", at: far)
        bench.receive("[\(trade)]", on: number, isText: true)
        let received = bench.now.wall
        bench.ended(number, "cut")
        #expect(bench.trades.count == 1 && bench.gaps.count == 1)
        #expect(bench.gaps[0].from <= received)
    }

    // MARK: limits

    @Test(
        "limits: connections, symbols and requests, and until when what waits has its turn",
        arguments: Venue.allCases)
    func limits(venue: Venue) {
        let (links, rest) = venue == .alpaca ? (2, Int64(1)) : (1, 2)
        var bench = venue.bench()
        bench.follow((0..<600).map { "S\($0)" })
        #expect(
            bench.limits == [
                ProviderLimit(.connections, used: 0, max: links, waiting: 1),
                ProviderLimit(.symbols, used: 0, max: nil, waiting: 600),
                ProviderLimit(
                    .requests, used: 0, max: 240, waiting: 600,
                    until: bench.now.monotonic + rest * StreamLimits.requestInterval),
            ])
        let number = bench.connect()
        while !bench.confirm(on: number).isEmpty {}
        #expect(
            bench.limits == [
                ProviderLimit(.connections, used: 1, max: links),
                ProviderLimit(.symbols, used: 600, max: nil),
                ProviderLimit(.requests, used: Int(rest) + 1, max: 240),
            ])
    }
}
