import Membership
import MarketModel
import Primitives
import TapeCodec
import TapeProtocol
import TapeTransport
import Testing

@testable import TapelineTool

/// What `tapeline position raise` raises, from positions and a tape that are made by hand.
@Suite("Positions: what a new tape has to continue after")
struct RaisePlanTests {
    private let universe = Partition(4)
    private let taken = Timestamp(nanoseconds: 1_700_000_000_000_000_000)

    private func position(
        _ input: TapeInput, _ partition: Int, _ sources: [(name: String, last: UInt64)]
    ) throws -> GroupPosition {
        var position = GroupPosition(group: .store, input: input, partition: Partition(partition))
        position.packet = GroupPosition.Packet(
            streamCreated: taken, sequence: 9,
            identity: PacketIdentity(epoch: 3, firstOrdinal: 1, checksum: 2))
        position.sources = try sources.map {
            GroupPosition.Source(
                source: try #require(SourceName($0.name)), lastOrdinal: $0.last,
                tapeOrdinal: $0.last, epoch: 3)
        }
        position.tapeTime = taken
        return position
    }

    private func plan(onTape: UInt64 = 0) throws -> RaisePlan {
        RaisePlan(
            [
                try position(.ticks, 0, [("ib", 900), ("manual", 4)]),
                try position(.ticks, 2, [("ib", 50)]),
                try position(.bars, 0, [("operator", 70), ("universe", 8)]),
                try position(.bars, 2, [("operator", 5)]),
            ], universe: universe
        ) { _, _, _ in onTape }
    }

    @Test("a record for each source, with the epochs of its watermarks")
    func records() throws {
        let records = try plan().records
        #expect(records.map(\.source.text) == ["ib", "manual"])
        let record = try #require(records.first?.record)
        let head = SourceRecord.Head(epoch: 3, lastOrdinal: 900, storedUntil: taken)
        #expect(record.heads[.ticks(Partition(0))] == head)
        #expect(record.heads[.ticks(Partition(2))]?.lastOrdinal == 50)
        #expect(record.heads[.ticks(Partition(1))] == nil)
        for stream in 0..<TapeNames.tickStreams {
            let head = SourceRecord.Head(epoch: 3, lastOrdinal: 0)
            #expect(record.heads[.watermarks(stream: stream)] == head)
        }
    }

    @Test("a request for each share of the operators, with the ticks that its bars may count")
    func requests() throws {
        let requests = try plan().requests
        #expect(requests.map(\.share) == [Partition(0), universe, Partition(2)])
        #expect(requests.map(\.stored.lastOrdinal) == [70, 8, 5])
        #expect(requests[0].stored.sources.map(\.source.text) == ["ib", "manual"])
        #expect(requests[0].stored.sources.map(\.lastOrdinal) == [900, 4])
        #expect(requests[1].stored.sources.isEmpty)
        #expect(requests[2].stored.epoch == 3)
    }

    @Test("a tape that has as much as the database needs nothing")
    func nothing() throws {
        let some = try plan(onTape: 60)
        #expect(some.lines.filter(\.isNeeded).map(\.lastOrdinal) == [900, 70])
        #expect(!some.isNothing)
        let all = try plan(onTape: 900)
        #expect(all.isNothing && all.records.isEmpty && all.requests.isEmpty)
        let text = RaiseText(plan: all, accepted: [], isRaised: true)
        #expect(text.lines == ["nothing to raise: the tape has all that the database has"])
    }

    @Test("the position keeps its epochs only where it goes to the start of a new tape")
    func acceptance() throws {
        let old = try position(.ticks, 0, [("ib", 900)])
        let accepted = try Acceptance(
            old, tapeSources: [], streamCreated: taken, lastSequence: 0
        ) { _, _ in nil }
        #expect(accepted.changes.map(\.epoch) == [0])
        #expect(!StorePositions.accepted(accepted).contains("is_restored"))
        let restored = accepted.restored()
        #expect(restored.changes.map(\.epoch) == [3] && restored.isRestored)
        #expect(restored.lostCount == 0)
        #expect(StorePositions.accepted(restored).contains(#""is_restored":true"#))
    }

    @Test("a table that fits into 110 columns, and says what no database has")
    func text() throws {
        let text = RaiseText(plan: try plan(), accepted: [], isRaised: false)
        let lines = text.lines
        #expect(lines.allSatisfy { $0.count <= 110 }, "\(lines)")
        #expect(
            lines[1].contains("ticks    0 ib") && lines[1].contains("900")
                && lines[1].contains("2023-11-14T22:13:20.000000000Z"), "\(lines[1])")
        #expect(lines.contains { $0.contains("registered groups") })
        let json = try JSONValue.parse(text.json(isDryRun: true, isDone: false))
        #expect(json["dry_run"]?.bool == true && json["changed"]?.bool == false)
        #expect(json["lines"]?.array?.count == 6)
    }

    @Test("of two stores the one that has more decides, in either order")
    func stores() throws {
        let (a, b) = (try #require(SourceName("a")), try #require(SourceName("b")))
        func stored(_ last: UInt64, _ epoch: UInt64, _ ends: [(SourceName, UInt64)])
            -> RebuildRequest.Stored
        {
            RebuildRequest.Stored(
                lastOrdinal: last, epoch: epoch,
                sources: ends.map { SourceOrdinal(source: $0.0, epoch: 1, lastOrdinal: $0.1) })
        }
        let (one, other) = (stored(900, 2, [(b, 5), (a, 7)]), stored(700, 3, [(a, 9)]))
        #expect(one.joined(other) == stored(900, 3, [(a, 9), (b, 5)]))
        #expect(one.joined(other) == other.joined(one))
    }

    @Test("a program may give --dry-run in place of --yes")
    func arguments() throws {
        let command = try PositionCommand.parse(["raise", "--dry-run", "--json"])
        #expect(command.verb == .raise && command.isDryRun && command.asJSON)
    }
}
