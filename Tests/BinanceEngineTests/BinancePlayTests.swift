import EngineKit
import HistoryTestSupport
import MarketModel
import Primitives
import Testing

@testable import BinanceEngine

/// What comes of trades whose ids tell what is missing, on one connection or on two merged ones.
struct Play: Sendable, CustomTestStringConvertible {
    let testDescription: String
    var legs = 1
    /// What happens: see `EngineBench.play`.
    let script: String
    /// The ids on the tape, and the records of gaps.
    let ids: String
    var gaps: [String] = []

    init(_ name: String, legs: Int = 1, _ script: String, _ ids: String, _ gaps: String...) {
        testDescription = name
        (self.legs, self.script, self.ids, self.gaps) = (legs, script, ids, gaps)
    }

    static let all = [
        Play(
            "a range of ids that does not come is a gap", "10@1 +1 14@1", "10 14",
            "lost: trade ids 11 to 13 did not come"),
        Play("ids that go back are left out", "10@1 11@1 11@1 9@1 12@1", "10 11 12"),
        Play(
            "a cut that lost nothing is filled", "10@1 cut@1 +2 open 11@2", "10 11", "begun",
            "ended", "filled: no trade id is missing"),
        Play(
            "a cut is a gap, and the next id says what it lost", "5@1 cut@1 +2 open 8@2", "5 8",
            "begun", "ended", "lost: trade ids 6 to 7 did not come"),
        Play(
            "without an id from before the gap ends with the subscription",
            "cut@1 +2 open 8@2", "8", "begun", "ended",
            "lost: no trade id from before it is known"),
        Play(
            "the end that the exchange announces loses nothing beside the next connection",
            "1@1 end@1 end@1 open 2@2 2@1 cut@1 3@2", "1 2 3"),
        Play(
            "a predecessor that ends before its successor is ready leaves a gap",
            "1@1 end@1 cut@1 open 4@2", "1 4", "begun", "ended",
            "lost: trade ids 2 to 3 did not come"),
        Play(
            "a successor delivers beside its predecessor, and then alone",
            "1@1 end@1 open 2@1 2-6@2 3@1 +3 7@2", "1 2 3 4 5 6 7"),
        Play(
            "an exchange that counts from anew after a cut is followed",
            "1000@1 cut@1 +2 open 1-4@2", "1000 3 4", "begun", "ended",
            "lost: the exchange began again to count at trade id 3 or before"),
        Play(
            "a quiet symbol that is numbered anew is followed after three trades that count on",
            "1000@1 +1 1@1 +1 2@1 +1 3@1 +1 4@1", "1000 3 4", "begun", "ended",
            "lost: the exchange began again to count at trade id 3 or before"),
        Play(
            "single trades that are out of their row are no new count",
            "7@1 +1 1@1 3@1 1@1 2@1 1@1 8@1", "7 8", "begun", "ended",
            "filled: no trade id is missing"),
        Play(
            "a trade goes out once, whichever connection brings it first", legs: 2,
            "1@1 1@2 2@2 3@2 2@1 3@1 4@1 4@2", "1 2 3 4"),
        Play(
            "what one connection did not bring comes from the other", legs: 2,
            "1@1 4@1 5@1 1-3@2", "1 2 3 4 5"),
        Play(
            "what neither brought is missing as soon as both have passed it", legs: 2,
            "1@1 4@1 5@2", "1 4 5", "lost: trade ids 2 to 3 did not come"),
        Play(
            "a cut of the first leaves no gap", legs: 2,
            "1@1 2@1 4@1 cut@1 1-5@2 +2 open 6@3 6@2", "1 2 3 4 5 6"),
        Play(
            "a cut of the second leaves no gap", legs: 2,
            "1@2 2@2 4@2 cut@2 1-5@1 +2 open 6@3 6@1", "1 2 3 4 5 6"),
        Play(
            "when both end, what waited is on record before the gap", legs: 2,
            "1@1 +0.2 3@1 cut@1 cut@2", "1 3", "lost: trade ids 2 to 2 did not come", "begun"),
        Play(
            "an exchange that counts from anew is followed by the ids of one connection", legs: 2,
            "1000@1 +1 1@1 1@2 2@1 2@2 3@1 3@2 4@1 4@2", "1000 3 4", "begun", "ended",
            "lost: the exchange began again to count at trade id 3 or before"),
    ]
}

@Suite struct BinancePlayTests {
    @Test("ids say what is missing", arguments: Play.all)
    func play(_ play: Play) {
        var bench = EngineBench { $0.merge.legs = play.legs }
        bench.follow(["BTCUSDT"])
        bench.connect()
        bench.play(play.script)
        #expect(bench.ids.map(String.init).joined(separator: " ") == play.ids)
        #expect(bench.gaps.map(Self.words) == play.gaps)
        #expect(
            bench.engine.status.feeds.allSatisfy { $0.hasOpenGap == (play.gaps.last == "begun") })
    }

    private static func words(_ gap: GapRecord) -> String {
        switch GapState(rawValue: gap.state) {
        case .open: gap.to.isDefined ? "ended" : "begun"
        case .filled: "filled: \(gap.detail)"
        case .abandoned: "lost: \(gap.detail)"
        case .filling, nil: "filling"
        }
    }
}
