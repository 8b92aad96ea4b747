import Membership
import Primitives
import TapeProtocol
import Testing

@testable import StoreWriter

@Suite("How the hot state gets the packets of an input")
struct HotFeedTests {
    private let start = MonotonicTime(nanoseconds: 1_000_000_000_000)
    private let second: Int64 = 1_000_000_000

    private func after(_ seconds: Double) -> MonotonicTime {
        start + Int64(seconds * Double(second))
    }

    private func behind(_ lacking: Int64) -> HotFeed { .behind(since: start, lacking: lacking) }

    /// All states in which an input may be.
    private var all: [HotFeed] {
        [
            .undecided, .rows, behind(HotFeed.overlapNanoseconds),
            behind(HotFeed.recentNanosecondsMax), .tail(atEndSince: nil), .tail(atEndSince: start),
        ]
    }

    /// One turn: how near the reader is, after so many seconds, and what is to be done.
    private typealias Turn = (
        nearness: ReaderLane.Nearness, seconds: Double, order: HotFeed.Order?
    )

    /// Checks the orders of these turns, and returns the state after them.
    private func follow(
        _ feed: HotFeed, _ turns: [Turn], isTailStopped: Bool = false, isSteady: Bool = true
    ) -> HotFeed {
        var feed = feed
        for turn in turns {
            let order = feed.follow(
                turn.nearness, isTailStopped: isTailStopped, isSteady: isSteady,
                now: after(turn.seconds))
            #expect(order == turn.order, "\(turn)")
        }
        return feed
    }

    @Test("a tail is opened when the reader was behind for a while, and closed after its rest")
    func tail() {
        let turns: [Turn] = [
            (.atEnd, 0, nil), (.behind, 1, nil), (.behind, 1.9, nil),
            // From before the reader was behind.
            (.behind, 2, .open(back: 6 * second)), (.behind, 100, nil), (.atEnd, 101, nil),
            (.atEnd, 105.9, nil), (.atEnd, 106, .close),
        ]
        #expect(follow(.undecided, turns) == .rows)
    }

    @Test("a database that is slow again and again keeps its tail")
    func slowAgain() {
        let turns = (0..<20).flatMap { number -> [Turn] in
            let seconds = Double(number) * 7
            return [
                (.behind, seconds, nil), (.atEnd, seconds + 1.5, nil), (.opening, seconds + 3, nil),
                (.atEnd, seconds + 6.4, nil),
            ]
        }
        #expect(follow(.tail(atEndSince: nil), turns).isTail)
    }

    @Test("a reader that is behind for less than that needs no tail")
    func short() {
        let turns = (0..<10).flatMap { number -> [Turn] in
            [(.behind, Double(number), nil), (.atEnd, Double(number) + 0.999, nil)]
        }
        #expect(follow(.rows, turns) == .rows)
    }

    @Test("a new owner's tail begins before the old owner's end, whatever the lease")
    func newOwner() {
        let turns: [Turn] = [
            (.behind, 0, nil), (.behind, 1, .open(back: HotFeed.recentNanosecondsMax)),
        ]
        #expect(follow(.undecided, turns) == .tail(atEndSince: nil))
        // A member is dead after its lease and a 64th.
        let lease = MemberHeartbeat.leaseNanosecondsMax
        #expect(
            HotFeed.recentNanosecondsMax
                >= lease + lease / 64 + HotFeed.behindNanosecondsMax + HotFeed.overlapNanoseconds)
    }

    @Test("a tail begins where the reader fell behind, as far as that is not long ago")
    func unsteadyForLong() {
        let lacking = HotFeed.overlapNanoseconds
        #expect(
            follow(behind(lacking), [(.behind, 40, .open(back: 45 * second))]).isTail)
        #expect(
            follow(
                behind(lacking), [(.behind, 3_600, .open(back: HotFeed.recentNanosecondsMax))]
            ).isTail)
    }

    @Test("a reader that is opened again may be far from the end, and lacks nothing before that")
    func reopened() {
        for feed in all {
            let reopened = feed.reopened(start)
            #expect(reopened == (feed == .rows ? behind(HotFeed.overlapNanoseconds) : feed))
        }
    }

    @Test("a reader that waits for the server changes nothing", arguments: [false, true])
    func opening(isSteady: Bool) {
        for feed in all {
            #expect(follow(feed, [(.opening, 9, nil)], isSteady: isSteady) == feed)
        }
    }

    @Test("a process that is not steady opens no tail, and keeps those that it has")
    func unsteady() {
        for feed in [behind(0), .tail(atEndSince: nil)] {
            #expect(follow(feed, [(.behind, 9, nil)], isSteady: false) == feed)
        }
    }

    @Test("a tail that stopped is closed, and opened again after a while")
    func stopped() {
        let closed = follow(
            .tail(atEndSince: nil), [(.behind, 0, .close)], isTailStopped: true)
        let turns: [Turn] = [(.behind, 0.5, nil), (.behind, 1, .open(back: 6 * second))]
        #expect(follow(closed, turns) == .tail(atEndSince: nil))
    }

    @Test("what comes to the end is always shown, also when clocks differ")
    func admitsTheEnd() {
        for age in [Int64.min, -3_600 * second, 0, 3_600 * second, .max] {
            #expect(HotFeed.rows.admits(.atEnd, age: age, life: 10 * second))
        }
    }

    @Test(
        "what a reader catches up with is not shown as new; what nobody else has written is",
        arguments: [10, 60, 300, 604_800])
    func admits(lifeSeconds: Int64) {
        let life = lifeSeconds * second
        func limit(_ feed: HotFeed, _ nearness: ReaderLane.Nearness) -> Int64? {
            if nearness == .atEnd { return feed == .rows ? nil : life }
            return feed.isTail
                ? HotFeed.overlapNanoseconds : min(HotFeed.recentNanosecondsMax, life)
        }
        for feed in all {
            for nearness in [ReaderLane.Nearness.atEnd, .opening, .behind] {
                guard let limit = limit(feed, nearness) else { continue }
                #expect(feed.admits(nearness, age: limit - 1, life: life))
                #expect(!feed.admits(nearness, age: limit, life: life))
            }
        }
    }

    @Test("of a catch-up over an hour only the last packets are shown, and those below their life")
    func catchUp() {
        let life = 300 * second
        for feed in all {
            for age in stride(from: 3_600 * second, to: 91 * second, by: -Int(second)) {
                #expect(!feed.admits(.behind, age: Int64(age), life: life))
                #expect(!feed.admits(.opening, age: Int64(age), life: life))
            }
            // Fewer packets than a pull has are left. A quiet partition's may be old.
            #expect(feed == .rows || !feed.admits(.atEnd, age: 3_600 * second, life: life))
        }
    }
}
