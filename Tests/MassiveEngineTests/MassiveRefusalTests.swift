import EngineKit
import HistoryTestSupport
import MarketModel
import Testing

@testable import MassiveEngine

/// What the service's documentation says that it refuses, and what a person is told of it.
@Suite struct MassiveRefusalTests {
    /// When the service says it.
    enum Step {
        case authenticating, asking, live
    }

    @Test(
        "each documented status is one line with the service's words and what to do",
        arguments: [
            ("auth_failed", "authentication failed", .authenticating, .refused, "MASSIVE_API_KEY"),
            (
                "auth_failed", "Your plan doesn't include websocket access.", .authenticating,
                .refused, "MASSIVE_FEED=delayed"
            ),
            ("error", "not authenticated", .authenticating, .refused, "MASSIVE_API_KEY"),
            (
                "auth_timeout", "No authentication request received.", .authenticating, .closed,
                "check the network"
            ),
            (
                "max_connections", "Maximum number of websocket connections exceeded.", .live,
                .occupied, "end it"
            ),
            ("error", "not authorized", .asking, .ready, "choose a plan"),
            ("error", "too many subscriptions", .asking, .ready, "choose a plan"),
            ("error", "invalid message", .asking, .ready, "check the symbol"),
            (
                "slow_consumer", "The client reads too slowly.", .live, .closed,
                "remove instruments"
            ),
            (
                "force_disconnect", "The server is restarting.", .live, .closed,
                "connected again by itself"
            ),
        ] as [(String, String, Step, StreamState, String)])
    func refusal(status: String, words: String, step: Step, state: StreamState, advice: String) {
        var bench = MassiveBench()
        bench.follow(["AAPL"])
        var number: UInt32 = 1
        if step == .authenticating {
            _ = bench.takeWishes()
            bench.opened(number)
            bench.receive(MassiveBench.connected, on: number)
        } else {
            number = bench.connect()
            if step == .live { bench.confirm(on: number) }
        }
        bench.receive(MassiveBench.status(status, words), on: number)
        if step == .asking { bench.pass(MassiveLimits.refusalAfter) }
        if state == .closed { bench.ended(number, "it closed with 1008: connect again") }
        let present = bench.engine.status
        #expect(present.state == state)
        // A feed that is refused, or a connection that is not there, is what `feed try` names.
        let feed = present.feeds[0]
        #expect((feed.state == .refused) == (step == .asking || state == .refused))
        let reason = feed.reason.isEmpty ? present.reason : feed.reason
        let isNamed = step == .live && state == .closed || status == "auth_timeout"
        let said = isNamed ? "\(status): \(words)" : words
        #expect(reason.hasPrefix("the service says: \(said): "), "\(reason)")
        #expect(reason.contains(advice) && !reason.contains("\n"), "\(reason)")
    }

    @Test("a channel that the service is silent about is to be checked, and no end is told twice")
    func silence() {
        var bench = MassiveBench()
        bench.follow(["AAPL"])
        let number = bench.connect()
        bench.receive(MassiveBench.status("news", "we move"), on: number)
        bench.pass(StreamLimits.answerAfter)
        let reason = bench.engine.status.feeds[0].reason
        #expect(reason.hasPrefix("the service does not answer to it: check the symbol"))
        bench.receive(MassiveBench.status("slow_consumer", "slow"), on: number)
        bench.ended(number, "closed")
        #expect(bench.engine.status.reason.contains("slow_consumer"))
        bench.pass(MassiveBench.minute)
        bench.ended(number + 1, "refused")
        #expect(bench.engine.status.reason == "refused")
    }
}
