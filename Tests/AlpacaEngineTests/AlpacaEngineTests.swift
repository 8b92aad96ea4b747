import EngineKit
import MarketModel
import Primitives
import Testing

@testable import AlpacaEngine

@Suite struct AlpacaEngineTests {
    // MARK: connections

    @Test("a connection is greeted, authenticated, asked, and then live")
    func begins() {
        var bench = AlpacaBench()
        bench.follow(["AAPL", "SPY"], .level1)
        #expect(bench.takeWishes() == [.open(1)])
        bench.opened(1)
        #expect(bench.takeWishes().isEmpty)
        bench.receive(AlpacaBench.connected, on: 1)
        #expect(bench.takeWishes() == [.authenticate(1)])
        bench.receive(AlpacaBench.authenticated, on: 1)
        bench.pass(0)
        #expect(
            bench.takeRequests() == [
                #"{"action":"subscribe","trades":["AAPL","SPY"],"quotes":["AAPL","SPY"],"#
                    + #""statuses":["AAPL","SPY"]}"#
            ])
        #expect(bench.subscriptions.isEmpty && bench.states == [.starting, .starting])
        bench.confirm(
            #""trades":["AAPL","SPY"],"quotes":["AAPL","SPY"],"statuses":["AAPL","SPY"]"#, on: 1)
        #expect(bench.subscriptions.count == 6 && bench.gaps.isEmpty)
        #expect(bench.states.suffix(2) == [.live, .live])
        #expect(bench.engine.status.state == .ready && bench.engine.status.connections == 1)
    }

    @Test("news have a connection of their own")
    func newsConnection() {
        var bench = AlpacaBench()
        bench.follow(["AAPL"], [.trades, .news])
        #expect(bench.takeWishes() == [.open(1), .open(2, link: 1)])
        bench.opened(2)
        bench.receive(AlpacaBench.connected, on: 2)
        bench.receive(AlpacaBench.authenticated, on: 2)
        bench.pass(0)
        #expect(bench.takeRequests() == [#"{"action":"subscribe","news":["AAPL"]}"#])
        bench.confirm(#""news":["AAPL"]"#, on: 2)
        #expect(bench.subscriptions.map(\.kind) == [DataKind.news.rawValue])
        #expect(bench.engine.status.links == 2)
    }

    @Test("a service that does not greet, or does not answer, is given up")
    func noGreeting() {
        var bench = AlpacaBench()
        bench.follow(["AAPL"])
        _ = bench.takeWishes()
        bench.opened(1)
        bench.pass(StreamLimits.answerAfter)
        #expect(bench.takeWishes() == [.close(1)])
        bench.pass(60 * AlpacaBench.second)
        _ = bench.connect()
        bench.pass(StreamLimits.answerAfter)
        #expect(bench.takeWishes().contains(.close(2)))
        #expect(bench.engine.status.reason == "a request has no answer")
    }

    @Test("hours without a message are no gap, and ask nothing: the connection answers pings")
    func quiet() {
        var bench = AlpacaBench()
        let number = bench.begin("AAPL")
        for id in 1...3 as ClosedRange<UInt64> {
            bench.receive("[\(bench.trade("AAPL", id))]", on: number)
        }
        _ = bench.takeWishes()
        for _ in 0..<7_200 { bench.pass(AlpacaBench.second) }
        #expect(bench.takeWishes().isEmpty && bench.gaps.isEmpty)
        let alive = bench.now.wall
        bench.ended(number, "no pong")
        #expect(bench.gaps.map(\.state) == [GapState.open.rawValue])
        // All that was reported before the last ping was answered has come.
        #expect(
            bench.gaps[0].from
                == alive.advanced(byNanoseconds: -(10 + 1 + 2) * AlpacaBench.second))
    }

    @Test("a dense stream that stops is given up, whatever the service answers, with a gap")
    func stopped() {
        var bench = AlpacaBench()
        let number = bench.begin("AAPL")
        for id in 1...500 as ClosedRange<UInt64> {
            bench.receive("[\(bench.trade("AAPL", id))]", on: number)
            bench.pass(AlpacaBench.second / 10)
        }
        let last = bench.now.wall.advanced(byNanoseconds: -AlpacaBench.second / 10)
        _ = bench.takeWishes()
        for _ in 0..<9 {
            bench.pass(AlpacaBench.second)
            bench.receive(#"[{"T":"subscription","trades":["AAPL"]}]"#, on: number)
        }
        #expect(bench.gaps.isEmpty && bench.takeWishes().isEmpty)
        #expect(bench.engine.nextDue <= bench.now.monotonic + AlpacaBench.second)
        bench.pass(AlpacaBench.second)
        #expect(bench.takeWishes().contains(.close(number)))
        #expect(bench.engine.status.reason == "its stream has stopped")
        #expect(bench.gaps.count == 1 && bench.gaps[0].from <= last)
        // A market that has closed is not asked again and again.
        bench.pass(60 * AlpacaBench.second)
        bench.confirm(#""trades":["AAPL"]"#, on: bench.connect())
        _ = bench.takeWishes()
        for _ in 0..<3_600 { bench.pass(AlpacaBench.second) }
        #expect(bench.engine.status.state == .ready && bench.takeWishes().isEmpty)
        // Nothing vouches for the new connection, and for what begins on it, until something comes.
        bench.follow(["AAPL", "SPY"])
        bench.confirm(#""trades":["AAPL","SPY"]"#, on: 2)
        #expect(bench.gaps.count == 2 && bench.gaps.allSatisfy { !$0.to.isDefined })
        bench.receive("[\(bench.trade("AAPL", 501))]", on: 2)
        #expect(bench.engine.status.feeds.allSatisfy { $0.state == .live && !$0.hasOpenGap })
    }

    @Test(
        "a stream that stops as the market closes leaves no gap over night",
        arguments: [(.sip, 9, true), (.sip, 8, false), (.iex, 6, true), (.iex, 5, false)]
            as [(AlpacaFeedName, Int64, Bool)])
    func closed(feed: AlpacaFeedName, hours: Int64, isEnded: Bool) {
        var bench = stopped(feed, at: 60 * hours)
        #expect(bench.gaps.last?.to.isDefined == isEnded)
        // It ends with the hours, if nothing comes.
        for _ in 0..<60 { bench.pass(60 * AlpacaBench.second) }
        #expect(bench.gaps.last?.to.isDefined == true)
    }

    @Test(
        "a stream that stops in the first hour of a summer's day leaves a gap until it goes on",
        arguments: [(.sip, -390), (.iex, -150)] as [(AlpacaFeedName, Int64)])
    func early(feed: AlpacaFeedName, minutes: Int64) {
        var bench = stopped(feed, at: minutes)
        #expect(bench.gaps.last?.to.isDefined == false)
        for _ in 0..<60 { bench.pass(60 * AlpacaBench.second) }
        #expect(bench.gaps.last?.to.isDefined == false)
        bench.receive("[\(bench.trade("AAPL", 501))]", on: 2)
        let gap = bench.gaps.last
        #expect(gap?.to.isDefined == true && gap?.to ?? .undefined >= bench.now.wall)
    }

    /// Returns an engine whose dense stream stopped at some minute after the bench's origin, with
    /// the next connection, on which nothing comes.
    private func stopped(_ feed: AlpacaFeedName, at minutes: Int64) -> AlpacaBench {
        var bench = AlpacaBench(feed, at: (minutes * 60 - 50) * AlpacaBench.second)
        let number = bench.begin("AAPL")
        for id in 1...500 as ClosedRange<UInt64> {
            bench.receive("[\(bench.trade("AAPL", id))]", on: number)
            bench.pass(AlpacaBench.second / 10)
        }
        for _ in 0..<10 { bench.pass(AlpacaBench.second) }
        #expect(bench.engine.status.reason == "its stream has stopped")
        bench.pass(60 * AlpacaBench.second)
        bench.confirm(#""trades":["AAPL"]"#, on: bench.connect())
        return bench
    }

    @Test("bursts of some seconds are no pace, but at the beginning")
    func bursts() {
        var bench = AlpacaBench()
        var number = bench.begin("AAPL")
        var stops = 0
        for burst in 0..<20 as Range<UInt64> {
            for id in 0..<40 as Range<UInt64> {
                bench.receive("[\(bench.trade("AAPL", burst * 40 + id + 1))]", on: number)
                bench.pass(AlpacaBench.second / 10)
            }
            for _ in 0..<56 { bench.pass(AlpacaBench.second) }
            guard bench.takeWishes().contains(.close(number)) else { continue }
            stops += 1
            bench.pass(60 * AlpacaBench.second)
            number = bench.connect()
            bench.confirm(#""trades":["AAPL"]"#, on: number)
        }
        #expect(stops <= 1)
    }

    @Test("a change of what is wanted does not hide that the stream has stopped")
    func stoppedAtChange() {
        var bench = AlpacaBench()
        let number = bench.begin("AAPL", "MSFT")
        for id in 1...500 as ClosedRange<UInt64> {
            bench.receive("[\(bench.trade("AAPL", id))]", on: number)
            bench.pass(AlpacaBench.second / 10)
        }
        let last = bench.now.wall.advanced(byNanoseconds: -AlpacaBench.second / 10)
        bench.pass(5 * AlpacaBench.second)
        bench.follow([], ended: [1])
        bench.pass(0)
        bench.receive(#"[{"T":"subscription","trades":["AAPL"]}]"#, on: number)
        _ = bench.takeWishes()
        bench.pass(5 * AlpacaBench.second)
        #expect(bench.takeWishes().contains(.close(number)))
        #expect(bench.gaps.contains { $0.from <= last })
    }

    @Test(
        "the thinner a stream is, the longer may it be silent",
        arguments: [(1, 100), (10, 1_000)] as [(Int64, Int64)])
    func thin(interval: Int64, silence: Int64) {
        var bench = AlpacaBench()
        let number = bench.begin("AAPL")
        for id in 1...450 as ClosedRange<UInt64> {
            bench.receive("[\(bench.trade("AAPL", id))]", on: number)
            for _ in 0..<interval { bench.pass(AlpacaBench.second) }
        }
        _ = bench.takeWishes()
        let last = bench.now.wall.advanced(byNanoseconds: -interval * AlpacaBench.second)
        for _ in 0..<(silence - interval - 1) { bench.pass(AlpacaBench.second) }
        #expect(bench.gaps.isEmpty && bench.takeWishes().isEmpty)
        bench.pass(AlpacaBench.second)
        #expect(bench.takeWishes().contains(.close(number)))
        #expect(bench.gaps.count == 1 && bench.gaps[0].from <= last)
    }

    @Test("a lost connection is one gap of each feed, until the next one is confirmed")
    func outage() throws {
        var bench = AlpacaBench()
        let number = bench.begin("AAPL", "SPY")
        bench.receive("[\(bench.trade("AAPL", 1)),\(bench.trade("SPY", 1))]", on: number)
        bench.ended(number)
        bench.pass(20 * AlpacaBench.second)
        #expect(bench.gaps.count == 2 && bench.states.suffix(2) == [.down, .down])
        let next = bench.connect()
        bench.confirm(#""trades":["AAPL","SPY"]"#, on: next)
        #expect(bench.gaps.count == 6)
        let last = try #require(bench.gaps.last)
        #expect(last.state == GapState.abandoned.rawValue && last.to.isDefined)
        #expect(last.reason == GapReason.disconnected.rawValue)
        #expect(bench.states.suffix(2) == [.live, .live])
        #expect(bench.subscriptions.count == 2)
    }

    @Test(
        "a frame that cannot be read ends the connection, with a gap",
        arguments: [
            "", "{}", "[", #"[{"T":"t","S":""#, "garbage", #"[{"T":"t","T":"t"}]"#, "[1]",
        ])
    func broken(frame: String) {
        var bench = AlpacaBench()
        let number = bench.begin("AAPL")
        bench.receive("[\(bench.trade("AAPL", 1))]", on: number)
        bench.receive(frame, on: number)
        #expect(bench.takeWishes().contains(.close(number)))
        #expect(bench.gaps.count == 1 && bench.engine.counters.broken == 1)
    }

    @Test("a binary frame cannot be read either, and what an ended connection sends is nothing")
    func binary() {
        var bench = AlpacaBench()
        let number = bench.begin("AAPL")
        bench.receive([0x91, 0x80], on: number, isText: false)
        #expect(bench.takeWishes().contains(.close(number)))
        bench.receive("[\(bench.trade("AAPL", 1))]", on: number)
        #expect(bench.trades.isEmpty)
    }

    // MARK: errors

    @Test("the key is not taken: everything is refused, and tried again after a minute")
    func key() {
        var bench = AlpacaBench()
        bench.follow(["AAPL"])
        _ = bench.takeWishes()
        bench.opened(1)
        bench.receive(AlpacaBench.connected, on: 1)
        bench.receive(AlpacaBench.error(402, "auth failed"), on: 1)
        #expect(bench.states.last == .refused && bench.engine.status.state == .refused)
        #expect(
            bench.engine.status.feeds[0].reason.hasPrefix("the service says: auth failed (402): "))
        bench.pass(StreamLimits.refusedWait - 1)
        #expect(!bench.takeWishes().contains(.open(2)))
        bench.pass(1)
        #expect(bench.takeWishes() == [.open(2)])
        bench.wishes = [.open(2)]
        let number = bench.connect()
        bench.confirm(#""trades":["AAPL"]"#, on: number)
        #expect(bench.engine.status.state == .ready && bench.engine.status.reason.isEmpty)
        #expect(bench.engine.status.feeds[0].reason.isEmpty)
    }

    @Test(
        "a key that the service sends back is in no text",
        arguments: [
            "a/b+\"c-0123456789", "a%2Fb%2B%22c-0123456789", "a%2fb%2b%22c-0123456789",
            "eDphL2IrImMtMDEyMzQ1Njc4OQ==", "YS9iKyJjLTAxMjM0NTY3ODk",
        ])
    func echo(_ echo: String) {
        let key = "a/b+\"c-0123456789"
        var bench = AlpacaBench { $0.stream.hidden = HiddenTexts([key]) }
        bench.follow(["AAPL"])
        _ = bench.takeWishes()
        bench.opened(1)
        bench.receive(AlpacaBench.connected, on: 1)
        let quoted = echo.replacing("\"", with: "\\\"")
        bench.receive(AlpacaBench.error(402, "no: \(quoted)\(quoted)"), on: 1)
        bench.ended(1, "closed: \(echo)")
        let all = "\(bench.records) \(bench.notes) \(bench.engine.status)"
        #expect(all.contains("no: ") && !all.contains(echo.dropFirst(4).prefix(12)))
        #expect(!"\(bench.engine.settings)".contains("c-01234"))
    }

    @Test("an account without news says so at the instrument, whose trades come")
    func noNews() {
        var bench = AlpacaBench()
        bench.follow(["AAPL"], [.trades, .news])
        for case .open(let number, let link) in bench.takeWishes() {
            bench.opened(number)
            bench.receive(AlpacaBench.connected, on: number)
            let isNews = link == AlpacaEndpoint.news.rawValue
            bench.receive(
                isNews ? AlpacaBench.error(409, "no news") : AlpacaBench.authenticated, on: number)
            bench.pass(0)
            if !isNews { bench.confirm(#""trades":["AAPL"]"#, on: number) }
        }
        let feed = bench.engine.status.feeds[0]
        #expect(feed.state == .live && feed.reason.hasPrefix("the service says: no news (409): "))
    }

    @Test("another session is there: tried again every 5 s, and told once")
    func occupied() {
        var bench = AlpacaBench()
        bench.follow(["AAPL"])
        for number in UInt32(1)...20 {
            #expect(bench.takeWishes() == [.open(number)])
            bench.opened(number)
            bench.receive(AlpacaBench.connected, on: number)
            bench.receive(AlpacaBench.error(406, "connection limit exceeded"), on: number)
            #expect(bench.takeWishes() == [.authenticate(number), .close(number)])
            bench.pass(AlpacaLimits.occupiedWait - 1)
            #expect(bench.takeWishes().isEmpty)
            bench.pass(1)
            #expect(bench.engine.status.state == .occupied && bench.engine.status.failures == 0)
        }
        #expect(bench.engine.counters.links.occupied == 20 && bench.states.last == .starting)
        #expect(bench.notes.count { if case .lost = $0 { true } else { false } } == 1)
        let number = bench.connect()
        bench.confirm(#""trades":["AAPL"]"#, on: number)
        #expect(bench.engine.status.state == .ready && bench.states.last == .live)
    }

    @Test("a thread that waits for an answer has nothing to do before its time")
    func nothingDue() {
        var bench = AlpacaBench()
        let number = bench.begin("AAPL")
        bench.receive("[\(bench.trade("AAPL", 1))]", on: number)
        bench.pass(4 * AlpacaBench.second)
        _ = bench.takeWishes()
        bench.follow(["AAPL", "SPY"], ended: [0])
        #expect(bench.takeRequests().count == 1)
        bench.pass(2 * AlpacaBench.second)
        #expect(bench.takeWishes().isEmpty && bench.engine.nextDue > bench.now.monotonic)
    }

    @Test("a record with a wrong time in the future does not move a later gap")
    func future() {
        var bench = AlpacaBench()
        let number = bench.begin("AAPL")
        bench.receive(
            "[\(bench.trade("AAPL", 1, at: "2099-01-01T00:00:00Z"))]", on: number)
        let received = bench.now.wall
        bench.ended(number)
        #expect(bench.trades.count == 1 && bench.gaps.count == 1)
        #expect(bench.gaps[0].from <= received)
    }

    @Test("a long reason of the service fits into the record of its gap")
    func longReason() {
        var bench = AlpacaBench()
        let number = bench.begin("AAPL")
        bench.ended(number, String(repeating: "😀", count: 200))
        #expect(bench.gaps.count == 1)
        #expect(bench.gaps[0].detail.utf8.count == GapRecord.detailBytesMax)
    }

    @Test("what the service refuses of a request is found by halves")
    func halves() {
        var bench = AlpacaBench()
        bench.follow(["A", "B", "BAD", "D"])
        let number = bench.connect()
        var confirmed: [String] = []
        for _ in 0..<12 {
            for request in bench.takeRequests() {
                if request.contains("BAD") {
                    bench.receive(AlpacaBench.error(400, "invalid syntax"), on: number)
                } else {
                    confirmed += ["A", "B", "D"].filter { request.contains("\"\($0)\"") }
                    let names = confirmed.map { "\"\($0)\"" }.joined(separator: ",")
                    bench.receive("[{\"T\":\"subscription\",\"trades\":[\(names)]}]", on: number)
                }
            }
            bench.pass(StreamLimits.requestInterval)
        }
        let feeds = bench.engine.status.feeds
        #expect(feeds.map(\.state) == [.live, .live, .refused, .live])
        #expect(feeds[2].reason.hasPrefix("the service says: invalid syntax (400): "))
        // The next connection asks for it again.
        bench.ended(number)
        #expect(bench.engine.machine.feeds.list[2].refusal.isEmpty)
    }

    @Test("a channel that the account lacks is refused as a whole, and the others come")
    func channel() {
        var bench = AlpacaBench(.iex)
        bench.follow(["A", "B", "C"], .level1)
        let number = bench.connect()
        var requests = 0
        for _ in 0..<6 {
            for request in bench.takeRequests() {
                requests += 1
                if request.contains("statuses") {
                    bench.receive(AlpacaBench.error(410, "invalid subscribe"), on: number)
                } else {
                    let quotes = request.contains("quotes") ? #","quotes":["A","B","C"]"# : ""
                    bench.receive(
                        #"[{"T":"subscription","trades":["A","B","C"]\#(quotes)}]"#, on: number)
                }
            }
            bench.pass(StreamLimits.requestInterval)
        }
        #expect(requests == 4 && bench.engine.status.feeds.allSatisfy { $0.state == .live })
        let reason = bench.engine.status.feeds[0].reason
        #expect(reason.hasPrefix("the service says: invalid subscribe (410): "))
        #expect(bench.subscriptions.count == 6)
    }

    @Test("bars come where the account lacks those that come again, and the reason is shown")
    func noUpdatedBars() {
        var bench = AlpacaBench()
        bench.follow(["AAPL"], .bars)
        let number = bench.connect()
        #expect(
            bench.takeRequests()
                == [#"{"action":"subscribe","bars":["AAPL"],"updatedBars":["AAPL"]}"#])
        bench.receive(AlpacaBench.error(410, "invalid subscribe"), on: number)
        for _ in 0..<3 {
            bench.pass(StreamLimits.requestInterval)
            for request in bench.takeRequests() {
                if request.contains("updatedBars") {
                    bench.receive(AlpacaBench.error(410, "invalid subscribe"), on: number)
                } else {
                    bench.receive(#"[{"T":"subscription","bars":["AAPL"]}]"#, on: number)
                }
            }
        }
        let feed = bench.engine.status.feeds[0]
        #expect(feed.state == .live && feed.reason.contains("invalid subscribe"))
        #expect(bench.subscriptions.count == 1 && bench.gaps.isEmpty)
    }

    @Test("a gap of bars begins where none can come again, and there is one for both channels")
    func gapOfBars() throws {
        var bench = AlpacaBench()
        bench.follow(["AAPL"], .bars)
        let number = bench.connect()
        let lists = #""bars":["AAPL"],"updatedBars":["AAPL"]"#
        bench.confirm(lists, on: number)
        for _ in 0..<80 { bench.pass(AlpacaBench.second) }
        // The last answer to a ping, by a clock that nothing has shown to be right.
        let heard = bench.now.wall.advanced(byNanoseconds: -(10 + 1 + 5) * AlpacaBench.second)
        bench.ended(number)
        bench.pass(AlpacaBench.second)
        bench.confirm(lists, on: bench.connect())
        let doubt = AlpacaLimits.barsRevisedAfter + 2 * AlpacaBench.second
        #expect(bench.gaps.count == 3)
        #expect(bench.gaps.allSatisfy { $0.from == heard.advanced(byNanoseconds: -doubt) })
        bench.engine.stop(bench.now, into: &bench.out)
        bench.collect()
        #expect(bench.gaps.count == 4 && bench.subscriptions.count == 2)
    }

    @Test("a feed that the service no longer lists is a gap, and refused")
    func unlisted() {
        var bench = AlpacaBench()
        let number = bench.begin("AAPL", "SPY")
        bench.follow(["AAPL", "SPY", "TSLA"])
        bench.pass(StreamLimits.requestInterval)
        bench.confirm(#""trades":["AAPL","TSLA"]"#, on: number)
        #expect(bench.gaps.count == 1 && bench.engine.status.feeds[1].state == .refused)
    }

    @Test("an error without a request, and one that is none, change nothing")
    func noRequest() {
        var bench = AlpacaBench()
        let number = bench.begin("AAPL")
        bench.receive(AlpacaBench.error(405), on: number)
        bench.receive(AlpacaBench.error(403), on: number)
        #expect(bench.engine.status.state == .ready && bench.gaps.isEmpty)
        bench.receive(AlpacaBench.error(500), on: number)
        #expect(bench.engine.status.state == .closed && bench.gaps.count == 1)
    }

    @Test("limits: connections, symbols and requests, and until when what waits has its turn")
    func limits() throws {
        func limits(_ bench: AlpacaBench) -> [ProviderLimit] {
            bench.engine.limits(bench.now.monotonic)
        }
        var bench = AlpacaBench()
        bench.follow(["AAPL", "SPY"])
        #expect(
            limits(bench) == [
                ProviderLimit(.connections, used: 0, max: 2, waiting: 1),
                ProviderLimit(.symbols, used: 0, max: nil, waiting: 2),
                ProviderLimit(
                    .requests, used: 0, max: 240, waiting: 2, until: bench.now.monotonic),
            ])
        let number = bench.connect()
        bench.confirm(#""trades":["AAPL","SPY"]"#, on: number)
        #expect(
            limits(bench) == [
                ProviderLimit(.connections, used: 1, max: 2),
                ProviderLimit(.symbols, used: 2, max: nil),
                ProviderLimit(.requests, used: 1, max: 240),
            ])
        // Another session has the place: no failure, and tried again in five seconds.
        bench.receive(AlpacaBench.error(406, "connection limit exceeded"), on: number)
        let occupied = try #require(limits(bench).first)
        #expect(
            occupied.waiting == 1
                && occupied.until == bench.now.monotonic + AlpacaLimits.occupiedWait
                && occupied.reason.contains("(406)"))
    }

    @Test("the account's symbols are known when the service refuses one more")
    func symbolLimit() {
        var bench = AlpacaBench()
        let number = bench.begin("AAPL")
        bench.follow(["AAPL", "SPY"])
        _ = bench.takeRequests()
        bench.pass(StreamLimits.requestInterval)
        bench.receive(AlpacaBench.error(405, "symbol limit exceeded"), on: number)
        let symbols = bench.engine.limits(bench.now.monotonic).first { $0.name == .symbols }
        #expect(
            symbols
                == ProviderLimit(
                    .symbols, used: 1, max: 1, waiting: 1,
                    reason: "the service says: symbol limit exceeded (405): "
                        + AlpacaCode.advice(.symbols)))
    }

    // MARK: restarts and lists

    @Test("since an earlier process, a gap is on record until the subscription is confirmed")
    func restart() {
        var bench = AlpacaBench()
        let reached = AlpacaBench.origin.advanced(byNanoseconds: -60 * AlpacaBench.second)
        let left = OpenGap(
            instrument: 0, kind: .trade, from: reached,
            to: reached.advanced(byNanoseconds: 5), reason: .disconnected)
        _ = bench.begin("AAPL", reached: reached, gaps: [left])
        #expect(
            bench.gaps.map(\.state)
                == [GapState.open, .abandoned, .open, .abandoned].map(\.rawValue))
        #expect(bench.gaps[0].from == reached.advanced(byNanoseconds: -10 * AlpacaBench.second))
        #expect(bench.gaps.map(\.reason).contains(GapReason.gatewayLost.rawValue))
    }

    @Test("a gap that an earlier process left open goes on")
    func openGap() {
        var bench = AlpacaBench()
        let from = AlpacaBench.origin.advanced(byNanoseconds: -600 * AlpacaBench.second)
        let left = OpenGap(
            instrument: 0, kind: .trade, from: from, to: .undefined, reason: .disconnected)
        _ = bench.begin("AAPL", reached: AlpacaBench.origin, gaps: [left])
        #expect(bench.gaps.count == 2 && bench.gaps.allSatisfy { $0.from == from })
    }

    @Test("an end is a gap without an end, and the end of the subscription")
    func stop() {
        var bench = AlpacaBench()
        let number = bench.begin("AAPL")
        bench.receive("[\(bench.trade("AAPL", 1))]", on: number)
        bench.engine.stop(bench.now, into: &bench.out)
        bench.collect()
        #expect(bench.gaps.count == 1 && !bench.gaps[0].to.isDefined)
        #expect(bench.gaps[0].reason == GapReason.gatewayLost.rawValue)
        #expect(bench.subscriptions.map(\.action) == [1, 2])
        #expect(bench.takeWishes().contains(.close(number)) && bench.engine.nextDue == .never)
    }

    @Test("what ends is unsubscribed, what begins is subscribed, and both is no gap")
    func list() {
        var bench = AlpacaBench()
        let number = bench.begin("AAPL", "SPY")
        _ = bench.takeWishes()
        bench.receive("[\(bench.trade("AAPL", 1))]", on: number)
        bench.follow(["AAPL"], ended: [0, 1])
        bench.pass(StreamLimits.requestInterval)
        #expect(bench.takeRequests() == [#"{"action":"unsubscribe","trades":["SPY"]}"#])
        bench.confirm(#""trades":["AAPL"]"#, on: number)
        #expect(bench.gaps.isEmpty && bench.engine.status.feeds.count == 1)
        bench.receive("[\(bench.trade("SPY", 2)),\(bench.trade("AAPL", 2))]", on: number)
        #expect(bench.trades.count == 2 && bench.engine.counters.skipped(.stray) == 1)
        // Another symbol of the same instrument takes over what is missing.
        bench.follow(["MSFT"], ended: [0])
        bench.pass(StreamLimits.requestInterval)
        #expect(bench.gaps.count == 1 && bench.gaps[0].state == GapState.open.rawValue)
        // A kind that is not wanted any more ends.
        bench.follow(["MSFT"], .quotes, ended: [0])
        #expect(bench.subscriptions.last?.action == SubscriptionAction.stop.rawValue)
        #expect(bench.gaps.last?.state == GapState.abandoned.rawValue)
        bench.follow([], ended: [0])
        bench.pass(0)
        #expect(bench.takeWishes().contains(.close(number)))
    }

    @Test("what is wanted again after nothing was wanted is asked for again")
    func again() {
        var bench = AlpacaBench()
        let number = bench.begin("AAPL")
        bench.follow([], ended: [0])
        #expect(bench.takeWishes().contains(.close(number)))
        bench.follow(["AAPL"])
        let next = bench.connect()
        #expect(next > number)
        #expect(bench.takeRequests() == [#"{"action":"subscribe","trades":["AAPL"]}"#])
        bench.confirm(#""trades":["AAPL"]"#, on: next)
        bench.receive("[\(bench.trade("AAPL", 7))]", on: next)
        #expect(bench.trades.count == 1 && bench.states.last == .live && bench.gaps.isEmpty)
    }

    @Test(
        "what cannot be delivered is refused at once, with the reason",
        arguments: [
            ("AAPL", Instrument.Feeds.trades, Instrument.Security.crypto, "only stocks"),
            ("AAPL", .depth, .stock, "only trades, quotes, bars and news"),
            ("A PL", .trades, .stock, "is no symbol of Alpaca"),
        ])
    func refused(
        symbol: String, feeds: Instrument.Feeds, security: Instrument.Security, reason: String
    ) {
        var bench = AlpacaBench()
        let instrument = AlpacaBench.instrument("X", feeds, name: symbol, security: security)
        bench.engine.follow(
            begun: [BegunInstrument(number: 0, instrument: instrument, reached: .undefined)],
            ended: [], bench.now, into: &bench.out)
        bench.pass(0)
        let shown = bench.engine.status.feeds
        #expect(shown.count == 1 && shown[0].state == .refused)
        #expect(shown[0].reason.contains(reason) && bench.takeWishes().isEmpty)
    }

    @Test("stocks do not come from the feed of coins, and a symbol comes once")
    func coins() {
        var bench = AlpacaBench(.crypto)
        bench.follow(["AAPL"])
        #expect(bench.engine.status.feeds[0].reason.contains("only coins"))
        bench.follow(["BTC/USD", "BTC/USD"], security: .crypto, ended: [0])
        #expect(bench.engine.status.feeds.map(\.state) == [.starting, .refused])
        #expect(bench.takeWishes() == [.open(1)])
    }

    @Test(
        "a pair of a list has its halves in the contract",
        arguments: [("BTC", "USD"), ("BTC/USD", "USD"), ("btc/usd", "")])
    func pair(own: String, currency: String) {
        var bench = AlpacaBench(.crypto)
        var instrument = AlpacaBench.instrument("BTC/USD", name: own, security: .crypto)
        instrument.contract.currency = currency
        bench.engine.follow(
            begun: [BegunInstrument(number: 0, instrument: instrument, reached: .undefined)],
            ended: [], bench.now, into: &bench.out)
        #expect(bench.engine.status.feeds.map(\.name) == ["BTC/USD"])
    }

    // MARK: the delayed feed

    @Test(
        "records of the delayed feed say so, and neither silence nor the floor takes them for old")
    func delayed() throws {
        var bench = AlpacaBench(.delayedSip)
        bench.follow(["AAPL"])
        let number = bench.connect()
        let delay = AlpacaFeedName.delayedSip.delay
        var floor = Timestamp.undefined
        bench.confirm(#""trades":["AAPL"]"#, on: number)
        for id in 1...40 as ClosedRange<UInt64> {
            let time = bench.now.wall.advanced(byNanoseconds: -delay)
            bench.receive("[\(bench.trade("AAPL", id, at: "\(time)"))]", on: number)
            bench.pass(AlpacaBench.second)
            #expect(!floor.isDefined || bench.out.floor >= floor)
            floor = bench.out.floor
            #expect(floor <= bench.now.wall.advanced(byNanoseconds: -delay))
        }
        #expect(bench.trades.allSatisfy { $0.header.flags == .delayed })
        #expect(bench.subscriptions.map(\.mode) == [FeedMode.delayed.rawValue])
        #expect(bench.engine.counters.late == 0 && bench.gaps.isEmpty)
        #expect(bench.engine.takeClockAhead() == nil && bench.engine.status.state == .ready)
        // The market is closed for the night: the floor stays behind by as much.
        for _ in 0..<160 { bench.pass(AlpacaBench.second) }
        #expect(bench.out.floor <= bench.now.wall.advanced(byNanoseconds: -delay))
        // A gap has the times of what was reported meanwhile.
        let heard = bench.now.wall
        bench.ended(number)
        bench.pass(20 * AlpacaBench.second)
        bench.confirm(#""trades":["AAPL"]"#, on: bench.connect())
        let last = try #require(bench.gaps.last)
        #expect(last.from <= heard.advanced(byNanoseconds: -delay) && last.to.isDefined)
        #expect(last.to <= bench.now.wall.advanced(byNanoseconds: -delay))
        #expect(last.to.nanoseconds(since: last.from) < 40 * AlpacaBench.second)
    }

    // MARK: the floor

    @Test("the floor follows the present, less what may be under way, and never goes back")
    func floor() {
        var bench = AlpacaBench()
        let number = bench.begin("AAPL")
        var last = Timestamp.undefined
        for turn in 0..<50 {
            let late = turn % 10 == 9 ? "2026-02-23T14:59:00Z" : nil
            bench.receive("[\(bench.trade("AAPL", UInt64(turn), at: late))]", on: number)
            bench.pass(AlpacaBench.second / 10)
            let floor = bench.out.floor
            #expect(!last.isDefined || floor >= last)
            #expect(floor <= bench.now.wall.advanced(byNanoseconds: -2 * AlpacaBench.second))
            last = floor
        }
        bench.pass(10 * AlpacaBench.second)
        let behind = bench.now.wall.nanoseconds(since: bench.out.floor)
        #expect(behind < 3 * AlpacaBench.second)
        #expect(bench.engine.counters.late > 0)
    }
}
