import MarketModel
import Primitives
import StreamCore
import TapeCodec
import Testing

@testable import OperatorWorker

/// A worker's requests to the tape for a repair, and the answers that it accepts.
@Suite("What a repair asks of the tape")
struct RepairAskingTests {
    @Test("an answer to another question is left, before the one that is waited for and behind it")
    func numbers() {
        var asking = RepairAsking(slot: 0, number: 7, question: .ends)
        asking.take(.failed("older"), number: 6)
        #expect(asking.answer == nil)
        asking.take(.ends(nil), number: 7)
        asking.take(.failed("late"), number: 6)
        asking.take(.failed("twice"), number: 7)
        guard case .ends = asking.answer else {
            Issue.record("\(String(describing: asking.answer))")
            return
        }
    }

    @Test("a question without an answer is asked again, and without room at once")
    func again() {
        let deadline = RepairAsking.againNanoseconds
        var asking = RepairAsking(slot: 0, number: 1, question: .ends)
        #expect(asking.isToBeSent(now: .at(5)))
        asking.sent(now: .at(5))
        #expect(!asking.isToBeSent(now: .at(4 + deadline)))
        #expect(asking.isToBeSent(now: .at(5 + deadline)))
        asking.sent(now: .at(5 + deadline))
        #expect(!asking.isToBeSent(now: .at(6 + deadline)))
        asking.take(.ends(nil), number: 1)
        #expect(!asking.isToBeSent(now: .at(5 + 3 * deadline)))
    }

    @Test("bars at the edge of retention are not begun with, but for what was done before")
    func published() {
        let hour = RepairReading.reachNanoseconds
        let start = 100 * hour
        func reachesBack(_ first: Int64, ordinal: UInt64, isDoneBefore: Bool) -> Bool {
            let needs = PartitionOperator.RepairPart(
                from: Timestamp(nanoseconds: start + RepairReading.marginNanoseconds),
                until: .before(.undefined), ranges: [], isDoneBefore: isDoneBefore)
            let reading = RepairReading(slot: 0, reader: 0, needs, now: .at(0))
            return reading.reachesBack(
                BarTapeEnds(
                    first: Timestamp(nanoseconds: first), firstOrdinal: ordinal,
                    last: Timestamp(nanoseconds: start), lastSequence: 9))
        }
        #expect(reachesBack(start - hour, ordinal: 5, isDoneBefore: false))
        #expect(!reachesBack(start - hour + 1, ordinal: 5, isDoneBefore: false))
        #expect(reachesBack(start + 1, ordinal: 1, isDoneBefore: false))
        #expect(reachesBack(start, ordinal: 5, isDoneBefore: true))
        #expect(!reachesBack(start + 1, ordinal: 5, isDoneBefore: true))
    }
}
