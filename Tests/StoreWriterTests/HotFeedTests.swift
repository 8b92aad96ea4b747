import Primitives
import TapeProtocol
import Testing

@testable import StoreWriter

@Suite("How the hot state gets the packets of an input")
struct HotFeedTests {
    private let start = MonotonicTime(nanoseconds: 1_000_000_000_000)
    private let wall = Timestamp(nanoseconds: 1_700_000_000_000_000_000)

    private func after(_ share: Double) -> MonotonicTime {
        start + Int64(Double(HotFeed.behindNanosecondsMax) * share)
    }

    @Test("a tail is opened when the reader was behind for a while, and closed at the end")
    func tail() {
        var feed = HotFeed.undecided
        func follow(_ nearness: ReaderLane.Nearness, _ now: MonotonicTime) -> HotFeed.Order? {
            feed.follow(nearness, isTailStopped: false, isSteady: true, now: now)
        }
        #expect(follow(.atEnd, start) == nil && feed == .rows)
        #expect(follow(.behind, start) == nil && feed == .behind(since: start))
        #expect(follow(.behind, after(0.9)) == nil)
        #expect(follow(.behind, after(1)) == .open && feed == .tail)
        #expect(follow(.behind, after(100)) == nil && feed == .tail)
        #expect(follow(.atEnd, after(101)) == .close && feed == .rows)
    }

    @Test("a reader that is behind for less than that needs no tail")
    func short() {
        var feed = HotFeed.rows
        for number in 0..<10 {
            let now = after(Double(number))
            #expect(feed.follow(.behind, isTailStopped: false, isSteady: true, now: now) == nil)
            #expect(
                feed.follow(
                    .atEnd, isTailStopped: false, isSteady: true,
                    now: now + HotFeed.behindNanosecondsMax - 1) == nil)
            #expect(feed == .rows)
        }
    }

    @Test("a reader that waits for the server changes nothing", arguments: [false, true])
    func opening(isSteady: Bool) {
        for before in [HotFeed.undecided, .rows, .behind(since: start), .tail] {
            var feed = before
            #expect(
                feed.follow(.opening, isTailStopped: false, isSteady: isSteady, now: after(9))
                    == nil)
            #expect(feed == before)
        }
    }

    @Test("a process that is not steady opens no tail, and keeps those that it has")
    func unsteady() {
        var feed = HotFeed.behind(since: start)
        #expect(feed.follow(.behind, isTailStopped: false, isSteady: false, now: after(9)) == nil)
        #expect(feed == .behind(since: start))
        feed = .tail
        #expect(feed.follow(.behind, isTailStopped: false, isSteady: false, now: after(9)) == nil)
        #expect(feed == .tail)
    }

    @Test("a tail that stopped is closed, and opened again after a while")
    func stopped() {
        var feed = HotFeed.tail
        #expect(feed.follow(.behind, isTailStopped: true, isSteady: true, now: start) == .close)
        #expect(feed.follow(.behind, isTailStopped: false, isSteady: true, now: start) == nil)
        #expect(feed.follow(.behind, isTailStopped: false, isSteady: true, now: after(1)) == .open)
    }

    @Test("what a reader catches up with is not shown as new; what is recent always is")
    func admits() {
        let old = wall.advanced(byNanoseconds: -HotFeed.recentNanoseconds)
        let recent = old.advanced(byNanoseconds: 1)
        let all: [HotFeed] = [.undecided, .rows, .behind(since: start), .tail]
        for feed in all {
            for nearness in [ReaderLane.Nearness.atEnd, .opening, .behind] {
                #expect(feed.admits(nearness, stored: recent, now: wall))
                // Clocks that differ must not hide what comes to the end.
                let isAtEnd = feed == .rows && nearness == .atEnd
                #expect(feed.admits(nearness, stored: old, now: wall) == isAtEnd)
            }
        }
    }
}
