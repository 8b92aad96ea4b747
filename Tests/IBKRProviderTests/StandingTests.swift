import Primitives
import ProviderKit
import Testing

@testable import IBEngine
@testable import IBKRProvider

@Suite("The broker's feeds of an instrument in one word")
struct StandingTests {
    private func status(_ feeds: [(FeedKind, FeedStatus.State, String)]) -> InstrumentStatus {
        InstrumentStatus(
            instrument: 7, symbol: "SPY", sizes: .unknown,
            feeds: feeds.map {
                FeedStatus(feed: $0.0, state: $0.1, reason: $0.2, until: .never)
            })
    }

    @Test("the best feed counts, and the reasons of the others are named")
    func best() {
        let feeds: [(FeedKind, FeedStatus.State, String)] = [
            (.quotes, .refused, "no permission"), (.trades, .live, "for nothing"),
            (.midpoints, .waitingForLines, "no line"),
        ]
        #expect(
            status(feeds).standing
                == InstrumentStanding(
                    instrument: 7, state: .subscribed,
                    reason: "quotes: no permission; midpoints: no line"))
        #expect(status([]).standing == InstrumentStanding(instrument: 7, state: .waiting))
    }

    @Test(
        "each state of a feed has its word", arguments: FeedStatus.State.allCases)
    func states(state: FeedStatus.State) {
        let expected: [FeedStatus.State: InstrumentStanding.State] = [
            .live: .subscribed, .done: .subscribed, .refused: .refused, .interrupted: .down,
            .down: .down,
        ]
        #expect(status([(.trades, state, "")]).standing.state == expected[state] ?? .waiting)
        // Any other feed that delivers is better.
        #expect(
            status([(.trades, state, ""), (.quotes, .live, "")]).standing.state == .subscribed)
    }
}
