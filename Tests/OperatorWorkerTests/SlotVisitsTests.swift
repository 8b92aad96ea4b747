import Primitives
import TestSupport
import Testing

@testable import OperatorWorker

@Suite("Visits of slots")
struct SlotVisitsTests {
    private func visits(_ count: Int) -> SlotVisits {
        var visits = SlotVisits()
        for _ in 0..<count { visits.add() }
        visits.begin(now: .at(0))
        return visits
    }

    @Test("the first turn visits all slots, a later one those that changed, each once")
    func changed() {
        var visits = visits(4)
        #expect(visits.due == [0, 1, 2, 3])
        #expect(!visits.isDue(now: .at(0)))
        visits.change(2)
        visits.change(0)
        visits.change(2)
        #expect(visits.isDue(now: .at(0)))
        visits.begin(now: .at(0))
        #expect(visits.due == [2, 0])
        #expect(!visits.isDue(now: .at(0)))
        visits.begin(now: .at(0))
        #expect(visits.due.isEmpty)
    }

    @Test("a change during a turn is visited in the next one")
    func during() {
        var visits = visits(3)
        visits.change(1)
        visits.begin(now: .at(0))
        visits.change(1)
        #expect(visits.due == [1])
        visits.begin(now: .at(0))
        #expect(visits.due == [1])
    }

    @Test("the worker may wait until a visit is due, and not at all when something changed")
    func wait() {
        var visits = visits(2)
        #expect(visits.wait(now: .at(0)) == .nanoseconds(SlotVisits.nanosecondsMax))
        let later = MonotonicTime.at(0) + SlotVisits.nanosecondsMax
        #expect(visits.wait(now: later + -7) == .nanoseconds(7))
        #expect(visits.wait(now: later + 7) == .zero)
        visits.change(1)
        #expect(visits.wait(now: .at(0)) == .zero)
        visits.begin(now: later)
        visits.changeAll()
        #expect(visits.wait(now: later) == .zero)
    }

    @Test("without changes all slots are visited after the longest time, and on demand")
    func deadlines() {
        var visits = visits(2)
        let later = MonotonicTime.at(0) + SlotVisits.nanosecondsMax
        #expect(!visits.isDue(now: later + -1))
        #expect(visits.isDue(now: later))
        visits.change(1)
        visits.begin(now: later)
        #expect(visits.due == [0, 1])
        #expect(!visits.isDue(now: later))
        visits.changeAll()
        #expect(visits.isDue(now: later))
        visits.begin(now: later)
        #expect(visits.due == [0, 1])
    }
}
