import MarketModel
import NatsTransport
import Primitives
import ServiceTestSupport
import Synchronization
import TapeTransport
import TestSupport
import Testing

@testable import Membership
@testable import MembershipTransport

@Suite("The bucket of owners on a real server")
struct OwnerRecordsTests {
    private final class Rounds: Sendable {
        private let count = Atomic<Int>(0)
        func add() { count.add(1, ordering: .relaxed) }
        /// Returns how many there were since the last call.
        func take() -> Int { count.exchange(0, ordering: .relaxed) }
    }

    private static func write(
        _ partition: Int, _ member: MemberName, expected: UInt64
    ) -> RecordWrite {
        RecordWrite(
            id: UInt64(partition), partition: Partition(partition),
            record: OwnershipRecord(
                owner: member, instance: 7, epoch: expected + 1, since: Timestamp(nanoseconds: 1),
                state: .held), expected: expected)
    }

    @Test("what one member wrote is read in two rounds; requests to drain are not passed over")
    func rounds() throws {
        let tape = try TestTape(NatsServer.shared(), namespace: "or1", streams: false)
        let member = try #require(MemberName("a"))
        let (rounds, settings) = (
            Rounds(), GroupMember.Settings(group: .operators, member: member, partitions: 64)
        )
        var records = OwnerRecords(tape.client.connection, tape.names, settings) { _ in
            rounds.add()
        }
        func store(_ writes: [RecordWrite]) -> [WriteOutcome] {
            var outcomes: [(write: RecordWrite, outcome: WriteOutcome)] = []
            records.write(writes) { outcomes.append(($0, $1)) }
            #expect(outcomes.map(\.write) == writes)
            return outcomes.map(\.outcome)
        }
        let outcomes = store((0..<40).map { Self.write($0, member, expected: 0) })
        #expect(outcomes == (1...40).map { WriteOutcome.stored(revision: $0) })
        #expect(store([Self.write(3, member, expected: 0)]) == [.conflict])
        _ = rounds.take()

        // The state of the bucket, steps of 8, 16 and 32, and the request.
        let whole = try records.read(number: 1, after: 0)
        #expect(whole.isWhole && whole.changes.count == 40 && whole.last == 40)
        #expect(whole.drain == .absent && rounds.take() == 5)

        let one = try #require(whole.changes.first { $0.partition == Partition(3) })
        let again = store([Self.write(3, member, expected: one.revision)])
        #expect(again == [.stored(revision: 41)])
        _ = rounds.take()
        let changes = try records.read(number: 2, after: 40)
        #expect(!changes.isWhole && changes.changes.map(\.partition) == [Partition(3)])
        #expect(changes.last == 41 && changes.drain == .unchanged && rounds.take() == 2)
        let nothing = try records.read(number: 3, after: 41)
        #expect(nothing.changes.isEmpty && rounds.take() == 1)

        let book = try #require(try DrainBook(tape.client))
        let cause = DrainCause(reason: "", requester: "o", asked: Timestamp(nanoseconds: 1))
        _ = try book.ask(DrainRequest(groups: [.operators], cause: cause), about: member)
        _ = store([Self.write(3, member, expected: 41)])
        let drained = try records.read(number: 4, after: 41)
        #expect(drained.last == 43 && drained.changes.map(\.revision) == [43])
        #expect(drained.drain == .asked(cause))
    }
}
