import EngineKit
import HistoryTestSupport
import MarketModel
import Testing

@testable import AlpacaEngine

/// What the service's documentation says that it refuses, and what a person is told of it.
@Suite struct AlpacaRefusalTests {
    /// When the service says it.
    enum Step {
        case authenticating, asking, live
    }

    @Test(
        "each documented error is one line with the service's words and what to do",
        arguments: [
            (400, "invalid syntax", .asking, .ready, "write the symbol"),
            (401, "not authenticated", .asking, .closed, "check ALPACA_API_KEY"),
            (402, "auth failed", .authenticating, .refused, "check ALPACA_API_KEY"),
            (404, "auth timeout", .authenticating, .closed, "check the network"),
            (405, "symbol limit exceeded", .asking, .ready, "a larger plan"),
            (406, "connection limit exceeded", .authenticating, .occupied, "end it"),
            (407, "slow client", .live, .closed, "remove instruments"),
            (408, "v2 not enabled", .authenticating, .refused, "ask Alpaca"),
            (409, "insufficient subscription", .authenticating, .refused, "ALPACA_FEED"),
            (410, "invalid subscribe action for this feed", .asking, .ready, "ALPACA_FEED"),
            (411, "insufficient scope", .authenticating, .refused, "make a key"),
            (500, "internal error", .live, .closed, "wait"),
        ] as [(Int, String, Step, StreamState, String)])
    func refusal(code: Int, words: String, step: Step, state: StreamState, advice: String) {
        var bench = AlpacaBench()
        bench.follow(["AAPL"])
        var number: UInt32 = 1
        if step == .authenticating {
            _ = bench.takeWishes()
            bench.opened(number)
            bench.receive(AlpacaBench.connected, on: number)
        } else {
            number = bench.connect()
            if step == .live { bench.confirm(#""trades":["AAPL"]"#, on: number) }
        }
        bench.receive(AlpacaBench.error(code, words), on: number)
        let status = bench.engine.status
        #expect(status.state == state)
        // A feed that is refused, or a connection that is not there, is what `feed try` names.
        let feed = status.feeds[0]
        #expect((feed.state == .refused) == (step == .asking && code != 401 || state == .refused))
        let reason = feed.reason.isEmpty ? status.reason : feed.reason
        #expect(reason.hasPrefix("the service says: \(words) (\(code)): "))
        #expect(reason.contains(advice) && !reason.contains("\n"))
    }

    @Test("a symbol that the service leaves out of its list is to be checked")
    func unlisted() {
        var bench = AlpacaBench()
        bench.follow(["AAPL"])
        bench.confirm(#""trades":[]"#, on: bench.connect())
        #expect(
            bench.engine.status.feeds[0].reason
                == "the service does not list it: check the symbol")
    }

    @Test("what was delivered and is refused then has a gap, until it comes again")
    func lost() {
        var bench = AlpacaBench()
        bench.follow(["AAPL"])
        let number = bench.connect()
        // A record shows that it is delivered, before the answer comes.
        bench.receive("[\(bench.trade("AAPL", 1))]", on: number)
        bench.receive(AlpacaBench.error(405, "symbol limit exceeded"), on: number)
        #expect(bench.engine.status.feeds[0].state == .refused)
        #expect(bench.gaps.count == 1 && bench.gaps[0].state == GapState.open.rawValue)
        bench.receive("[\(bench.trade("AAPL", 2))]", on: number)
        #expect(bench.engine.status.feeds[0].state == .live && bench.trades.count == 2)
        #expect(bench.gaps.last?.state == GapState.abandoned.rawValue)
    }

}
