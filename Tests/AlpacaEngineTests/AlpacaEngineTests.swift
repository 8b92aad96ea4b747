import EngineKit
import HistoryTestSupport
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

    // MARK: errors

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
        #expect(bench.engine.machine.feeds.list[2].refusal.why.isEmpty)
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
}
